"""GPUs that a job holds and does not use are told as what they cost."""

from quartermaster.domain.measurement import CounterSource, DeviceCounters
from quartermaster.domain.progress import Report
from tests.support import make
from tests.support.operation import Operation
from tests.unit.operator.reconcile.test_preemption import run

JOB = "uid-job"


async def looked_at(it: Operation, busy: float | None, times: int) -> None:
    """Passes ten seconds apart, with so much work for the GPUs."""
    for _ in range(times):
        it.cluster.clock.advance(10)
        it.counters.counters = {}
        if busy is not None:
            counted = DeviceCounters(CounterSource.DCGM, sm_active=busy)
            it.counters.counters = {it.cluster.living(0, JOB).key: counted}
        it.reports.reports[JOB] = Report(it.cluster.clock.now(), "Training", 1, 9)
        await it.once(JOB)


async def test_idle_time_is_a_part_of_the_cost_that_an_operator_s_end_does_not_change() -> None:
    it = Operation()
    it.cluster.add_node(make.node("node-a", 1))
    it.cluster.all_pools = (make.pool("pool", make.price("36")),)
    it.cluster.submit(make.record("job", make.spec(), uid=JOB))
    await run(it, JOB)
    await looked_at(it, 0.9, 3)
    await looked_at(it, 0.01, 6)
    it.begin()
    await looked_at(it, None, 3)
    it.cluster.end(it.cluster.living(0, JOB))
    await run(it, JOB)
    cost = it.status(JOB).cost
    assert cost is not None
    assert cost.total is not None
    # A cent a second; the rest of a minute counts at the next look.
    assert float(cost.parts["Idle"]) == 0.60
    assert abs(sum(map(float, cost.parts.values())) - float(cost.total)) < 0.001
