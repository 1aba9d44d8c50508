"""A worker's time as entries of the ledger, cut where its price has changed."""

from datetime import timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from quartermaster.decide.cost import accrual, entries
from quartermaster.domain.money.ledger import Held, Kind, Machine, Owner, Part
from quartermaster.domain.money.stretch import Stretch
from quartermaster.domain.worker import Phase
from tests.support import make
from tests.support.make import after

OWNER = Owner(Kind.JOB, "team", "digits", "uid", "research")
HELD = Held(Machine(pool="spot", capacity_type="Spot"), Fraction(2), Fraction(9), "list")
SECONDS = st.integers(0, 500)


def worker(*repriced: tuple[int, Fraction | None]) -> make.Worker:
    return make.worker(
        node="node-a",
        bound=after(0),
        started=after(0),
        phase=Phase.RUNNING,
        usd_per_hour=Fraction(3600),
        repriced=tuple((after(at), rate) for at, rate in repriced),
        held=HELD,
    )


def test_who_where_and_at_what_price() -> None:
    broken = Stretch(after(0), after(10), after(70), timedelta(seconds=6), broken=after(100))
    found = entries.of_worker(worker((40, Fraction(7200))), OWNER, after(100), [broken])
    assert [(e.part, e.usd_per_hour, e.charged.total_seconds()) for e in found] == [
        (Part.OTHER, 3600, 10),
        (Part.USEFUL, 3600, 27),
        (Part.USEFUL, 7200, 27),
        (Part.CHECKPOINT, 3600, 3),
        (Part.CHECKPOINT, 7200, 3),
        (Part.REWORK, 7200, 30),
    ]
    assert len({e.id for e in found}) == len(found)
    assert {e.owner for e in found} == {OWNER}
    assert {e.machine.node for e in found} == {"node-a"}
    account = accrual.with_pod(accrual.Account(), found)
    assert account.accrued == 40 + 2 * 60
    assert account.on_demand == Fraction(9, 3600) * 70
    assert accrual.Bill(account, on_spot=True).lost == 2 * 30


def test_a_pod_that_was_never_bound_holds_nothing() -> None:
    assert entries.of_worker(make.worker(phase=Phase.FAILED), OWNER, after(9), []) == ()


@given(SECONDS, st.lists(st.tuples(SECONDS, st.none() | st.integers(0, 99)), max_size=4), SECONDS)
def test_entries_cover_the_time_at_the_price_in_force(
    until: int, changes: list[tuple[int, int | None]], stepped: int
) -> None:
    """Against a second-by-second count."""
    prices = sorted(dict(changes).items())
    steps = [(at, None if rate is None else Fraction(rate)) for at, rate in prices]
    together = Stretch(after(0), after(stepped))
    found = entries.of_worker(worker(*steps), OWNER, after(until), [together])
    brute: dict[Fraction | None, int] = {}
    for second in range(until):
        rate = next((r for at, r in reversed(steps) if at <= second), Fraction(3600))
        brute[rate] = brute.get(rate, 0) + 1
    told: dict[Fraction | None, float] = {}
    for entry in found:
        told[entry.usd_per_hour] = told.get(entry.usd_per_hour, 0) + entry.charged.total_seconds()
    assert told == brute
