"""When a job would have been cheaper on another GPU model, and when nothing is said of it."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartermaster.decide.cost.ledger.other_gpu import (
    GIB,
    LEAST_SAVED,
    LONGEST,
    Alternative,
    Machine,
    Paid,
    Subject,
    cheapest,
)
from quartermaster.decide.cost.ledger.recommend import Market, Saving, advise
from quartermaster.decide.profile.hardware import Hardware
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.hardware import NumberFormat
from quartermaster.domain.money.spending import Amounts, Line
from quartermaster.domain.profile import Bound, JobProfile, Measured, ProfileSource
from quartermaster.domain.resources import GpuResource, Resources
from tests.support import gpus

H100, L4, T4, A100 = gpus.H100, gpus.L4, gpus.T4, gpus.A100
NAMED = {gpu.name: gpu for gpu in (H100, L4, T4, A100)}
KNOWN = Hardware(NAMED.get, lambda _: None)
WORKER = Resources(cpu_m=4000, memory=16 * GIB, gpus=1, pods=1)
PAID = Paid(H100.name, Capacity.ON_DEMAND, Fraction("6.88"))


def profile(**more: Any) -> JobProfile:
    """A step of half a second, of which 0.45 s are waiting for samples."""
    told: dict[str, Any] = {
        "flops_per_sample": 2e12,
        "parameters": 10**8,
        "batch": 10,
        "traffic_per_sample": 4e9,
        "number_format": NumberFormat.BF16,
        "input_seconds_per_sample": 0.045,
        "source": ProfileSource.MEASURED,
        "measured": (Measured(H100.name, 1, 1, 0.5),),
    }
    return JobProfile(**(told | more))


def job(**more: Any) -> Subject:
    told: dict[str, Any] = {
        "profile": profile(),
        "gpu_resource": GpuResource.NVIDIA,
        "workers": 1,
        "per_worker": WORKER,
        "memory_per_gpu": 9 * GIB,
        "bound": Bound.INPUT,
    }
    return Subject(**(told | more))


def machine(gpu: Any = L4, usd: str = "0.80", count: int = 1, **more: Any) -> Machine:
    has = Resources(cpu_m=8000 * count, memory=32 * GIB * count, gpus=count)
    told: dict[str, Any] = {"has": has, "capacity": Capacity.ON_DEMAND, "where": f"a {gpu.name}"}
    told |= {"gpu_resource": GpuResource.NVIDIA, "usd_per_hour": Fraction(usd)}
    return Machine(accelerator=gpu, **(told | more))


def found(subject: Subject, *machines: Machine, paid: Paid = PAID) -> Alternative | None:
    return cheapest(subject, paid, machines, KNOWN)


def test_a_job_that_waits_for_its_input_does_on_a_smaller_gpu() -> None:
    answer = found(job(), machine())
    assert answer is not None
    assert answer.machine.accelerator is L4
    # 2e13 FLOP at 0.4 of the peak take 0.0506 s on the H100 (989 TFLOP/s) and 0.4132 s on the L4
    # (121): the 0.05 s that are no waiting take 8.17 times as long.
    assert answer.longer == Fraction(round(1000 * (0.45 + 0.05 * 989 / 121) / 0.5), 1000)
    assert answer.cost == answer.longer * Fraction("0.80") / Fraction("6.88")


def test_of_several_the_one_that_costs_least() -> None:
    cheap, dear = machine(where="cheap"), machine(usd="0.90", where="dear")
    answer = found(job(), dear, cheap)
    assert answer is not None
    assert answer.machine is cheap


BIGGER = replace(WORKER, gpus=2)
SILENT = {
    "the same model": (job(), machine(H100, "1")),
    "not cheaper": (job(), machine(usd="4.20")),
    "too slow": (job(profile=profile(flops_per_sample=3e13)), machine()),
    "no memory for it": (job(memory_per_gpu=21 * GIB), machine()),
    "a format that it has not": (job(), machine(T4, "0.20")),
    "another maker": (job(), machine(gpu_resource=GpuResource.AMD)),
    "bought another way": (job(), machine(capacity=Capacity.SPOT)),
    "too few GPUs for a worker": (job(per_worker=BIGGER), machine()),
    "too little CPU": (job(per_worker=replace(WORKER, cpu_m=9000)), machine()),
    "too little memory": (job(per_worker=replace(WORKER, memory=40 * GIB)), machine()),
    "work without GPUs": (job(per_worker=replace(WORKER, gpus=0)), machine()),
    "memory traffic is not known": (job(profile=profile(traffic_per_sample=0.0)), machine()),
    "nothing was timed": (job(profile=profile(measured=())), machine()),
    "timed on another model": (
        job(profile=profile(measured=(Measured(A100.name, 1, 1, 0.5),))),
        machine(),
    ),
    "a step that the profile does not describe": (
        job(profile=profile(measured=(Measured(H100.name, 1, 1, 0.46),))),
        machine(),
    ),
    "a gang over links that nobody knows": (
        job(workers=2, profile=profile(measured=(Measured(H100.name, 2, 1, 0.5),))),
        machine(),
    ),
    "timed over links that nobody knows": (
        job(workers=2, profile=profile(measured=(Measured(H100.name, 1, 2, 0.5),))),
        machine(count=2),
    ),
}


@pytest.mark.parametrize("why", SILENT)
def test_nothing_is_said(why: str) -> None:
    subject, offered = SILENT[why]
    assert found(subject, offered) is None


def test_nothing_is_said_of_a_gpu_that_the_catalogue_has_not() -> None:
    other = replace(PAID, accelerator="NVIDIA-Z9")
    subject = job(profile=profile(measured=(Measured("NVIDIA-Z9", 1, 1, 0.5),)))
    assert found(subject, machine(), paid=other) is None


def test_nothing_is_said_of_what_was_free() -> None:
    assert found(job(), machine(), paid=replace(PAID, usd_per_gpu_hour=Fraction(0))) is None


def test_what_makes_a_step_longer_than_predicted_makes_it_longer_there_too() -> None:
    slow = job(profile=profile(measured=(Measured(H100.name, 1, 1, 0.52),)))
    usual = found(job(), machine())
    answer = found(slow, machine())
    assert answer is not None
    assert usual is not None
    assert answer.longer > usual.longer


def test_a_gang_is_weighed_over_the_network_that_it_would_cross() -> None:
    two = job(workers=2, profile=profile(measured=(Measured(H100.name, 2, 1, 0.5),)))
    wide = found(two, machine(network_bandwidth=25e9))
    narrow = found(two, machine(network_bandwidth=2e9))
    assert wide is not None
    assert narrow is None or narrow.longer > wide.longer


def test_of_a_machine_that_is_to_be_bought_all_is_paid() -> None:
    big = machine(usd="1.60", count=2)
    there, bought = found(job(), big), found(job(), replace(big, joined=False))
    assert there is not None
    assert bought is not None
    assert (there.usd_per_gpu_hour, bought.usd_per_gpu_hour) == (Fraction("0.8"), Fraction("1.6"))


PRICES = st.fractions(Fraction(1, 100), 100, max_denominator=100)
OFFERS = st.lists(st.tuples(st.sampled_from([L4, T4, A100, H100]), PRICES), max_size=6)


@given(
    st.floats(1e9, 1e13), st.floats(1e6, 1e11), st.floats(0, 0.1), st.floats(0, 2), PRICES, OFFERS
)  # fmt: skip
def test_what_is_recommended_is_the_best_clearly_cheaper_and_bearable(
    flops: float,
    traffic: float,
    reading: float,
    rest: float,
    rate: Fraction,
    offers: list[tuple[Any, Fraction]],
) -> None:
    told = profile(
        flops_per_sample=flops,
        traffic_per_sample=traffic,
        input_seconds_per_sample=reading,
        measured=(Measured(H100.name, 1, 1, 10 * reading + rest),),
    )
    paid = replace(PAID, usd_per_gpu_hour=rate)
    machines = [machine(gpu, str(usd)) for gpu, usd in offers]
    answer = cheapest(job(profile=told), paid, machines, KNOWN)
    alone = [cheapest(job(profile=told), paid, [each], KNOWN) for each in machines]
    costs = [each.cost for each in alone if each is not None]
    assert (answer and answer.cost) == min(costs, default=None)
    if answer is not None:
        assert answer.cost == answer.longer * answer.usd_per_gpu_hour / rate <= 1 - LEAST_SAVED
        assert answer.longer <= LONGEST
        assert answer.machine.accelerator is not H100


def line(part: str, usd: int, hours: int = 10, unpriced: int = 0) -> Line:
    amounts = Amounts(Fraction(usd), Fraction(usd), 3_600_000, 3_600_000 * hours, unpriced)
    return Line(("team-a", "a", H100.name, "Job", part, "OnDemand"), amounts)


MARKET = Market({("team-a", "a"): job()}, [machine()], KNOWN)


def test_the_advice_has_the_saving_of_the_steps_and_all_that_it_rests_on() -> None:
    (advice,) = advise([line("Useful", 60, 9), line("Other", 9, 1)], {}, MARKET)
    assert advice.saving is Saving.GPU
    # 10 GPU hours cost 69 USD; the L4 at 0.80 takes 1.717 times as long.
    assert advice.usd == 60 * (1 - Fraction(1717, 1000) * Fraction("0.80") / Fraction("6.9"))
    assert advice.why == (
        f"10.0 GPU h on {H100.name} at 6.90 USD, 9 GiB of memory used, bound by input: NVIDIA-L4 "
        "at 0.80 USD (a NVIDIA-L4) is predicted to take 1.7 times as long and to cost 80 % less"
    )


def test_where_part_of_the_time_has_no_price_nothing_is_said() -> None:
    assert advise([line("Useful", 60, unpriced=1)], {}, MARKET) == []
    assert advise([line("Useful", 60, hours=0)], {}, MARKET) == []
