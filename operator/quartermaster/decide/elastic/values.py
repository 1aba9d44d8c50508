"""What a configuration is worth to a job, beside what others are worth to others, in one number.

    value = weight * urgency * waiting * kept * (running + gain ^ fairness) - money

`gain` is the predicted goodput over the least that any configuration gives. `kept` is what a start
or restart leaves of the time until the next change: H / (H + restart), and 1 for what the job has
already. Sia (SOSP 2023, section 3.4) has the same terms, but takes the job's age for H; here it is
how long the present has lasted, capped by the policy's horizon and by what is left of the job: what
has just changed is not changed again, and nobody is moved to end a minute later. That who waits
pays for its start keeps equals from taking turns. `urgency` is ours: jobs that are nearly done
count more, since that is what lowers the mean completion time (Smith, 1956).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from quartermaster.decide.elastic.configurations import Capacity, Configuration, PoolRoom
from quartermaster.decide.elastic.goodput import Profile
from quartermaster.decide.elastic.places import Place
from quartermaster.decide.elastic.throughput import Vector


@dataclass(frozen=True, slots=True)
class Policy:
    """What counts in a round. The numbers are tuned, see ADR-0011."""

    fairness: float = 0.5
    """Exponent of the gain [1]: at 1 GPUs go where they help most, towards 0 all get some."""
    urgency: float = 0.1
    """Exponent of the time that is left [1]: 0 treats all jobs alike, 1 is Smith's rule."""
    running: float = 1.0
    """What running at all is worth, beside running as slowly as can be [1]."""
    horizon_seconds: float = 3600.0
    """Longest time that a change is expected to last [s]."""
    settle_seconds: float = 60.0
    """Shortest such time, however recent the last change [s]."""
    typical_seconds: float = 3600.0
    """Time left of a job of urgency 1, and of one that does not say [s]."""
    grain_seconds: float = 300.0
    """Times left are told apart by no less than this [s]: predictions of short ones are poor."""
    aging_seconds: float = 24 * 3600.0
    """Waiting this long doubles what a job counts [s]: nobody waits for ever."""
    usd_weight: float = 0.0
    """What an hourly price of 1 USD takes off a value [h/USD]."""


@dataclass(frozen=True, slots=True)
class ElasticJob:
    """A job that a round decides about."""

    uid: str
    profile: Profile
    least: int
    """Fewest workers [count]; 1 or more."""
    most: int
    """Most workers [count]."""
    changed: float
    """When it last got or lost nodes, or came [s]."""
    restart_seconds: float
    """What a change costs: save, start, load [s]."""
    current: Configuration | None = None
    held: Place = ()
    """Nodes and workers of the current configuration."""
    remaining: float | None = None
    """Samples at full efficiency that are left to learn [sample]; None: not known."""
    rigid: bool = False
    """The number of workers is fixed (`least` is `most`); only the GPU model is chosen."""
    pinned: bool = False
    """It is restarting, or must not be disturbed: it keeps what it has."""
    weight: float = 1.0
    """How much it counts beside others [1]."""


def configuration_values(
    job: ElasticJob, capacity: Capacity, now: float, policy: Policy
) -> list[tuple[Configuration, float]]:
    """What the job could have, with the value of each; empty where nothing is known to work.

    Args:
        job: The job.
        capacity: What it may be given of.
        now: [s], on the clock of the job's times.
        policy: What counts.
    """
    found = [entry for room in capacity.pools for entry in _rated(job, room)]
    if not found:
        return []
    rate = np.array([rate for _, rate, _ in found])
    price = np.array([price for _, _, price in found])
    moved = np.array([configuration != job.current for configuration, _, _ in found])
    kept = np.where(moved, _kept(job, rate, now, policy), 1.0)
    gain = rate / rate.min()
    factor = job.weight * _urgency(job, float(rate.max()), policy) * _waiting(job, now, policy)
    value = factor * kept * (policy.running + gain**policy.fairness) - price * policy.usd_weight
    return [
        (configuration, worth)
        for (configuration, _, _), worth in zip(found, value.tolist(), strict=True)
    ]


def _rated(job: ElasticJob, room: PoolRoom) -> Iterator[tuple[Configuration, float, float]]:
    """Configurations of a pool with goodput [sample/s] and price [USD/h], where they work."""
    options = room.rigid(job.least) if job.rigid else room.elastic(job.least, job.most)
    if not options:
        return
    nodes = np.array([option.nodes for option in options], dtype=np.float64)
    workers = np.array([option.workers for option in options], dtype=np.float64)
    rates = job.profile.rates(room.accelerator, nodes, workers)
    for option, rate in zip(options, rates.tolist(), strict=True):
        if rate > 0:
            yield option, rate, option.workers * room.usd_per_gpu_hour


def _kept(job: ElasticJob, rate: Vector, now: float, policy: Policy) -> Vector:
    """What a change leaves of the time until the next one [1]."""
    lasting = policy.horizon_seconds
    if job.current is not None:
        lasting = min(lasting, max(policy.settle_seconds, now - job.changed))
    left = np.inf if job.remaining is None else job.remaining / rate
    lookahead = np.maximum(np.minimum(lasting, left), 1e-9)
    kept: Vector = lookahead / (lookahead + job.restart_seconds)
    return kept


def _urgency(job: ElasticJob, best: float, policy: Policy) -> float:
    left = policy.typical_seconds if job.remaining is None else job.remaining / best
    return float(
        ((policy.typical_seconds + policy.grain_seconds) / (left + policy.grain_seconds))
        ** policy.urgency
    )


def _waiting(job: ElasticJob, now: float, policy: Policy) -> float:
    return 1.0 if job.current is not None else 1.0 + (now - job.changed) / policy.aging_seconds
