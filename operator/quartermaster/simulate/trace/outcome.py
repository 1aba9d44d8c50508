"""What came of a trace: a record a job, and what they add up to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import ceil

from quartermaster.domain.cluster import Snapshot
from quartermaster.simulate.trace.job import Stay, Submission


class Ending(StrEnum):
    """How a job ended."""

    COMPLETE = "Complete"
    DEADLINE = "DeadlineExceeded"
    """It reached its deadline before its end."""
    NEVER_PLACED = "NeverPlaced"
    """It waited until nothing happened any more."""


@dataclass(frozen=True, slots=True)
class Record:
    """What came of a job."""

    job: Submission
    ending: Ending
    end_s: float | None
    """None where it never ended [s]."""
    stays: tuple[Stay, ...]
    left: float
    """Part of the job that was not done, 0 to 1."""
    why: str
    """Why it had no place when it was last judged without one."""

    @property
    def wait_s(self) -> float | None:
        """From its submission to its first start [s]; None where it never started."""
        return self.stays[0].start_s - self.job.submit_s if self.stays else None

    @property
    def completion_s(self) -> float | None:
        """From its submission to its end [s]; None where it never ended."""
        return None if self.end_s is None else self.end_s - self.job.submit_s

    @property
    def preemptions(self) -> int:
        """How often it was stopped for another job [count]."""
        return len(self.stays) - (self.end_s is not None)

    @property
    def gpu_s(self) -> float:
        """GPUs times the time for which it held them [GPU s]."""
        return sum(stay.gpus * (stay.end_s - stay.start_s) for stay in self.stays)

    @property
    def usd(self) -> Fraction | None:
        """What its places have cost [USD]; None where a price is unknown."""
        total = Fraction(0)
        for stay in self.stays:
            cost = stay.usd
            if cost is None:
                return None
            total += cost
        return total


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and percentiles of a time [s]; the percentiles are by nearest rank."""

    mean: float
    p50: float
    p99: float


def spread(values: Sequence[float]) -> Spread | None:
    """None of nothing."""
    if not values:
        return None
    ordered = sorted(values)

    def rank(part: float) -> float:
        return ordered[max(0, ceil(part * len(ordered)) - 1)]

    return Spread(sum(ordered) / len(ordered), rank(0.5), rank(0.99))


@dataclass(frozen=True, slots=True)
class Summary:
    """What jobs add up to."""

    jobs: int
    """[count]"""
    complete: int
    """[count]"""
    failed: int
    """Ended by their deadline [count]."""
    never_placed: int
    """[count]"""
    wait: Spread | None
    """Of those that started."""
    completion: Spread | None
    """Of those that ended."""
    gpu_hours: float
    """[GPU h]"""
    usd: Fraction | None
    """[USD]; None where a price is unknown."""
    preemptions: int
    """[count]"""


@dataclass(frozen=True, slots=True)
class Whole:
    """What a whole trace comes to."""

    all_jobs: Summary
    queues: tuple[tuple[str, Summary], ...]
    """By the queues' names."""
    makespan_s: float
    """From the first submission to the last end [s]."""
    gpus: int
    """Of the nodes that are ready [count]."""
    utilisation: float | None
    """GPU time that was held, of all there was in the makespan, 0 to 1; None without GPUs."""


def summary(records: Iterable[Record]) -> Summary:
    """What these jobs add up to."""
    told = list(records)
    costs = [record.usd for record in told]
    endings = [record.ending for record in told]
    return Summary(
        jobs=len(told),
        complete=endings.count(Ending.COMPLETE),
        failed=endings.count(Ending.DEADLINE),
        never_placed=endings.count(Ending.NEVER_PLACED),
        wait=spread([r.wait_s for r in told if r.wait_s is not None]),
        completion=spread([r.completion_s for r in told if r.completion_s is not None]),
        gpu_hours=sum(record.gpu_s for record in told) / 3600,
        usd=None if None in costs else sum((c for c in costs if c is not None), Fraction(0)),
        preemptions=sum(record.preemptions for record in told),
    )


def whole(records: Sequence[Record], cluster: Snapshot) -> Whole:
    """What a trace comes to on its cluster."""
    names = sorted({record.job.gang.queue or "" for record in records})
    ends = [stay.end_s for record in records for stay in record.stays]
    began = min((record.job.submit_s for record in records), default=0.0)
    makespan = max(ends, default=began) - began
    gpus = sum(node.allocatable.gpus for node in cluster.nodes if node.ready)
    total = summary(records)
    there = gpus * makespan / 3600
    return Whole(
        all_jobs=total,
        queues=tuple(
            (name, summary(r for r in records if (r.job.gang.queue or "") == name))
            for name in names
        ),
        makespan_s=makespan,
        gpus=gpus,
        utilisation=total.gpu_hours / there if there else None,
    )
