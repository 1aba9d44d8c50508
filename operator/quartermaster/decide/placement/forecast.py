"""How fast a gang would be on a candidate, and what that is worth by its objective."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from quartermaster.decide.placement.candidates import Candidate, Labels
from quartermaster.decide.placement.fit import Slot
from quartermaster.decide.profile.classify import classify, shares
from quartermaster.decide.profile.hardware import Hardware
from quartermaster.decide.profile.network import Crossing, crossing, own_link
from quartermaster.decide.profile.step import rings, step_time
from quartermaster.domain.hardware import Accelerator
from quartermaster.domain.profile import Bound, JobProfile, Shape, StepTime
from quartermaster.domain.workload import Gang, Objective


@dataclass(frozen=True, slots=True)
class Forecast:
    """A step of the gang on a candidate."""

    step: StepTime
    rate: Fraction | None
    """Price of the gang [USD/h]; None where a part of it is unknown."""
    linked: bool
    """Whether workers of one node are joined by NVLink or its like."""
    fits_memory: bool
    """Whether each GPU holds its part of the model."""
    link: Crossing | None = None
    """What its nodes cross; None where communication waits for the links inside them instead."""

    @property
    def bound(self) -> Bound:
        """What takes the longest."""
        return classify(self.step)

    @property
    def communication(self) -> float:
        """Share of the step, 0 to 1."""
        return shares(self.step)[Bound.COMMUNICATION]

    def cost(self, objective: Objective) -> float | None:
        """What the objective makes least; None where a price is needed and unknown.

        Steps to the end are the same wherever the gang runs, so a step stands for the whole:
        seconds for Time, USD/h x s for Cost, their product for Balanced.
        """
        if objective is Objective.TIME:
            return self.step.total
        if self.rate is None:
            return None
        money = float(self.rate) * self.step.total
        return money if objective is Objective.COST else money * self.step.total

    def other_cost(self, objective: Objective) -> float:
        """What is weighed where the objective is indifferent: time for Cost, money for the rest."""
        if objective is Objective.COST:
            return self.step.total
        return math.inf if self.rate is None else float(self.rate) * self.step.total


def forecast(
    gang: Gang, candidate: Candidate, hardware: Hardware, anchors: Sequence[Labels] = ()
) -> Forecast | None:
    """None where the job, a GPU model or a link is unknown.

    Unequal GPUs wait for the slowest of them, and communication for the slowest link crossed.

    Args:
        gang: Who wants a place.
        candidate: Where.
        hardware: What is known of GPU models and machine types.
        anchors: Labels of the nodes on which the gang already is.
    """
    profile = gang.profile
    if profile is None or not candidate.fits or gang.per_worker.gpus == 0:
        return None
    ends = [(slot.node, slot.pool) for slot, _ in candidate.places]
    link = crossing(ends, hardware.instance, anchors)
    shape = _shape(gang, candidate, hardware, link)
    models = sorted({slot.node.accelerator for slot, _ in candidate.places})
    known = [gpu for name in models if (gpu := hardware.accelerator(name)) is not None]
    steps = [(step_on(profile, gpu, shape, hardware), gpu) for gpu in known]
    found = [(step, gpu) for step, gpu in steps if step is not None]
    if len(found) < len(models):
        return None
    step, gpu = max(found, key=lambda pair: (pair[0].total, pair[0].communication))
    need = profile.memory((gang.size + len(gang.held)) * gang.per_worker.gpus)
    return Forecast(
        step=step,
        rate=candidate.rate,
        linked=shape.linked and all(gpu.link_bandwidth is not None for gpu in known),
        fits_memory=all(need <= gpu.memory_bytes for gpu in known),
        link=link if _network_is_slower(profile, gpu, shape, hardware) else None,
    )


def _network_is_slower(
    profile: JobProfile, gpu: Accelerator, shape: Shape, hardware: Hardware
) -> bool:
    """Whether the ring between the nodes takes longer than the one inside them."""
    found = rings(profile, gpu, shape, hardware.calibration(gpu.name))
    if not found:
        return False
    return max(found, key=lambda ring: ring.transfer + ring.hops).between_nodes


def fastest_first(profile: JobProfile, slots: Sequence[Slot], hardware: Hardware) -> list[str]:
    """The GPU models whose speed is known, by a step on one of them."""
    speeds: list[tuple[float, str]] = []
    for name in {slot.node.accelerator for slot in slots}:
        gpu = hardware.accelerator(name)
        step = None if gpu is None else step_on(profile, gpu, Shape(), hardware)
        if step is not None:
            speeds.append((step.total, name))
    return [name for _, name in sorted(speeds)]


def known_slots(slots: Sequence[Slot], models: Sequence[str], hardware: Hardware) -> list[Slot]:
    """Nodes with nothing unknown about them: a GPU model of `models`, a link of their own."""
    return [
        slot
        for slot in slots
        if slot.node.accelerator in models
        and own_link(slot.node, slot.pool, hardware.instance) is not None
    ]


def step_on(
    profile: JobProfile, gpu: Accelerator, shape: Shape, hardware: Hardware
) -> StepTime | None:
    """A step on one GPU model, with what is known of the cluster and of other models."""
    names = sorted({seen.accelerator for seen in profile.measured})
    others = [other for name in names if (other := hardware.accelerator(name)) is not None]
    return step_time(profile, gpu, shape, hardware.calibration(gpu.name), others)


def _shape(gang: Gang, candidate: Candidate, hardware: Hardware, link: Crossing) -> Shape:
    """Processes are GPUs; nodes on which the gang already is count."""
    names = {slot.node.name for slot, _ in candidate.places} | set(gang.held)
    types = {slot.node.instance_type for slot, _ in candidate.places}
    known = [hardware.instance(name) for name in sorted(types)]
    return Shape(
        per_node=max(count for _, count in candidate.places) * gang.per_worker.gpus,
        nodes=len(names),
        linked=all(instance is None or instance.linked for instance in known),
        network_bandwidth=link.bandwidth,
        network_latency=link.latency,
    )
