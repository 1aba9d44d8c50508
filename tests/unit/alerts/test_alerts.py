"""Every alert fires when it should, in these words, and is quiet when it should be: by promtool.

promtool comes with Debian's Prometheus, which the cluster's set-up installs.
"""

import re
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.support.kubectl import ROOT

pytestmark = pytest.mark.e2e

RULES = ROOT / "helm/quartermaster/rules"
GUIDE = ROOT / "docs/guides/alerts.md"
Q = "quartermaster_"
DAY = 1440
"""[min]"""
JOB = '{namespace="team", job="digits"}'


@dataclass(frozen=True)
class Case:
    """Series, one sample a minute, and what an alert makes of them at a time."""

    alert: str
    series: dict[str, str]
    at: int
    """[min]"""
    labels: dict[str, str] | None = None
    """Beside the severity; None: it is quiet."""
    says: str = ""
    """A part of its description."""

    @property
    def every(self) -> int:
        """Between samples, and between looks at them [min]: days by the minute take a minute."""
        return 1 if self.at < DAY else 10


def budget(name: str, spent: str, forecast: str = "0x600") -> dict[str, str]:
    told = f'{{namespace="team", budget="{name}"}}'
    return {
        f"{Q}budget_amount_usd{told}": "100x600",
        f"{Q}budget_spent_usd{told}": spent,
        f"{Q}budget_forecast_usd{told}": forecast,
    }


def week(rate: int, today: int) -> dict[str, str]:
    """The cluster's price for seven days, and then another one."""
    return {f'{Q}cost_usd_per_hour{{kind="Job"}}': f"{rate}x{7 * DAY // 10} {today}x{DAY // 10}"}


def waiting(reason: str, used: int) -> dict[str, str]:
    return {
        f'{Q}job_waiting_seconds{{namespace="team", job="digits", reason="{reason}"}}': "0+60x200",
        f'{Q}pool_gpus{{pool="p"}}': "8x200",
        f'{Q}pool_gpus_used{{pool="p"}}': f"{used}x200",
    }


def bound(count: str) -> dict[str, str]:
    job = 'namespace="team", job="digits"'
    return {
        f'{Q}job_workers{{{job}, state="bound"}}': count,
        f'{Q}job_workers{{{job}, state="wanted"}}': "4x200",
    }


def spot(price: str) -> dict[str, str]:
    where = 'instance_type="p5.48xlarge", region="ca-central-1"'
    return {
        f'{Q}node_price_usd_per_hour{{{where}, capacity_type="Spot"}}': price,
        f"{Q}node_on_demand_price_usd_per_hour{{{where}}}": "55x200",
    }


def idle(busy: str) -> dict[str, str]:
    return {
        f"{Q}job_cost_usd_per_hour{JOB}": "12.5x200",
        f"{Q}job_gpu_busy_ratio{JOB}": busy,
        f"{Q}job_gpus{JOB}": "2x200",
    }


def nodes(which: str) -> dict[str, str]:
    return {f"{Q}cost_usd_per_hour{{{which}}}": "9x200"}


TEAM = {"namespace": "team"}
DIGITS = TEAM | {"job": "digits"}
BUDGET = TEAM | {"budget": "team"}
PLACE = {"pool": "p", "gpu_model": "H100"}
CASES = [
    Case("BudgetForecastExceeded", budget("team", "50x600", "120x600"), 20, BUDGET, "120.00 USD"),
    Case("BudgetForecastExceeded", budget("team", "50x600", "90x600"), 20),
    Case("BudgetForecastExceeded", budget("team", "100x600", "120x600"), 20),
    Case("BudgetNearlySpent", budget("team", "93x600"), 5, BUDGET, "93% of its amount"),
    Case("BudgetNearlySpent", budget("team", "80x600"), 5),
    Case("BudgetNearlySpent", budget("team", "100x600"), 5),
    Case("BudgetSpent", budget("team", "100.5x600"), 5, BUDGET, "100.50 USD are spent"),
    Case("BudgetSpent", budget("team", "99x600"), 5),
    Case("CostAnomaly", week(20, 40), 7 * DAY + 400, {}, "it cost 20.00 USD an hour more"),
    Case("CostAnomaly", week(20, 25), 7 * DAY + 400),
    Case("CostAnomaly", week(3, 6), 7 * DAY + 400),
    Case("CostAnomaly", week(20, 40), 3 * DAY),
    Case("IdleGpus", idle("0.01x200"), 40, DIGITS, "It costs 12.50 USD an hour"),
    Case("IdleGpus", idle("0.5x200"), 40),
    Case("IdleGpus", idle("0.01x20 0.9x180"), 40),
    Case(
        "IdleNodes",
        nodes('kind="Idle", pool="p", gpu_model="H100", capacity_type="Spot"'),
        70,
        PLACE | {"capacity_type": "Spot"},
        "(Spot) costs 9.00 USD an hour",
    ),
    Case(
        "IdleNodes", {f'{Q}cost_usd_per_hour{{kind="Idle", pool="p", gpu_model=""}}': "9x200"}, 70
    ),
    Case(
        "IdleNodes",
        {f'{Q}cost_usd_per_hour{{kind="Job", pool="p", gpu_model="H100"}}': "9x200"},
        70,
    ),
    Case(
        "JobStuckPending",
        waiting("NoCapacity", 4),
        75,
        DIGITS | {"reason": "NoCapacity"},
        "1h 15m 0s: NoCapacity. `kubectl qm explain digits -n team`",
    ),
    Case("JobStuckPending", waiting("NoCapacity", 8), 75),
    Case("JobStuckPending", waiting("NoCapacity", 4), 50),
    Case("JobStuckPending", waiting("BudgetSpent", 4), 75),
    Case("GangPartlyBound", bound("3x200"), 15, DIGITS, "3 of its workers"),
    Case("GangPartlyBound", bound("4x200"), 15),
    Case("GangPartlyBound", bound("0x200"), 15),
    Case("GangPartlyBound", bound("3x5 4x100"), 15),
    Case(
        "DeadlineAtRisk",
        {f"{Q}job_deadline_slack_seconds{JOB}": "-300x200"},
        10,
        DIGITS,
        "late by more than 5m 0s",
    ),
    Case("DeadlineAtRisk", {f"{Q}job_deadline_slack_seconds{JOB}": "300x200"}, 10),
    Case(
        "ReclaimStorm",
        {f'{Q}reclaims_total{{pool="p", gpu_model="H100", reason="AWS"}}': "0x20 0+1x20"},
        35,
        PLACE,
        "nodes with jobs on them were announced",
    ),
    Case(
        "ReclaimStorm",
        {f'{Q}reclaims_total{{pool="p", gpu_model="H100", reason="AWS"}}': "0x20 1x20"},
        35,
    ),
    Case(
        "SpotDearerThanOnDemand",
        spot("89x200"),
        20,
        {"instance_type": "p5.48xlarge", "region": "ca-central-1"},
        "It costs 89.00 USD an hour",
    ),
    Case("SpotDearerThanOnDemand", spot("20x200"), 20),
    Case(
        "PriceListStale",
        {f'{Q}price_age_seconds{{source="price-list", provider="aws"}}': "691200x200"},
        70,
        {"source": "price-list", "provider": "aws"},
        "8d 0h 0m 0s old",
    ),
    Case(
        "PriceListStale",
        {f'{Q}price_age_seconds{{source="price-list", provider="aws"}}': "86400x200"},
        70,
    ),
    Case(
        "PriceListStale",
        {f'{Q}price_age_seconds{{source="catalogue", provider="aws"}}': "691200x200"},
        70,
    ),
    Case(
        "PriceCatalogueOld",
        {f'{Q}price_age_seconds{{source="catalogue", provider="gcp"}}': "17280000x200"},
        70,
        {"source": "catalogue", "provider": "gcp"},
        "200d 0h 0m 0s old",
    ),
    Case(
        "PriceCatalogueOld",
        {f'{Q}price_age_seconds{{source="catalogue", provider="gcp"}}': "864000x200"},
        70,
    ),
    Case(
        "PriceUnknown",
        {f'{Q}priced_nodes{{source="unknown"}}': "3x200"},
        20,
        {},
        "what 3 nodes cost",
    ),
    Case("PriceUnknown", {f'{Q}priced_nodes{{source="pool"}}': "3x200"}, 20),
    Case(
        "CostNotReconciled",
        {f"{Q}overcharged_usd_per_hour": "2x200", f'{Q}cost_usd_per_hour{{kind="Job"}}': "100x200"},
        40,
        {},
        "It is 2% of the nodes' price",
    ),
    Case(
        "CostNotReconciled",
        {
            f"{Q}overcharged_usd_per_hour": "0.1x200",
            f'{Q}cost_usd_per_hour{{kind="Job"}}': "100x200",
        },
        40,
    ),
    Case("LedgerDown", {f"{Q}ledger_up": "0x200"}, 10, {}, "nothing is lost"),
    Case("LedgerDown", {f"{Q}ledger_up": "1x200"}, 10),
    Case("NoLeader", {f'{Q}leader{{instance="a"}}': "0x200"}, 5, {}, "Nothing is placed"),
    Case("NoLeader", {}, 5, {}, "Running jobs go on"),
    Case(
        "NoLeader",
        {f'{Q}leader{{instance="a"}}': "0x200", f'{Q}leader{{instance="b"}}': "1x200"},
        5,
    ),
    Case(
        "TwoLeaders",
        {f'{Q}leader{{instance="a"}}': "1x200", f'{Q}leader{{instance="b"}}': "1x200"},
        5,
        {},
        "2 of them do",
    ),
    Case("TwoLeaders", {f'{Q}leader{{instance="a"}}': "1x200"}, 5),
    Case(
        "WatchDead",
        {
            f'{Q}leader{{instance="a"}}': "1x200",
            f'{Q}watch_up{{instance="a", resource="pods"}}': "0x200",
        },
        5,
        {"instance": "a", "resource": "pods"},
        "Its probe should have restarted it",
    ),
    Case(
        "WatchDead",
        {
            f'{Q}leader{{instance="a"}}': "0x200",
            f'{Q}watch_up{{instance="a", resource="pods"}}': "0x200",
        },
        5,
    ),
    Case(
        "ReconcileErrors",
        {
            f'{Q}reconcile_seconds_count{{outcome="error"}}': "0+1x200",
            f'{Q}reconcile_seconds_count{{outcome="ok"}}': "0+9x200",
        },
        30,
        {},
        "10% of them did",
    ),
    Case(
        "ReconcileErrors",
        {
            f'{Q}reconcile_seconds_count{{outcome="error"}}': "0+1x200",
            f'{Q}reconcile_seconds_count{{outcome="ok"}}': "0+99x200",
        },
        30,
    ),
    Case(
        "NodesOvercommitted",
        {f"{Q}overcommitted_nodes": "2x200"},
        10,
        {},
        "2 nodes are overcommitted",
    ),
    Case("NodesOvercommitted", {f"{Q}overcommitted_nodes": "0x200"}, 10),
    Case(
        "SeriesDropped",
        {f"{Q}jobs_without_series": "40x200"},
        20,
        {},
        "40 jobs are beyond the limit",
    ),
    Case("SeriesDropped", {f"{Q}jobs_without_series": "0x200"}, 20),
]


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((RULES / "alerts.yaml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def promtool(*arguments: str) -> str:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def tried(case: Case) -> dict[str, Any]:
    """One of promtool's tests."""
    # promtool wants a series, and this one concerns nobody.
    series = case.series or {"up": "1x10"}
    expected = {"eval_time": f"{case.at}m", "alertname": case.alert, "exp_alerts": []}
    return {
        "interval": f"{case.every}m",
        "input_series": [{"series": name, "values": told} for name, told in series.items()],
        "alert_rule_test": [expected],
    }


@pytest.fixture(scope="module")
def fired(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What promtool says of each alert that fires, a text for each time: nothing is expected."""
    files = [str(RULES / "recording.yaml"), str(RULES / "alerts.yaml")]
    path, told = tmp_path_factory.mktemp("alerts") / "test.yaml", ""
    for every in sorted({case.every for case in CASES}):
        tests = [tried(case) for case in CASES if case.every == every]
        document = {"rule_files": files, "evaluation_interval": f"{every}m", "tests": tests}
        path.write_text(yaml.safe_dump(document))
        told += promtool("test", "rules", str(path))
    found: dict[str, list[str]] = {}
    for text in told.split("alertname: ")[1:]:
        found.setdefault(text[: text.index(",")], []).append(text.replace("\\", ""))
    return found


def test_the_rules_are_rules() -> None:
    for path in RULES.glob("*.yaml"):
        assert "SUCCESS" in promtool("check", "rules", str(path))


@pytest.mark.parametrize("alert", sorted({case.alert for case in CASES}))
def test_an_alert_fires_when_it_should_and_else_is_quiet(
    alert: str, fired: dict[str, list[str]]
) -> None:
    wanted = [case for case in CASES if case.alert == alert and case.labels is not None]
    told = fired.get(alert, [])
    assert len(told) == len(wanted), told
    for case, text in zip(wanted, told, strict=True):
        labels = {
            "alertname": alert,
            "severity": alerts()[alert]["labels"]["severity"],
            **(case.labels or {}),
        }
        words = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
        assert f"Labels:{{{words}}}" in text
        assert case.says in text


def test_every_alert_is_tried_both_ways_and_explained() -> None:
    guide = GUIDE.read_text()
    for name, rule in alerts().items():
        tried = {case.labels is None for case in CASES if case.alert == name}
        assert tried == {True, False}, name
        assert f"## {name}\n" in guide, name
        assert rule["annotations"]["runbook_url"] == f"RUNBOOKS#{name.lower()}"
        assert rule["annotations"]["summary"]
    assert {case.alert for case in CASES} == alerts().keys()
    headings = re.findall(r"^## (\w+)$", guide, re.MULTILINE)
    assert [name for name in headings if name not in alerts()] == []
