"""The chart's rules, tried by promtool: each alert fires where it should, and only there."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from quartermaster import metrics
from tests.support.chart import CHART, Json
from tests.support.kubectl import ROOT, NoClusterError, program

try:
    PROMTOOL = program("promtool")
except NoClusterError as error:
    pytest.skip(str(error), allow_module_level=True)

RULES = sorted((CHART / "rules").glob("*.yaml"))
CASES = sorted((Path(__file__).parent / "rules").glob("*.yaml"))
PAGE = ROOT / "docs/guides/alerts.md"
LEAST = 15
"""So many alerts there are at least [count]."""


def promtool(*arguments: str | Path) -> str:
    """What it says; it has to have nothing against it."""
    done = subprocess.run(
        [PROMTOOL, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules(path: Path) -> list[Json]:
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


EVERY = [rule for path in RULES for rule in rules(path)]
ALERTS = {rule["alert"]: rule for rule in EVERY if "alert" in rule}
RECORDS = {rule["record"] for rule in EVERY if "record" in rule}
of_each = pytest.mark.parametrize("alert", ALERTS)


def tried(kind: str) -> list[Json]:
    """The cases of one kind, of all files."""
    files = [yaml.safe_load(path.read_text()) for path in CASES]
    return [case for file in files for test in file["tests"] for case in test.get(kind, ())]


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_the_rules_are_rules(path: Path) -> None:
    promtool("check", "rules", path)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_rules_do_what_their_cases_say(path: Path) -> None:
    promtool("test", "rules", path)


def test_there_are_as_many_alerts_as_promised_and_each_is_there_once() -> None:
    assert len(ALERTS) >= LEAST
    assert len(ALERTS) + len(RECORDS) == len(EVERY)


@of_each
def test_an_alert_is_tried_where_it_fires_and_where_it_does_not(alert: str) -> None:
    fires = {bool(it["exp_alerts"]) for it in tried("alert_rule_test") if it["alertname"] == alert}
    assert fires == {True, False}


@pytest.mark.parametrize("record", sorted(RECORDS))
def test_what_is_recorded_is_tried(record: str) -> None:
    assert any(record in case["expr"] for case in tried("promql_expr_test"))


@of_each
def test_an_alert_says_how_bad_it_is_what_it_is_in_numbers_and_what_to_do(alert: str) -> None:
    rule = ALERTS[alert]
    annotations = rule["annotations"]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"] == f"docs/guides/alerts.md#{alert.lower()}"
    # That nobody leads, or that the ledger is away, has no number.
    assert "value" in annotations["description"] or alert in {"NoLeader", "LedgerDown"}


def test_each_alert_has_a_section_and_each_section_an_alert() -> None:
    sections = re.findall(r"^### (\w+)$", PAGE.read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(ALERTS)


def test_a_rule_names_only_what_is_exported_with_labels_that_it_has() -> None:
    labels = {metrics.PREFIX + metric.name: set(metric.labels) for metric in metrics.TABLE}
    histograms = {m.name for m in metrics.TABLE if m.kind is metrics.Kind.HISTOGRAM}
    labels |= {
        f"{metrics.PREFIX}{name}_count": labels[metrics.PREFIX + name] for name in histograms
    }
    for rule in EVERY:
        without_records = re.sub(r"\b\w+:quartermaster_\w+:\w+", "", rule["expr"])
        found = re.findall(r"\b(quartermaster_\w+)(?:\{([^}]*)\})?", without_records)
        for name, matchers in found:
            assert name in labels, (rule, name)
            assert set(re.findall(r"(\w+)[=!]", matchers)) <= labels[name], (rule, name)
        for record in re.findall(r"\b\w+:quartermaster_\w+:\w+", rule["expr"]):
            assert record in RECORDS, (rule, record)
