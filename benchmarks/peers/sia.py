"""Sia (Jayaram Subramanya et al., SOSP 2023): the paper's programme with its published settings.

Each job has a row of goodputs over configurations, divided by its least; changing costs the factor
(age - restarts x penalty) / (age + penalty); the sum of the square roots is maximised, and a job
without anything costs 1. What a job does on a GPU model is learnt from its own steps alone: it
starts on one GPU and is never given more than twice of what it was seen on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from quartermaster.decide.elastic import places, programme
from quartermaster.decide.elastic.configurations import Capacity, Configuration
from quartermaster.decide.elastic.places import Piece
from quartermaster.decide.elastic.programme import Limits, Options
from quartermaster.simulate.job import Placement, SimulatedJob

ROUND_SECONDS = 60.0
FAIRNESS = 0.5
WAITING = 1.0
"""What a job without anything costs (the artifact's value for this fairness)."""
PENALTY_SECONDS = {"bert": 120, "cifar10": 30, "deepspeech2": 25, "imagenet": 250, "yolov3": 45}
"""What the policy takes a restart to cost [s]; not in all cases what the cluster takes."""


@dataclass
class Sia:
    """The configurations that it chose in the round before."""

    capacity: Capacity
    period: float = ROUND_SECONDS
    limits: Limits = field(default_factory=Limits)
    _held: dict[str, Configuration] = field(default_factory=dict)

    def decide(self, now: float, jobs: Sequence[SimulatedJob]) -> Mapping[str, Placement]:
        """A round."""
        pinned = {
            job.uid: self._held[job.uid]
            for job in jobs
            if job.restarting > 0 and job.uid in self._held
        }
        table: list[Configuration] = []
        owner: list[int] = []
        value: list[float] = []
        for index, job in enumerate(jobs):
            if job.uid not in pinned:
                for configuration, worth in self._values(job, now):
                    table.append(configuration)
                    owner.append(index)
                    value.append(worth)
        taken = self.capacity.usage(list(pinned.values())).sum(axis=1)
        options = Options(
            np.array(owner, dtype=np.intp),
            np.array(value),
            self.capacity.usage(table),
            self.capacity.rows - taken,
        )
        chosen = programme.solve(options, self.limits)
        if chosen is None:
            raise RuntimeError("no choice within the limits of the programme")
        self._held = pinned | {jobs[owner[column]].uid: table[column] for column in chosen}
        return self._placed(jobs)

    def _values(self, job: SimulatedJob, now: float) -> list[tuple[Configuration, float]]:
        held = self._held.get(job.uid)
        profile = job.profile()
        rooms = self.capacity.pools
        smallest = min(table.local_smallest for table in job.application.tables.values())
        most = min(
            max(2 * job.knowledge.most_workers(), 1), 64, job.application.largest_batch // smallest
        )
        found: list[Configuration] = []
        goodput: list[float] = []
        for room in rooms:
            configurations = room.elastic(1, most)
            if not profile.models:
                found += configurations[:1]
                goodput += [1.0]
                continue
            nodes = np.array([c.nodes for c in configurations], dtype=np.float64)
            workers = np.array([c.workers for c in configurations], dtype=np.float64)
            found += configurations
            goodput += profile.rates(room.accelerator, nodes, workers).tolist()
        usable = [(c, g) for c, g in zip(found, goodput, strict=True) if g > 0]
        least = min(g for _, g in usable)
        age, penalty = now - job.submitted, PENALTY_SECONDS[job.application.name]
        factor = max(age - job.restarts * penalty, 0) / (age + penalty) if age >= penalty else 1.0
        return [
            (
                c,
                round((g / least * (1.0 if held in (None, c) else factor)) ** FAIRNESS, 2)
                + WAITING,
            )
            for c, g in usable
        ]

    def _placed(self, jobs: Sequence[SimulatedJob]) -> dict[str, Placement]:
        by_uid = {job.uid: job for job in jobs}
        placed: dict[str, Placement] = {}
        for room in self.capacity.pools:
            pieces = []
            for uid, configuration in self._held.items():
                if configuration.pool != room.pool:
                    continue
                job = by_uid[uid]
                same = job.placement is not None and (
                    job.placement.pool == room.pool
                    and job.placement.workers == configuration.workers
                )
                held = job.placement.place if same and job.placement else ()
                pieces.append(Piece(uid, configuration, held, job.application.restart_seconds))
            for uid, place in places.place(room, pieces).items():
                placed[uid] = Placement(room.pool, place)
        return placed
