"""The chart, rendered by Helm."""

import subprocess
from collections.abc import Sequence
from functools import cache
from typing import Any

import yaml

from tests.support.kubectl import ROOT, program

Json = dict[str, Any]

CHART = ROOT / "helm/quartermaster"
VALUES = ROOT / "tests/unit/chart/values"
KUBE_VERSION = "1.34.4"
NAMESPACE = "quartermaster"


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Helm, whatever its end."""
    return subprocess.run(
        [program("helm"), *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def template(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`helm template` of a release `qm`."""
    where = ("--namespace", NAMESPACE, "--kube-version", KUBE_VERSION)
    return helm("template", "qm", str(CHART), *where, *arguments)


@cache
def rendered(values: str) -> Sequence[Json]:
    """The objects that the chart makes of a values file, without the definitions' own schemas."""
    done = template("--values", str(VALUES / values))
    assert done.returncode == 0, done.stderr
    return tuple(document for document in yaml.safe_load_all(done.stdout) if document)


def of_kind(objects: Sequence[Json], kind: str) -> list[Json]:
    """Those of one kind."""
    return [one for one in objects if one["kind"] == kind]
