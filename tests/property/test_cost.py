"""Laws of money: exact, additive, charged once, and never taken back."""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st

from quartermaster.decide.cost import accrual, rates
from quartermaster.decide.cost.accrual import NEWS_LAG, Account
from quartermaster.decide.cost.ledger import pieces
from quartermaster.domain.cluster import Node, PriceRow
from quartermaster.domain.money.ledger import Entry, Kind, Machine, Owner, Part
from quartermaster.domain.resources import Resources
from quartermaster.domain.worker import Phase, Worker
from quartermaster.reconcile.money import accounts
from quartermaster.reconcile.money.accounts import Charging
from quartermaster.units import usd
from tests.support import make

law = settings(max_examples=200, deadline=None)
RATES = st.fractions(min_value=Fraction(1, 10**6), max_value=100, max_denominator=10**9)
MICROSECONDS = st.integers(0, 10**12)


def moment(microseconds: int) -> datetime:
    return make.T0 + timedelta(microseconds=microseconds)


def entry(start: int, end: int, rate: Fraction | None, **more: Any) -> Entry:
    began, ended = moment(start), moment(end)
    known: dict[str, Any] = {
        "id": "pod/0",
        "owner": Owner(Kind.JOB),
        "machine": Machine("node"),
        "part": Part.USEFUL,
        "gpus": Fraction(1),
    }
    return Entry(
        began=began, ended=ended, charged=ended - began, usd_per_hour=rate, **(known | more)
    )


@law
@given(RATES, st.lists(MICROSECONDS, min_size=3, max_size=3))
def test_an_entry_costs_what_its_pieces_cost(rate: Fraction, times: list[int]) -> None:
    start, cut, end = sorted(times)
    whole = pieces.cost(entry(start, end, rate))
    first = pieces.cost(entry(start, cut, rate))
    second = pieces.cost(entry(cut, end, rate))
    assert first is not None
    assert second is not None
    assert whole == first + second


PARTS = st.sampled_from(Part)
CAPACITY = st.sampled_from(["Spot", "OnDemand", ""])


@law
@given(
    st.lists(st.tuples(RATES, RATES, MICROSECONDS, MICROSECONDS, PARTS, CAPACITY), max_size=6),
    st.randoms(),
)
def test_the_order_in_which_pods_are_charged_does_not_matter(
    pods: list[tuple[Fraction, Fraction, int, int, Part, str]], random: Random
) -> None:
    entries = [
        entry(
            min(a, b),
            max(a, b),
            rate,
            part=part,
            machine=Machine("node", capacity_type=capacity),
            on_demand_usd_per_hour=on_demand,
        )
        for rate, on_demand, a, b, part, capacity in pods
    ]
    one, other = Account(), Account()
    for it in entries:
        one = accrual.with_pod(one, [it])
    for it in random.sample(entries, len(entries)):
        other = accrual.with_pod(other, [it])
    assert one == other
    assert one.segments == len(pods)
    assert sum(one.parts.values(), Fraction(0)) == one.accrued


@law
@given(RATES, MICROSECONDS, MICROSECONDS, MICROSECONDS)
def test_an_open_pod_costs_more_as_time_goes_on(
    rate: Fraction, start: int, early: int, late: int
) -> None:
    start, early, late = sorted((start, early, late))
    bills = [accrual.bill(Account(), [[entry(start, now, rate)]]).total for now in (early, late)]
    assert bills[0] is not None
    assert bills[1] is not None
    assert 0 <= bills[0] <= bills[1]


@law
@given(st.lists(st.one_of(st.none(), RATES), min_size=1, max_size=4), st.integers(0, 10**12))
def test_an_unknown_price_makes_the_bill_unknown_and_is_never_zero(
    prices: list[Fraction | None], now: int
) -> None:
    pods = [
        make.worker(index, bound=make.T0, node="a", usd_per_hour=rate, phase=Phase.RUNNING)
        for index, rate in enumerate(prices)
    ]
    cost = accounts.close(None, None, pods, Charging(moment(now))).cost
    known = None not in prices
    assert (cost.total is not None) == known
    assert (cost.rate_per_hour is not None) == known


class History:
    """Pods that come and go, and what an operator knows of them, up to the lag of the news."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.truth: list[Worker] = []
        self.ends: dict[str, datetime] = {}
        for index in range(random.randint(1, 5)):
            bound = make.after(random.randint(0, 60))
            pod = make.worker(
                index,
                created=bound,
                bound=bound,
                started=bound,
                node="node-a",
                phase=Phase.RUNNING,
                usd_per_hour=Fraction(random.randint(1, 50_000), 1000),
            )
            self.truth.append(pod)
            self.ends[pod.uid] = bound + timedelta(seconds=random.randint(0, 120))
        self.lags = {pod.uid: random.random() * NEWS_LAG for pod in self.truth}

    def known(self, now: datetime) -> list[Worker]:
        """The pods as the cache shows them: ends are heard of late, by at most the lag."""
        shown = []
        for pod in self.truth:
            end = self.ends[pod.uid]
            if pod.bound is not None and pod.bound > now:
                continue
            over = now >= end + self.lags[pod.uid]
            phase = self.random.choice([Phase.SUCCEEDED, Phase.FAILED]) if over else pod.phase
            shown.append(replace(pod, phase=phase, ended=end) if over else pod)
        return shown


@law
@given(st.integers(0, 2**32 - 1))
def test_a_bill_never_falls_and_ends_at_what_the_pods_times_come_to(seed: int) -> None:
    random = Random(seed)
    history = History(random)
    cost, goodput, shown = None, None, Fraction(0)
    now = make.T0
    released: set[str] = set()
    for _ in range(30):
        now += timedelta(seconds=random.random() * 12)
        pods = [pod for pod in history.known(now) if pod.uid not in released]
        books = accounts.close(cost, goodput, pods, Charging(now))
        cost, goodput = books.cost, books.goodput
        assert cost.total is not None
        note(f"{now}: {cost.total}")
        assert Fraction(cost.total) >= shown
        shown = Fraction(cost.total)
        # Some releases fail or are not seen yet: those pods come back charged already.
        released |= {pod.uid for pod in books.to_release if random.random() < 0.5}
    now = make.after(10_000)
    pods = [pod for pod in history.known(now) if pod.uid not in released]
    books = accounts.close(cost, goodput, pods, Charging(now))
    exact = sum(
        (
            (pod.usd_per_hour or 0)
            * Fraction(
                (history.ends[pod.uid] - pod.bound) // timedelta(microseconds=1), 3_600_000_000
            )
            for pod in history.truth
            if pod.bound is not None
        ),
        Fraction(0),
    )
    assert Fraction(books.cost.accrued) == exact
    assert books.cost.total == usd(exact)
    assert books.cost.segments == len(history.truth)


@law
@given(st.integers(1, 16), st.integers(1, 16), RATES)
def test_the_workers_of_a_full_gpu_node_pay_for_the_node(
    gpus: int, per_worker: int, usd_per_node: Fraction
) -> None:
    node = make.node(gpus=gpus * per_worker)
    priced = make.pool("pool", PriceRow(usd_per_node_hour=usd_per_node))
    each = rates.worker_rate(node, priced, make.resources(per_worker))
    assert each is not None
    # A worker's rate is given to the billionth of a USD.
    assert abs(each * gpus - usd_per_node) <= Fraction(gpus, 10**9)


SHARES = st.lists(st.tuples(st.integers(0, 32_000), st.integers(0, 2**37)), max_size=6)


@law
@given(SHARES, RATES)
def test_what_fits_on_a_node_without_gpus_never_pays_for_more_than_the_node(
    asked: list[tuple[int, int]], usd_per_node: Fraction
) -> None:
    node = make.node(gpus=0, allocatable=Resources(32_000, 2**37, 0, 110))
    priced = make.pool("pool", PriceRow(usd_per_node_hour=usd_per_node))
    paid, left = Fraction(0), (32_000, 2**37)
    for cpu_m, memory in asked:
        if cpu_m <= left[0] and memory <= left[1]:
            left = (left[0] - cpu_m, left[1] - memory)
            rate = rates.worker_rate(node, priced, Resources(cpu_m, memory, 0, 1))
            assert rate is not None
            paid += rate
    assert paid <= usd_per_node + Fraction(len(asked), 10**9)
    rest = rates.worker_rate(node, priced, Resources(*left, 0, 1))
    assert rest is not None
    # What nobody holds makes up the rest of its price.
    assert abs(paid + rest - usd_per_node) <= Fraction(len(asked) + 1, 10**9)


def test_half_of_a_node_costs_half_of_it() -> None:
    node = make.node(gpus=0, allocatable=Resources(32_000, 2**37, 0, 110))
    assert rates.share(node, Resources(16_000, 2**36, 0, 1)) == Fraction(1, 2)
    more_cpu = rates.share(node, Resources(32_000, 0, 0, 1))
    assert more_cpu is not None
    assert Fraction(6, 10) < more_cpu < Fraction(7, 10)  # by the usual ratio of prices


def test_work_without_gpus_pays_nothing_beside_them() -> None:
    """Their price is what the node costs: what is left beside them comes with it."""
    assert rates.share(make.node(gpus=4), Resources(1000, 2**30, 0, 1)) == 0


def test_a_job_over_many_unequal_nodes_keeps_its_books_short() -> None:
    """Each node's memory differs by a little, so each share has a denominator of its own."""
    pods = []
    for index in range(100):
        node = make.node(
            f"node-{index}",
            0,
            allocatable=Resources(31_900, 33_000_000_000 + 7919 * index, 0, 110),
        )
        priced = make.pool("pool", PriceRow(usd_per_node_hour=Fraction("0.7681")))
        rate = rates.worker_rate(node, priced, make.resources(0, cpu=0.1, memory_gib=20))
        pods.append(
            make.worker(
                index,
                bound=make.T0,
                ended=make.after(100 + index),
                phase=Phase.SUCCEEDED,
                usd_per_hour=rate,
            )
        )
    books = accounts.close(None, None, pods, Charging(make.after(500)))
    assert len(books.cost.accrued) <= 256


def test_the_largest_gang_with_former_pods_is_charged_in_two_passes() -> None:
    pods = [
        make.worker(
            index % 1024,
            uid=f"pod-{index}",
            bound=make.T0,
            ended=make.after(3600),
            phase=Phase.SUCCEEDED,
            usd_per_hour=Fraction(1),
        )
        for index in range(1030)
    ]
    first = accounts.close(None, None, pods, Charging(make.after(4000)))
    assert first.cost.total == "1030.0000"
    assert len(first.to_release) == len(first.cost.closing) == 1024
    gone = {worker.uid for worker in first.to_release}
    rest = [pod for pod in pods if pod.uid not in gone]
    later = make.after(4001)
    second = accounts.close(first.cost, first.goodput, rest, Charging(later))
    assert (second.cost.segments, second.cost.total) == (1030, "1030.0000")


MIG_1G = "nvidia.com/mig-1g.10gb"
SLOT = "nvidia.com/gpu.shared"


def parted(gpus: int, part: str, each: Fraction, count: int, **more: Any) -> Node:
    room = Resources(32_000, 2**37, more.pop("whole", 0), 110, ((part, count),))
    return make.node(
        gpus=1, allocatable=room, fractions={part: each}, parted_gpus=Fraction(gpus), **more
    )


@law
@given(st.integers(1, 8), st.integers(2, 16), RATES)
def test_the_slots_of_shared_gpus_pay_for_the_node(
    gpus: int, replicas: int, usd_per_node: Fraction
) -> None:
    node = parted(gpus, SLOT, Fraction(1, replicas), gpus * replicas)
    priced = make.pool("pool", PriceRow(usd_per_node_hour=usd_per_node))
    each = rates.worker_rate(node, priced, Resources(1, 1, 0, 1, ((SLOT, 1),)))
    assert each is not None
    slots = gpus * replicas
    assert abs(each * slots - usd_per_node) <= Fraction(slots, 10**9)


@law
@given(st.integers(1, 7), st.integers(1, 7), RATES)
def test_a_mig_device_pays_for_its_compute_slices_and_a_whole_gpu_beside_it_for_one(
    gpus: int, whole: int, usd_per_gpu: Fraction
) -> None:
    node = parted(gpus + whole, MIG_1G, Fraction(1, 7), 7 * gpus, whole=whole)
    priced = make.pool("pool", PriceRow(usd_per_gpu_hour=usd_per_gpu))
    device = rates.worker_rate(node, priced, Resources(1, 1, 0, 1, ((MIG_1G, 1),)))
    gpu = rates.worker_rate(node, priced, Resources(1, 1, 1, 1))
    assert device is not None
    assert gpu is not None
    assert abs(device - usd_per_gpu / 7) <= Fraction(1, 10**9)
    assert abs(gpu - usd_per_gpu) <= Fraction(1, 10**9)


def test_what_is_unknown_of_a_part_leaves_its_price_unknown() -> None:
    priced = make.pool("pool", PriceRow(usd_per_node_hour=Fraction(8)))
    worker = Resources(1, 1, 0, 1, ((MIG_1G, 1),))
    known = parted(1, MIG_1G, Fraction(1, 7), 7)
    assert rates.worker_rate(known, priced, worker) is not None
    assert rates.worker_rate(replace(known, fractions={}), priced, worker) is None
    assert rates.worker_rate(replace(known, parted_gpus=None), priced, worker) is None
