"""Plans of several jobs at once, beside what is known of each job's length."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from quartermaster.api.record import JobRecord
from quartermaster.decide.queue.scene import Scene
from quartermaster.domain.decision import Refusal, Waiting
from quartermaster.domain.workload import Gang
from quartermaster.errors import SpecError
from quartermaster.reconcile.profile.length import Length
from quartermaster.simulate.plan import Outcome, Planned, plan

_MISTAKES = frozenset({Refusal.NO_SUCH_QUEUE, Refusal.NO_SUCH_POOL})
"""Refusals that only another document cures: no plan, but a fault of this one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What would become of the jobs."""

    jobs: tuple[Planned, ...]
    """In the order of the files."""
    lengths: Mapping[str, Length] = field(default_factory=dict)
    """By uid; absent where it is unknown."""
    idle: tuple[tuple[JobRecord, str], ...] = ()
    """Jobs that would ask for no place, and why."""
    remarks: tuple[str, ...] = ()
    """What the plan rests on beside the cluster."""

    @property
    def all_start(self) -> bool:
        """Whether each job would start, be it after others have made room."""
        return not self.idle and all(one.outcome is not Outcome.WAITS for one in self.jobs)


def answer(
    scene: Scene,
    asked: Sequence[tuple[JobRecord, Gang | None]],
    lengths: Mapping[str, Length],
    remarks: Sequence[str] = (),
) -> Answer:
    """Plan the jobs together, as if they were applied one right after the other.

    Raises:
        SpecError: A job names a queue or a pool that is not there.
    """
    gangs = [gang for _, gang in asked if gang is not None]
    planned = {one.gang.uid: one for one in plan(scene, gangs)}
    for one in planned.values():
        if isinstance(one.decision, Waiting) and one.decision.refusal in _MISTAKES:
            raise SpecError(f"{one.gang.key}: {one.decision.message}")
    return Answer(
        jobs=tuple(planned[gang.uid] for gang in gangs),
        lengths=lengths,
        idle=tuple((job, _why_idle(job)) for job, gang in asked if gang is None),
        remarks=tuple(remarks),
    )


def _why_idle(job: JobRecord) -> str:
    if job.spec is not None and job.spec.managed_by is not None:
        return f"spec.managedBy is {job.spec.managed_by}: Quartermaster leaves this job to it"
    return "spec.suspend is true: it asks for no place until that is false"


def refuse_twins(jobs: Sequence[JobRecord], there: Mapping[str, str]) -> None:
    """Refuse jobs whose name is taken: to apply them would change those, not make new ones.

    Args:
        jobs: Who is to be planned.
        there: The jobs that there are, `NAMESPACE/NAME`, and what each does.

    Raises:
        SpecError: One is there.
    """
    for job in jobs:
        state = there.get(str(job.key))
        if state is not None:
            raise SpecError(f"{job.key} is there already and {state}: plan it under another name")
