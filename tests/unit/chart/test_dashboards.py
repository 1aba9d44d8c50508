import json

import pytest

from tests.support.boards import FILES
from tests.support.chart import NAMESPACE, of_kind, rendered
from tests.support.kubectl import NoClusterError, program

try:
    program("helm")
except NoClusterError as error:
    pytest.skip(str(error), allow_module_level=True)


def test_each_dashboard_reaches_the_sidecar_as_it_is() -> None:
    """A template would have eaten the braces of the legends."""
    found = of_kind(rendered("default.yaml"), "ConfigMap")
    data = {name: text for one in found for name, text in one["data"].items()}
    assert {name: json.loads(text) for name, text in data.items()} == {
        f"quartermaster-{path.name}": json.loads(path.read_text()) for path in FILES
    }
    for one in found:
        assert one["metadata"]["namespace"] == NAMESPACE
        assert one["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert one["metadata"]["annotations"] == {"grafana_folder": "Quartermaster"}


def test_a_sidecar_elsewhere_finds_them_by_its_own_label() -> None:
    found = of_kind(rendered("dashboards-elsewhere.yaml"), "ConfigMap")
    assert len(found) == len(FILES)
    for one in found:
        assert one["metadata"]["namespace"] == "monitoring"
        assert one["metadata"]["labels"]["dashboards"] == "yes"
        assert "grafana_dashboard" not in one["metadata"]["labels"]


def test_who_has_no_grafana_can_leave_them_out() -> None:
    assert of_kind(rendered("no-dashboards.yaml"), "ConfigMap") == []
