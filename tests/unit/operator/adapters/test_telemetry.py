"""What is exported is what the table says: every name, help, label, and nothing else."""

from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction

from prometheus_client.parser import text_string_to_metric_families

from quartermaster import metrics
from quartermaster.adapters.prices.collector import PriceCollector
from quartermaster.adapters.telemetry import (
    ClusterCollector,
    PrometheusTelemetry,
    QueueCollector,
    resource_of,
)
from quartermaster.api.training_job_status import (
    Cost,
    Goodput,
    Profile,
    Progress,
    State,
    TrainingJobStatus,
)
from quartermaster.catalog.prices.price_list import Offer, PriceList
from quartermaster.decide.cost.prices import PriceBook, priced
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.decision import Placed, Refusal, Waiting
from quartermaster.domain.money.price import PriceKind
from quartermaster.domain.profile import Bound
from tests.support import make


def exported(telemetry: PrometheusTelemetry) -> dict[str, tuple[str, str]]:
    families = text_string_to_metric_families(telemetry.exposition().decode())
    return {family.name: (family.type, family.documentation) for family in families}


PROFILE = Profile(
    bound=Bound.COMPUTE,
    step_seconds="0.04",
    compute_fraction="0.650",
    communication_fraction="0.250",
    data_wait_fraction="0.100",
)


def filled() -> PrometheusTelemetry:
    telemetry = PrometheusTelemetry()
    telemetry.decided(Placed((), "because"), 0.01)
    telemetry.decided(Waiting(Refusal.NO_CAPACITY, "full"), 0.01)
    telemetry.placed(3.0)
    telemetry.preempted("Reclaim")
    telemetry.resized("grows")
    telemetry.reconciled("ok", 0.01)
    telemetry.wrote("PATCH", "/api/v1/namespaces/team/pods/x/status")
    telemetry.reported(204)
    status = TrainingJobStatus(
        state=State.RUNNING,
        cost=Cost(total="1.5", rate_per_hour="0.5", unpriced_seconds=0),
        progress=Progress(percentage=45),
        goodput=Goodput(restarts=2),
        profile=PROFILE,
    )
    nodes = [make.node("a", 4, used=make.resources(3))]
    cluster = make.snapshot(nodes, make.pool("pool"))
    jobs = [make.record(spec=make.spec(), status=status)]
    telemetry.registry.register(ClusterCollector(lambda: jobs, lambda: cluster, lambda: True))
    queues = [
        ("research", 1, {"pending": 2, "admitted": 3, "fairShare": "0.25",
                         "usage": [{"accelerator": make.T4, "gpus": 8}]}),
        ("new", 1, {}),
    ]  # fmt: skip
    telemetry.registry.register(QueueCollector(lambda: queues))
    telemetry.prices_read("failed")
    offer = Offer("aws", "p5.48xlarge", "r", Capacity.SPOT, Fraction(9), date(2026, 7, 20))
    book = PriceBook(lists=((PriceKind.CATALOGUE, PriceList([offer])),))
    spot = {"instance_type": "p5.48xlarge", "region": "r", "capacity": Capacity.SPOT}
    some = [priced(make.node("a", 8, **spot), book), make.node("b")]
    prices = PriceCollector(
        lambda: make.snapshot(some), lambda: book, lambda: datetime(2026, 7, 22, tzinfo=UTC)
    )
    telemetry.registry.register(prices)
    return telemetry


def test_every_metric_of_the_table_is_exported_and_no_other() -> None:
    want = {
        (metrics.PREFIX + metric.name).removesuffix("_total"): (metric.kind.value, metric.help)
        for metric in metrics.TABLE
    }
    assert exported(filled()) == want


def test_labels_are_those_of_the_table() -> None:
    families = text_string_to_metric_families(filled().exposition().decode())
    by_name = {family.name: family for family in families}
    for metric in metrics.TABLE:
        family = by_name[(metrics.PREFIX + metric.name).removesuffix("_total")]
        labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        assert labels == {frozenset(metric.labels)}, metric.name


def samples(telemetry: PrometheusTelemetry) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(telemetry.exposition().decode())
    return {
        (
            sample.name.removeprefix(metrics.PREFIX),
            tuple(sorted(sample.labels.values())),
        ): sample.value
        for family in families
        for sample in family.samples
    }


def test_values_are_what_was_told() -> None:
    found = samples(filled())
    assert found["job_cost_usd", ("job", "team")] == 1.5
    assert found["job_progress_ratio", ("job", "team")] == 0.45
    assert found["job_step_seconds", ("job", "team")] == 0.04
    assert found["job_step_fraction", ("compute", "job", "team")] == 0.65
    assert found["job_step_fraction", ("communication", "job", "team")] == 0.25
    assert found["job_step_fraction", ("data_wait", "job", "team")] == 0.1
    assert found["pool_gpus", (make.T4, "pool")] == 4
    assert found["pool_gpus_used", (make.T4, "pool")] == 3
    assert found["jobs", ("Running",)] == 1
    assert found["jobs", ("Failed",)] == 0
    assert found["api_writes_total", ("PATCH", "pods/status")] == 1
    assert found["leader", ()] == 1
    assert found["resizes_total", ("grows",)] == 1
    assert found["preemptions_total", ("Reclaim",)] == 1
    assert found["queue_pending_jobs", ("research",)] == 2
    assert found["queue_gpus_used", (make.T4, "research")] == 8
    assert found["queue_fair_share_ratio", ("research",)] == 0.25
    assert ("queue_pending_jobs", ("new",)) not in found
    assert found["price_age_seconds", ("aws", "catalogue")] == 2 * 86_400
    assert found["priced_nodes", ("catalogue",)] == 1
    assert found["priced_nodes", ("unknown",)] == 1
    assert found["priced_nodes", ("node-annotation",)] == 0
    assert found["node_price_usd_per_hour", ("Spot", "p5.48xlarge", "r")] == 9
    assert found["price_list_reads_total", ("failed",)] == 1


def test_jobs_whose_books_came_back_are_counted() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.ledger_rebuilt()
    assert samples(telemetry)["ledger_rebuilt_jobs_total", ()] == 1


def test_what_is_unknown_has_no_sample_rather_than_a_zero() -> None:
    telemetry = PrometheusTelemetry()
    unpriced = TrainingJobStatus(cost=Cost(unpriced_seconds=60))
    jobs = [make.record(spec=make.spec(), status=unpriced)]
    telemetry.registry.register(
        ClusterCollector(lambda: jobs, lambda: make.snapshot([]), lambda: False)
    )
    found = samples(telemetry)
    assert found["job_unpriced_seconds", ("job", "team")] == 60
    assert not [name for name, _ in found if name.startswith(("job_cost", "job_progress"))]


def test_a_job_that_takes_no_steps_of_its_own_has_no_step() -> None:
    over = TrainingJobStatus(profile=PROFILE, completion_time=make.T0)
    waiting = TrainingJobStatus(profile=PROFILE.model_copy(update={"from_job": "other"}))
    for status in (over, waiting):
        telemetry = PrometheusTelemetry()
        jobs = [make.record(spec=make.spec(), status=status)]
        telemetry.registry.register(
            ClusterCollector(lambda jobs=jobs: jobs, lambda: make.snapshot([]), lambda: True)
        )
        assert not [name for name, _ in samples(telemetry) if name.startswith("job_step")]


def test_a_job_that_is_gone_leaves_no_series() -> None:
    telemetry = PrometheusTelemetry()
    jobs = [make.record(spec=make.spec(), status=TrainingJobStatus(goodput=Goodput(restarts=1)))]
    telemetry.registry.register(
        ClusterCollector(lambda: jobs, lambda: make.snapshot([]), lambda: True)
    )
    assert ("job_worker_restarts", ("job", "team")) in samples(telemetry)
    jobs[:] = [replace(jobs[0], status=TrainingJobStatus())]
    assert ("job_worker_restarts", ("job", "team")) not in samples(telemetry)


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
