"""A job's money: from worker pods and the last status to the next one. Each pod is charged once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from quartermaster.api.training_job_status import Cost, Goodput
from quartermaster.decide import workers as facts
from quartermaster.decide.cost import accrual
from quartermaster.decide.cost.accrual import Account
from quartermaster.domain.worker import Phase, Worker
from quartermaster.units import usd

MAX_CLOSING = 1024
"""What `status.cost.closing` holds; a gang of that size with a few former pods may end at once."""


@dataclass(frozen=True, slots=True)
class Books:
    """What is to be reported, and which pods may go once it is written."""

    cost: Cost
    goodput: Goodput
    to_release: tuple[Worker, ...]


def close(
    cost: Cost | None,
    goodput: Goodput | None,
    workers: Sequence[Worker],
    *,
    now: datetime,
    source: str,
    suspended: bool,
) -> Books:
    """Charge the workers that are over, and bill the rest as of now.

    A pod that is over is charged in the status first and released after that; its uid stays in
    `closing` for as long as its finalizer is on. So an operator that dies between the two writes
    neither loses the pod's time nor charges it twice.
    """
    cost, goodput = cost or Cost(), goodput or Goodput()
    account = Account(Fraction(cost.accrued), cost.segments, cost.unpriced_seconds)
    over = [worker for worker in workers if worker.settled and worker.accounted]
    charged = [worker for worker in over if worker.uid in cost.closing]
    uncharged = [worker for worker in over if worker.uid not in cost.closing]
    fresh = uncharged[: MAX_CLOSING - len(charged)]
    later = uncharged[len(fresh) :]
    for worker in fresh:
        segment = facts.segment(worker)
        if segment is not None:
            account = accrual.closed(account, segment)
    running = [worker for worker in workers if not worker.settled]
    segments = [s for w in (*running, *later) if (s := facts.segment(w)) is not None]
    bill = accrual.bill(account, segments, now)
    ended_badly = [w for w in fresh if w.phase is Phase.FAILED and not suspended]
    disturbed = [w for w in ended_badly if w.disrupted or w.deleting]
    return Books(
        cost=Cost(
            total=None if bill.total is None else usd(bill.total),
            rate_per_hour=None if bill.rate_per_hour is None else usd(bill.rate_per_hour),
            price_source=source or cost.price_source,
            accrued=f"{account.accrued.numerator}/{account.accrued.denominator}",
            segments=account.segments,
            unpriced_seconds=account.unpriced_seconds,
            closing=sorted(worker.uid for worker in (*charged, *fresh)),
        ),
        goodput=Goodput(
            restarts=goodput.restarts + len(ended_badly),
            interruptions=goodput.interruptions + len(disturbed),
        ),
        to_release=(*charged, *fresh),
    )


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
    told = Goodput(restarts=goodput.restarts, interruptions=goodput.interruptions + more)
    return replace(books, goodput=told)
