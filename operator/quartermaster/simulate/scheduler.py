"""The operator's own rounds as a scheduler of the simulator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from quartermaster.decide.elastic.configurations import Capacity, Configuration
from quartermaster.decide.elastic.goodput import Profile, RigidProfile
from quartermaster.decide.elastic.programme import Limits
from quartermaster.decide.elastic.rounds import (
    DEFAULT_LIMITS,
    Method,
    decide_round,
)
from quartermaster.decide.elastic.values import ElasticJob, Policy
from quartermaster.simulate.job import Placement, SimulatedJob


@dataclass
class GoodputRounds:
    """Turns simulated jobs into what a round wants to know, and its answer into placements."""

    capacity: Capacity
    policy: Policy
    period: float = 60.0
    limits: Limits | None = DEFAULT_LIMITS
    explore: float = 2.0
    """Most workers as a multiple of the largest number that was seen [1]."""
    knows_remaining: bool = True
    """Whether the rounds are told how much of a job is left."""
    greedy_rounds: int = 0
    """Rounds that the programme did not decide [count]."""
    _held: dict[str, Configuration] = field(default_factory=dict)

    def decide(self, now: float, jobs: Sequence[SimulatedJob]) -> Mapping[str, Placement]:
        """A round."""
        decided = decide_round(
            [self._describe(job) for job in jobs], self.capacity, now, self.policy, self.limits
        )
        self.greedy_rounds += decided.method is Method.GREEDY
        self._held = {uid: a.configuration for uid, a in decided.allocations.items()}
        return {
            uid: Placement(a.configuration.pool, a.place) for uid, a in decided.allocations.items()
        }

    def _describe(self, job: SimulatedJob) -> ElasticJob:
        least, most = self._range(job)
        return ElasticJob(
            uid=job.uid,
            profile=self._profile(job),
            least=least,
            most=most,
            changed=job.changed,
            restart_seconds=job.application.restart_seconds,
            current=self._held.get(job.uid),
            held=job.placement.place if job.placement else (),
            remaining=job.remaining if self.knows_remaining else None,
            rigid=not job.adapts,
            pinned=job.restarting > 0,
        )

    def _range(self, job: SimulatedJob) -> tuple[int, int]:
        if not job.adapts:
            return job.workers, job.workers
        tables = job.application.tables.values()
        possible = job.application.largest_batch // min(t.local_smallest for t in tables)
        return 1, max(1, min(possible, int(self.explore * job.knowledge.most_workers())))

    def _profile(self, job: SimulatedJob) -> Profile:
        if not job.adapts:
            return RigidProfile(job.workers, rigid_rates(job, self.capacity))
        return job.profile()


def rigid_rates(job: SimulatedJob, capacity: Capacity) -> dict[str, float]:
    """Goodput of the job as it was asked for, packed on the nodes of each pool [sample/s]."""
    rates: dict[str, float] = {}
    for room in capacity.pools:
        whole, rest = divmod(job.workers, room.node_size)
        shape = (room.node_size,) * whole + ((rest,) if rest else ())
        table = job.application.tables[room.accelerator]
        parts = int(np.ceil(job.batch / job.workers / table.local_limit(shape) - 1e-8))
        if job.workers == 1 and job.batch > job.application.initial_batch:
            parts = max(2, parts)
        at_once = int(np.ceil(job.batch / job.workers / parts - 1e-8))
        at_once = min(at_once, job.application.largest_batch // (job.workers * parts))
        step, sync = table.measured(shape, at_once)
        noise = job.noise_scale
        batch = at_once * job.workers * parts
        initial = job.application.initial_batch
        gain = (noise + initial) / (noise + batch)
        rates[room.accelerator] = batch * gain / (step + (step - sync) * (parts - 1))
    return rates
