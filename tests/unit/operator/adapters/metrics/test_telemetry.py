"""What is exported is what the table says: every name, help, label, and nothing else."""

from pathlib import Path

from prometheus_client.metrics_core import Metric

from benchmarks.metrics import JOBS, SERIES, series, staged
from quartermaster import metrics
from quartermaster.adapters.metrics.registered import WhileKnown
from quartermaster.adapters.metrics.telemetry import PrometheusTelemetry, resource_of
from quartermaster.domain.cluster import Reclaim
from quartermaster.domain.decision import Placed, Refusal, Waiting
from tests.support.scraped import collected, families, samples


async def exported(tmp_path: Path) -> dict[str, Metric]:
    """All that an operator tells that runs a few jobs; some are unpriced, some wait."""
    stage = await staged(6, tmp_path, odd_ones=True)
    found = families(stage.telemetry.exposition())
    await stage.ledger.close()
    return {family.name.removeprefix(metrics.PREFIX): family for family in found}


async def test_every_metric_of_the_table_is_exported_and_no_other(tmp_path: Path) -> None:
    found = await exported(tmp_path)
    assert {name: (it.type, it.documentation) for name, it in found.items()} == {
        metric.name.removesuffix("_total"): (metric.kind.value, metric.help)
        for metric in metrics.TABLE
    }


async def test_labels_are_those_of_the_table(tmp_path: Path) -> None:
    found = await exported(tmp_path)
    for metric in metrics.TABLE:
        family = found[metric.name.removesuffix("_total")]
        labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        assert labels == {frozenset(metric.labels)}, metric.name


def test_names_and_labels_are_told_apart() -> None:
    names = [metric.name for metric in metrics.TABLE]
    assert len(set(names)) == len(names)
    for metric in metrics.TABLE:
        assert metric.name.endswith("_total") == (metric.kind is metrics.Kind.COUNTER)
        assert bool(metric.buckets) == (metric.kind is metrics.Kind.HISTOGRAM)


async def test_a_thousand_jobs_have_no_more_series_than_promised(tmp_path: Path) -> None:
    stage = await staged(JOBS, tmp_path)
    text = stage.telemetry.exposition()
    await stage.ledger.close()
    assert series(text).total() <= SERIES
    assert len(text) <= 5e6
    assert series(text)["quartermaster_job_cost_usd"] == JOBS


async def test_a_job_has_at_most_25_series(tmp_path: Path) -> None:
    stage = await staged(30, tmp_path, odd_ones=True)
    text = stage.telemetry.exposition()
    await stage.ledger.close()
    of_jobs: dict[str, int] = {}
    for key in samples(text):
        if key[0].startswith("job_"):
            of_jobs[key[2]] = of_jobs.get(key[2], 0) + 1
    assert max(of_jobs.values()) == 25


def test_what_happens_is_counted() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.decided(Placed((), "because"), 0.01)
    telemetry.decided(Waiting(Refusal.NO_CAPACITY, "full"), 0.01)
    telemetry.placed(3.0)
    telemetry.preempted("Reclaim")
    telemetry.resized("grows")
    telemetry.reclaimed("aws", "Tesla-T4", Reclaim("AWS", "spot interruption", 120.0))
    telemetry.recovered(42.0)
    telemetry.reconciled("ok", 0.01)
    telemetry.wrote("PATCH", "/api/v1/namespaces/team/pods/x/status")
    telemetry.failed(409)
    telemetry.failed(None)
    telemetry.reported(204)
    telemetry.prices_read("failed")
    found = samples(telemetry.exposition())
    assert found["placement_decision_seconds_count", "placed"] == 1
    assert found["placement_decision_seconds_count", "NoCapacity"] == 1
    assert found["gang_placed_seconds_sum",] == 3
    assert found["preemptions_total", "Reclaim"] == 1
    assert found["resizes_total", "grows"] == 1
    assert found["reclaims_total", "aws", "Tesla-T4", "AWS spot interruption"] == 1
    assert found["recovery_seconds_bucket", "30.0"] == 0
    assert found["recovery_seconds_bucket", "60.0"] == 1
    assert found["reconcile_seconds_count", "ok"] == 1
    assert found["api_writes_total", "PATCH", "pods/status"] == 1
    assert found["api_errors_total", "409"] == 1
    assert found["api_errors_total", "none"] == 1
    assert found["progress_reports_total", "204"] == 1
    assert found["price_list_reads_total", "failed"] == 1


async def test_nothing_is_told_of_a_cluster_that_is_not_known_yet(tmp_path: Path) -> None:
    stage = await staged(2, tmp_path)
    await stage.ledger.close()
    known: list[bool] = []
    collector = WhileKnown([stage.telemetry.registry], lambda: bool(known))
    assert collected(collector) == {}
    known.append(True)
    assert collected(collector)["jobs", "Running"] == 2


def test_the_resource_of_a_path_is_a_bounded_label() -> None:
    ours = "/apis/quartermaster.dev/v1alpha1"
    for path, want in {
        "/api/v1/nodes": "nodes",
        "/api/v1/namespaces/team/pods/x": "pods",
        "/api/v1/namespaces/team/pods/x/status": "pods/status",
        "/api/v1/namespaces/team/events": "events",
        "/apis/batch/v1/namespaces/team/jobs/x": "jobs",
        f"{ours}/namespaces/t/trainingjobs/x/status": "trainingjobs/status",
        f"{ours}/computepools/x/status": "computepools/status",
        "/": "unknown",
    }.items():
        assert resource_of(path) == want
