"""When one job has to stop so that it costs no more than its limit, and when it may go on."""

from datetime import timedelta
from fractions import Fraction

from quartermaster.decide.cost.accrual import NEWS_LAG
from quartermaster.domain.money.budget import Unfunded

LEAVING_S = 4.0
"""From the decision until the nodes are free, beside the save: two writes, the Job controller, the
signal, and a process that ends [s]."""
GRACE_S = 30.0
"""So long a worker may take to leave; then it is killed [s]."""
_SECOND = timedelta(seconds=1)


def lead_s(save_s: float | None) -> float:
    """How long a job goes on costing money beyond what it is known to have cost [s].

    That is how old its bill is, and how long stopping takes.

    Args:
        save_s: What a save was measured to take [s]; None where it is unknown: its whole grace.
    """
    stopping = GRACE_S if save_s is None else min(GRACE_S, LEAVING_S + save_s)
    return NEWS_LAG / _SECOND + stopping


def reserve(usd_per_hour: Fraction, lead: float) -> Fraction:
    """What a job costs until it can have stopped [USD].

    Args:
        usd_per_hour: What it costs now [USD/h].
        lead: As `lead_s` tells it [s].
    """
    return usd_per_hour * Fraction(lead) / 3600


def is_reached(total: Fraction, held_back: Fraction, limit: Fraction) -> bool:
    """Whether it has to stop now so as not to cross its limit [USD each]."""
    return total + held_back >= limit


def seconds_until(
    total: Fraction, held_back: Fraction, limit: Fraction, usd_per_hour: Fraction
) -> float | None:
    """When that will be [s]; None where it costs nothing."""
    if usd_per_hour <= 0:
        return None
    return max(0.0, float((limit - total - held_back) * 3600 / usd_per_hour))


def may_go_on(note: Unfunded, total: Fraction | None, limit: Fraction) -> bool:
    """Whether a job that its limit has stopped has enough again.

    Only a higher limit lets it go on, and one that leaves enough to start and stop once more: a
    bill that turns out a little lower does not.

    Args:
        note: Why it was stopped.
        total: What it has cost [USD]; None where that is unknown.
        limit: Its limit now [USD].
    """
    enough = total is None or not is_reached(total, note.reserve, limit)
    return limit > note.amount and enough
