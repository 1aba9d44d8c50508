"""Plans on a placement cycle that was saved: without a cluster."""

from collections.abc import Sequence
from dataclasses import replace

from quartermaster.api.record import JobRecord
from quartermaster.decide.queue.scene import Scene
from quartermaster.planning.answer import Answer, answer, refuse_twins
from quartermaster.reconcile.demand import new_gang
from quartermaster.reconcile.profile.length import Length


def plan_on_cycle(jobs: Sequence[JobRecord], scene: Scene, steps: int | None = None) -> Answer:
    """What would have become of the jobs if they had come with that cycle.

    A cycle tells nothing of jobs that have ended, so a step's speed is known by `spec.stepCosts`
    alone; and of namespaces only those whose jobs wait.

    Args:
        jobs: Who is to be planned.
        scene: The cycle's input.
        steps: How many steps each job has, where the user knows [count].

    Raises:
        SpecError: A job is in the cycle already, or names a queue or a pool that is not there.
    """
    there = {str(gang.key): "waits" for gang in scene.waiting}
    refuse_twins(jobs, there | {str(one.key): "runs" for one in scene.holdings})
    asked = [(job, new_gang(job)) for job in jobs]
    lengths = {} if steps is None else {job.uid: Length(steps, "") for job in jobs}
    remarks, namespaces = [], dict(scene.namespaces)
    for job in jobs:
        queue, name = scene.tree.queues.get(job.queue or ""), job.key.namespace
        if queue is not None and queue.namespace_labels and name not in namespaces:
            namespaces[name] = queue.namespace_labels
            remarks.append(
                f"the cycle does not tell the labels of namespace {name}: queue {queue.name} was "
                "taken to admit it"
            )
    return answer(replace(scene, namespaces=namespaces), asked, lengths, remarks)
