"""What the shapes of PromQL come to, asked of Prometheus's own engine."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from dashboards import promql
from tests.support.boards import filled, times

PROMTOOL = shutil.which("promtool")
if PROMTOOL is None:
    pytest.skip("promtool comes with `make cluster-up`", allow_module_level=True)

HOUR = times(3600, 60)
"""An hour is shown, in steps of a minute; samples come every minute."""


def check(folder: Path, expression: str, series: Mapping[str, str], want: float | None) -> None:
    """The one value that an expression has after an hour; None: none."""
    samples = [] if want is None else [{"labels": "{}", "value": want}]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in series.items()],
        "promql_expr_test": [
            {"expr": filled(expression, HOUR), "eval_time": "1h", "exp_samples": samples}
        ],
    }
    path = folder / "test.yml"
    path.write_text(json.dumps({"rule_files": [], "tests": [test]}))
    done = subprocess.run(
        [str(PROMTOOL), "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def reclaims(instance: str) -> str:
    return f'quartermaster_reclaims_total{{pool="a",reason="Taint",instance="{instance}"}}'


def events() -> str:
    return promql.events("", "reclaims_total")


def test_the_first_event_counts_though_its_counter_begins_with_it(tmp_path: Path) -> None:
    check(tmp_path, events(), {reclaims("old"): "_x30 1x30"}, 1)


def test_events_before_the_range_do_not_count(tmp_path: Path) -> None:
    check(tmp_path, events(), {reclaims("old"): "5x30 7x30"}, 2)


def test_events_of_two_operators_count_one_after_the_other(tmp_path: Path) -> None:
    check(tmp_path, events(), {reclaims("old"): "5x20", reclaims("new"): "_x30 1x10 2x20"}, 2)


def test_a_rate_comes_to_as_many_minutes_as_it_was_scraped(tmp_path: Path) -> None:
    """31 of them; what was not scraped is not guessed, as a mean over the hour would do."""
    idle = 'quartermaster_cost_usd_per_hour{kind="Idle"}'
    want = 31 * 4 / 60
    check(tmp_path, promql.integral(f"sum({idle})"), {idle: "_x30 4x30"}, want)


def cost(instance: str, kind: str = "Job") -> str:
    place = 'namespace="team",pool="a",gpu_model="T4",capacity_type="Spot"'
    return f'quartermaster_cost_usd_total{{kind="{kind}",{place},instance="{instance}"}}'


def test_a_ledger_that_two_operators_read_is_counted_once(tmp_path: Path) -> None:
    both = {cost("old"): "8x60", cost("new"): "_x50 8x10", cost("new", "Idle"): "3x60"}
    check(tmp_path, promql.ledger("", "cost_usd_total"), both, 11)


def test_parts_of_a_namespace_that_is_new_are_in_the_sum(tmp_path: Path) -> None:
    part = 'quartermaster_cost_parts_usd_total{namespace="%s",part="Rework"}'
    seen = {part % "old": "2x60", part % "new": "_x30 5x30"}
    check(tmp_path, f"round({promql.parts('')})", seen, 5)


def test_a_job_that_two_operators_tell_differently_is_joined_once(tmp_path: Path) -> None:
    info = 'quartermaster_job_info{namespace="team",job="a",bound="%s"}'
    gpus = 'quartermaster_job_gpus{namespace="team",job="a"}'
    seen = {info % "Compute": "1x60", info % "Memory": "1x60", gpus: "8x60"}
    joined = promql.with_info(promql.of_jobs(promql.series("job_gpus")), "bound")
    check(tmp_path, f"sum({joined})", seen, 8)


def test_a_share_of_nothing_is_not_told(tmp_path: Path) -> None:
    idle = 'quartermaster_cost_usd_per_hour{kind="Idle"}'
    check(tmp_path, promql.ratio(f"sum({idle})", f"sum({idle})"), {idle: "0x60"}, None)
