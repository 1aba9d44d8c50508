"""Laws of budgets: what counts, counts once; thresholds hold until there is more money."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import permutations

from hypothesis import assume, given
from hypothesis import strategies as st

from quartermaster.decide.cost import limit
from quartermaster.decide.cost.budgets import (
    Judged,
    Running,
    actions,
    commitment,
    fired,
    forecast,
    next_threshold_s,
    percent,
    reached,
    window,
)
from quartermaster.decide.cost.entries import of_worker
from quartermaster.decide.cost.ledger import pieces
from quartermaster.decide.cost.tally import Seen, Sheet, Tally, recount, turned
from quartermaster.domain.money.budget import Action, Period, Threshold, Unfunded
from quartermaster.domain.worker import Phase
from quartermaster.reconcile.budgets.spending import bill
from quartermaster.reconcile.money.accounts import NOBODY
from tests.support import make

MONEY = st.fractions(0, 1000, max_denominator=10_000)
AMOUNTS = st.fractions(Fraction(1, 100), 1000, max_denominator=100)
THRESHOLDS = st.lists(
    st.builds(Threshold, st.integers(1, 200), st.sampled_from(Action)), max_size=8, unique=True
)
SECONDS = st.none() | st.floats(0, 1e7)
RUNNING = st.lists(st.builds(Running, MONEY, SECONDS, SECONDS, st.none() | MONEY), max_size=6)
YEARS = timedelta(days=2400)
TIMES = st.timedeltas(-YEARS, YEARS).map(lambda since: make.T0 + since)


# ---- thresholds ---------------------------------------------------------------------------------


@given(THRESHOLDS, MONEY, AMOUNTS)
def test_a_threshold_holds_when_its_part_of_the_amount_is_spent(
    thresholds: list[Threshold], spent: Fraction, amount: Fraction
) -> None:
    for one in thresholds:
        by_hand = float(spent) / float(amount) * 100
        assume(abs(by_hand - one.percent) > 1e-6)
        assert (one in reached(thresholds, spent, amount)) == (by_hand > one.percent)


@given(THRESHOLDS, AMOUNTS, st.lists(MONEY, min_size=1, max_size=6), st.lists(AMOUNTS, max_size=6))
def test_what_is_spent_only_adds_actions_and_a_higher_amount_only_takes_them_away(
    thresholds: list[Threshold], amount: Fraction, more: list[Fraction], amounts: list[Fraction]
) -> None:
    """The brute force: in force is what any moment since the last raise has reached."""
    spent, since = Fraction(0), [Fraction(0)]
    before = Judged(amount, fired(thresholds, spent, amount))
    for step in more:
        spent += step
        since.append(spent)
        now = fired(thresholds, spent, amount, before)
        assert now >= before.fired
        assert now == frozenset().union(*(reached(thresholds, each, amount) for each in since))
        before = Judged(amount, now)
    for other in sorted(amounts):
        now = fired(thresholds, spent, other, before)
        if other > before.amount:
            assert now <= before.fired
            assert now == reached(thresholds, spent, other)
        else:
            assert now >= before.fired
        before = Judged(other, now)


@given(THRESHOLDS, MONEY, MONEY, AMOUNTS)
def test_a_bill_that_falls_a_little_takes_no_action_back(
    thresholds: list[Threshold], spent: Fraction, less: Fraction, amount: Fraction
) -> None:
    assume(less <= spent)
    before = Judged(amount, fired(thresholds, spent, amount))
    assert fired(thresholds, less, amount, before) == before.fired
    assert fired(thresholds, less, amount) == reached(thresholds, less, amount)


@given(st.lists(st.builds(Threshold, st.integers(1, 200), st.sampled_from(Action)), max_size=4),
       MONEY, AMOUNTS)  # fmt: skip
def test_the_order_of_thresholds_does_not_matter(
    thresholds: list[Threshold], spent: Fraction, amount: Fraction
) -> None:
    found = {actions(fired(order, spent, amount)) for order in permutations(thresholds)}
    assert len(found) == 1


@given(THRESHOLDS, MONEY, AMOUNTS)
def test_a_threshold_that_is_taken_out_holds_no_more(
    thresholds: list[Threshold], spent: Fraction, amount: Fraction
) -> None:
    before = Judged(amount, fired(thresholds, spent, amount))
    assert fired([], spent, amount, before) == frozenset()


@given(MONEY, MONEY, AMOUNTS, AMOUNTS)
def test_percent_rises_with_what_is_spent_and_falls_with_the_amount(
    spent: Fraction, more: Fraction, amount: Fraction, raised: Fraction
) -> None:
    assert percent(spent, amount) <= percent(spent + more, amount)
    assert percent(spent, amount + raised) <= percent(spent, amount)
    assert percent(amount, amount) == 100


@given(THRESHOLDS, MONEY, AMOUNTS, st.fractions(Fraction(1, 100), 500, max_denominator=100))
def test_the_next_threshold_is_not_reached_before_it_is_said_to_be(
    thresholds: list[Threshold], spent: Fraction, amount: Fraction, rate: Fraction
) -> None:
    seconds = next_threshold_s(thresholds, spent, amount, rate)
    now = reached(thresholds, spent, amount)
    if seconds is None:
        assert now == frozenset(thresholds)
        return
    early = spent + rate * Fraction(seconds) * Fraction(999, 1000) / 3600
    late = spent + rate * Fraction(seconds) * Fraction(1001, 1000) / 3600
    assert reached(thresholds, early, amount) == now
    assert reached(thresholds, late, amount) > now


# ---- periods ------------------------------------------------------------------------------------


@given(st.sampled_from([Period.DAY, Period.WEEK, Period.MONTH]), TIMES)
def test_every_moment_is_in_one_period_and_the_next_begins_where_it_ends(
    period: Period, now: datetime
) -> None:
    it = window(period, make.T0, now)
    assert it.end is not None
    assert it.start <= now < it.end
    after = window(period, make.T0, it.end)
    assert after.start == it.end
    before = window(period, make.T0, it.start - timedelta(microseconds=1))
    assert before.end == it.start
    days = {Period.DAY: {1}, Period.WEEK: {7}, Period.MONTH: {28, 29, 30, 31}}[period]
    assert (it.end - it.start).days in days
    if period is Period.WEEK:
        assert it.start.isoweekday() == 1


@given(TIMES)
def test_a_total_never_ends(now: datetime) -> None:
    it = window(Period.TOTAL, make.T0, now)
    assert (it.start, it.end, it.left(now)) == (make.T0, None, None)


# ---- what is still to come ----------------------------------------------------------------------


@given(MONEY, RUNNING, SECONDS)
def test_spent_is_at_most_the_forecast_and_that_at_most_the_commitment(
    spent: Fraction, running: list[Running], left: float | None
) -> None:
    soon, worst = forecast(spent, running, left), commitment(spent, running, left)
    if soon is not None:
        assert spent <= soon
    if worst is not None:
        assert soon is not None
        assert soon <= worst


@given(MONEY, RUNNING, st.floats(0, 1e7))
def test_in_a_period_with_an_end_both_are_known_and_bounded_by_rate_times_time(
    spent: Fraction, running: list[Running], left: float
) -> None:
    most = spent + sum((job.usd_per_hour for job in running), Fraction(0)) * Fraction(left) / 3600
    for found in (forecast(spent, running, left), commitment(spent, running, left)):
        assert found is not None
        assert found <= most


def test_a_forecast_goes_by_the_end_and_a_commitment_by_the_deadline() -> None:
    job = Running(Fraction(2), end_s=1800, deadline_s=7200)
    assert forecast(Fraction(1), [job], 86_400) == 2
    assert commitment(Fraction(1), [job], 86_400) == 5
    capped = Running(Fraction(2), None, None, limit_left=Fraction(1, 2))
    assert commitment(Fraction(1), [capped], None) == Fraction(3, 2)
    assert forecast(Fraction(1), [Running(Fraction(2))], None) is None


# ---- limits -------------------------------------------------------------------------------------


@given(MONEY, st.fractions(Fraction(1, 100), 500, max_denominator=100), AMOUNTS,
       st.none() | st.floats(0, 60))  # fmt: skip
def test_a_job_that_stops_when_it_is_told_to_never_crosses_its_limit(
    total: Fraction, rate: Fraction, most: Fraction, save_s: float | None
) -> None:
    lead = limit.lead_s(save_s)
    held_back = limit.reserve(rate, lead)
    if limit.is_reached(total, held_back, most):
        return
    seconds = limit.seconds_until(total, held_back, most, rate)
    assert seconds is not None
    at_stop = total + rate * Fraction(seconds) / 3600
    assert abs(float(at_stop + held_back - most)) < 1e-6


@given(st.none() | st.floats(0, 1e6))
def test_no_save_is_waited_for_longer_than_the_grace(save_s: float | None) -> None:
    assert 3 < limit.lead_s(save_s) <= 33


@given(MONEY, AMOUNTS, AMOUNTS, MONEY)
def test_only_a_higher_limit_that_leaves_enough_lets_a_job_go_on(
    total: Fraction, was: Fraction, now: Fraction, reserve: Fraction
) -> None:
    note = Unfunded("spec.budget", "", make.T0, was, reserve)
    may = limit.may_go_on(note, total, now)
    assert may == (now > was and total + reserve < now)
    if may:
        assert not limit.is_reached(total, reserve, now)


# ---- counting -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Life:
    """A job's cost in each tick of time; it is there from its first tick up to its last."""

    created: int
    costs: tuple[Fraction, ...]
    selected: bool

    @property
    def gone(self) -> int:
        return self.created + len(self.costs)

    def total(self, tick: int) -> Fraction:
        """What it has cost before that tick."""
        return sum(self.costs[: max(0, tick - self.created)], Fraction(0))


LIVES = st.lists(
    st.builds(Life, st.integers(0, 12), st.lists(MONEY, min_size=1, max_size=8).map(tuple),
              st.booleans()),
    max_size=5,
)  # fmt: skip


def seen(lives: list[Life], tick: int, start: int) -> tuple[list[Seen], set[str]]:
    there = [
        Seen(str(n), life.total(tick), life.total(start), life.selected, tick >= life.gone)
        for n, life in enumerate(lives)
        if life.created <= tick <= life.gone
    ]
    return there, {str(n) for n, life in enumerate(lives) if life.gone < tick}


@given(LIVES, st.integers(0, 10), st.sets(st.integers(0, 22)), st.integers(1, 3))
def test_whenever_it_is_looked_each_dollar_of_the_period_counts_once(
    lives: list[Life], start: int, looks: set[int], times: int
) -> None:
    """A job is always looked at when it has ended: it is not let go before."""
    ends = {life.gone for life in lives if life.gone >= start}
    sheet, last = Sheet(make.after(start)), start
    for last in sorted({look for look in looks if look >= start} | ends | {start}):
        there, gone = seen(lives, last, start)
        for _ in range(times):
            sheet = recount(sheet, there, gone)
    by_hand = sum(
        (
            cost
            for life in lives
            if life.selected
            for tick, cost in enumerate(life.costs, life.created)
            if start <= tick < last
        ),
        Fraction(0),
    )
    assert sheet.spent == by_hand


@given(LIVES, st.integers(1, 10), st.integers(0, 12))
def test_two_periods_add_up_to_what_was_spent_in_both(
    lives: list[Life], boundary: int, rest: int
) -> None:
    sheet, start = Sheet(make.after(0)), 0
    spent = Fraction(0)
    for tick in range(23):
        there, gone = seen(lives, tick, start)
        sheet = recount(sheet, there, gone)
        if tick == boundary:
            spent, start = sheet.spent, boundary
            final = {one.uid for one in there if one.final}
            sheet = turned(sheet, make.after(boundary), final)
            assert sheet.spent == 0
    whole = sum((life.total(23) for life in lives if life.selected), Fraction(0))
    assert spent + sheet.spent == whole
    assert spent == sum((life.total(boundary) for life in lives if life.selected), Fraction(0))


def test_a_job_that_leaves_the_selection_keeps_what_it_has_spent_in_it() -> None:
    sheet = recount(Sheet(make.T0), [Seen("a", Fraction(3))])
    sheet = recount(sheet, [Seen("a", Fraction(5), selected=False)])
    assert sheet.spent == 3
    assert recount(sheet, [Seen("a", Fraction(6))]).spent == 4


def test_a_job_that_is_not_seen_and_not_gone_stays_as_it_was() -> None:
    sheet = Sheet(make.T0, jobs={"a": Tally(Fraction(3), Fraction(5))})
    assert recount(sheet, []) == sheet
    assert recount(sheet, [], {"a"}) == Sheet(make.T0, Fraction(3))


def test_a_sheet_that_is_full_takes_no_more_jobs() -> None:
    sheet = recount(Sheet(make.T0), [Seen("a", Fraction(1)), Seen("b", Fraction(2))], most=1)
    assert sheet.spent == 1


RATES = st.none() | st.integers(0, 10**12).map(lambda billionths: Fraction(billionths, 10**9))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 50), RATES, st.lists(st.tuples(st.integers(0, 200), RATES), max_size=3)
        ),
        max_size=4,
    ),
    st.integers(0, 250),
)
def test_a_bill_is_what_the_accounts_make_of_the_same_pods(
    pods: list[tuple[int, Fraction | None, list[tuple[int, Fraction | None]]]], until: int
) -> None:
    workers = [
        make.worker(
            n,
            bound=make.after(begun),
            started=make.after(begun),
            phase=Phase.RUNNING,
            usd_per_hour=rate,
            repriced=tuple(
                (make.after(begun + later), other)
                for later, other in sorted(dict(repriced).items())
                if later
            ),
        )
        for n, (begun, rate, repriced) in enumerate(pods)
    ]
    found = bill(make.record(), workers, make.after(until))
    by_accounts, whole = Fraction(0), True
    for worker in workers:
        assert worker.bound is not None
        if worker.bound < make.after(until):
            for entry in of_worker(worker, NOBODY, make.after(until), ()):
                amount = pieces.cost(entry)
                by_accounts += amount or 0
                whole = whole and amount is not None
    assert (found.known, found.whole) == (by_accounts, whole)
