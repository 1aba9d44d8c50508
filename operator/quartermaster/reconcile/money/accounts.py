"""A job's money: from worker pods and the last status to the next one. Each pod is charged once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction

from quartermaster.api.money.cost import Cost, Exact, HeldSum
from quartermaster.api.record import JobRecord
from quartermaster.api.training_job_status import Goodput, StretchStatus
from quartermaster.decide import workers as facts
from quartermaster.decide.cost import accrual, entries, postings
from quartermaster.decide.cost.accrual import NEWS_LAG, Account, Bill
from quartermaster.decide.cost.parts import NOT_NEEDED_ON_DEMAND
from quartermaster.domain.money.ledger import Entry, Kind, Owner, Part
from quartermaster.domain.money.stretch import MICROSECOND, NO_TIME, Stretch
from quartermaster.domain.worker import Phase, Worker
from quartermaster.reconcile.money.held_sums import postings_of, postings_text
from quartermaster.units import exact, usd

MAX_CLOSING = 1024
"""What `status.cost.closing` holds; a gang of that size with a few former pods may end at once."""
NOBODY = Owner(Kind.JOB)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Charging:
    """What pods are charged by, beside what they show themselves."""

    now: datetime
    owner: Owner = NOBODY
    stretches: tuple[Stretch, ...] = ()
    """When the gang ran together."""
    source: str = ""
    """Where prices come from."""
    suspended: bool = False
    """Whether its workers were told to go: their ends are no restarts."""
    closing: bool = True
    """Whether pods that are over are charged now; else they are only billed, and stay."""
    standing: tuple[Entry, ...] = ()
    """What the ledger has of them already. It counts: a pod that is worked out again, by an
    operator that has heard less of its run, may be cut elsewhere."""


@dataclass(frozen=True, slots=True)
class Books:
    """What is to be reported, what goes into the ledger, and which pods may go after that."""

    cost: Cost
    goodput: Goodput
    to_release: tuple[Worker, ...]
    entries: tuple[Entry, ...] = ()
    """What the pods held that are charged now."""

    def stays(self, workers: Iterable[Worker]) -> bool:
        """Whether a pod that is over has still to be charged: later, once the ledger is there."""
        gone = {worker.uid for worker in self.to_release}
        return any(w.settled and w.accounted and w.uid not in gone for w in workers)


def close(
    cost: Cost | None, goodput: Goodput | None, workers: Sequence[Worker], by: Charging
) -> Books:
    """Charge the workers that are over, and bill the rest as of now.

    A pod that is over is charged in the status first and released after that; its uid stays in
    `closing` for as long as its finalizer is on. So an operator that dies between the two writes
    neither loses the pod's time nor charges it twice.
    """
    cost, goodput = cost or Cost(), goodput or Goodput()
    account = account_of(cost)
    over = [worker for worker in workers if worker.settled and worker.accounted]
    charged = [worker for worker in over if worker.uid in cost.closing]
    uncharged = [worker for worker in over if worker.uid not in cost.closing]
    fresh = uncharged[: MAX_CLOSING - len(charged)] if by.closing else []
    later = uncharged[len(fresh) :]
    recorded: list[Entry] = []
    standing = _by_pod(by.standing)
    for worker in fresh:
        held = standing.get(worker.uid) or entries.of_worker(
            worker, by.owner, _end(worker, by.now), by.stretches
        )
        if worker.bound is not None:
            account = accrual.with_pod(account, held)
        recorded += held
    running = [worker for worker in workers if not worker.settled]
    bill = accrual.bill(
        account,
        [
            entries.of_worker(worker, by.owner, _end(worker, by.now - NEWS_LAG), by.stretches)
            for worker in (*running, *later)
        ],
    )
    rate = accrual.rate(worker for worker in running if worker.bound is not None)
    ended_badly = [w for w in fresh if w.phase is Phase.FAILED and not by.suspended]
    disturbed = [w for w in ended_badly if w.disrupted or w.deleting]
    closing = sorted(worker.uid for worker in (*charged, *fresh))
    times = bill.account.times
    return Books(
        cost=_cost(
            account,
            bill,
            rate,
            closing,
            by.source or cost.price_source,
            _held(cost.exact.held, recorded),
        ),
        goodput=Goodput(
            restarts=goodput.restarts + len(ended_badly),
            interruptions=goodput.interruptions + len(disturbed),
            useful_seconds=_seconds(times.get(Part.USEFUL, NO_TIME)),
            lost_seconds=_seconds(
                sum((times.get(part, NO_TIME) for part in NOT_NEEDED_ON_DEMAND), NO_TIME)
            ),
        ),
        to_release=(*charged, *fresh),
        entries=tuple(recorded),
    )


def _by_pod(standing: Iterable[Entry]) -> dict[str, list[Entry]]:
    pods: dict[str, list[Entry]] = {}
    for entry in standing:
        pods.setdefault(entry.id.rpartition("/")[0], []).append(entry)
    return pods


def _held(before: list[HeldSum], recorded: list[Entry]) -> list[HeldSum]:
    """The sums by day and place, with what is charged now."""
    if not recorded:
        return before
    return postings_text(postings.with_entries(postings_of(before), recorded))


def _end(worker: Worker, otherwise: datetime) -> datetime:
    """When its node was free of it, or else as of when it is billed."""
    return facts.released(worker) or otherwise


def account_of(cost: Cost) -> Account:
    """The books that a status holds; what an earlier version did not divide counts as other."""
    accrued = Fraction(cost.accrued)
    parts = {Part(name): Fraction(text) for name, text in cost.exact.parts.items()}
    undivided = accrued - sum(parts.values(), Fraction(0))
    if undivided:
        parts[Part.OTHER] = parts.get(Part.OTHER, Fraction(0)) + undivided
    times = {Part(name): us * MICROSECOND for name, us in cost.exact.microseconds.items()}
    return Account(
        accrued=accrued,
        segments=cost.segments,
        unpriced=timedelta(seconds=cost.unpriced_seconds),
        parts=parts,
        times=times,
        on_demand=Fraction(cost.exact.on_demand),
        not_comparable=cost.exact.not_comparable_microseconds * MICROSECOND,
        spot_paid=Fraction(cost.exact.spot_paid),
    )


def _cost(
    closed: Account,
    bill: Bill,
    rate: Fraction | None,
    closing: list[str],
    source: str,
    held: list[HeldSum],
) -> Cost:
    # A pod of unknown price that has only just begun is unknown, and not for nothing.
    known = bill.total is not None and rate is not None
    parts = bill.account.parts if known else {}
    return Cost(
        total=_money(bill.total) if known else None,
        rate_per_hour=_money(rate),
        parts={part: usd(parts[part]) for part in Part if parts.get(part)},
        lost_work=_money(bill.lost),
        on_demand_equivalent=_money(bill.on_demand),
        net_spot_savings=_money(bill.saved),
        price_source=source,
        accrued=exact(closed.accrued),
        segments=closed.segments,
        # Rounded up: what is unknown for half a second stays unknown.
        unpriced_seconds=-(-closed.unpriced // _SECOND),
        exact=Exact(
            parts={part: exact(closed.parts[part]) for part in Part if closed.parts.get(part)},
            microseconds={
                part: closed.times[part] // MICROSECOND for part in Part if part in closed.times
            },
            on_demand=exact(closed.on_demand),
            not_comparable_microseconds=closed.not_comparable // MICROSECOND,
            spot_paid=exact(closed.spot_paid),
            held=held,
        ),
        closing=closing,
    )


def _money(amount: Fraction | None) -> str | None:
    return None if amount is None else usd(amount)


def _seconds(time: timedelta) -> int:
    return time // _SECOND


def with_interruptions(books: Books, before: Cost | None, workers: Sequence[Worker]) -> Books:
    """The books of a job that was stopped for another one: its workers' ends are no restarts.

    Args:
        books: As they are when the workers count as suspended.
        before: The cost that was written last: what is closing there was counted then.
        workers: The job's pods.
    """
    known = set(before.closing) if before is not None else set()
    failed = {worker.uid for worker in workers if worker.phase is Phase.FAILED}
    more = sum(1 for w in books.to_release if w.uid in failed - known)
    goodput = books.goodput
    told = goodput.model_copy(update={"interruptions": goodput.interruptions + more})
    return replace(books, goodput=told)


def owner(job: JobRecord) -> Owner:
    """Who pays for a job's pods."""
    return Owner(Kind.JOB, job.key.namespace, job.key.name, job.uid, job.queue or "")


def stretches_of(told: Iterable[StretchStatus]) -> tuple[Stretch, ...]:
    """The times together as a status holds them."""
    return tuple(
        Stretch(
            together=it.together,
            stepped=it.stepped,
            saved=it.saved,
            complete=it.complete,
            stalled=it.stalled_microseconds * MICROSECOND,
            idle=it.idle_microseconds * MICROSECOND,
            idle_saved=it.idle_saved_microseconds * MICROSECOND,
            looked=it.looked,
            broken=it.broken,
        )
        for it in told
    )


def stretches_text(stretches: Iterable[Stretch]) -> list[StretchStatus]:
    """The times together as a status holds them."""
    return [
        StretchStatus(
            together=it.together,
            stepped=it.stepped,
            saved=it.saved,
            complete=it.complete,
            stalled_microseconds=it.stalled // MICROSECOND,
            idle_microseconds=it.idle // MICROSECOND,
            idle_saved_microseconds=it.idle_saved // MICROSECOND,
            looked=it.looked,
            broken=it.broken,
        )
        for it in stretches
    ]


def price_source(workers: Iterable[Worker]) -> str:
    """Where the prices come from that pods were placed at."""
    sources = {worker.held.price_source for worker in workers if worker.held is not None}
    return ", ".join(sorted(sources - {""}))[:256]
