"""How fast a gang would be on a candidate, and what that is worth by its objective."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from quartermaster.decide.placement.candidates import Candidate
from quartermaster.decide.placement.fit import Slot
from quartermaster.decide.profile.classify import classify, shares
from quartermaster.decide.profile.hardware import Hardware
from quartermaster.decide.profile.step import step_time
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


def forecast(gang: Gang, candidate: Candidate, hardware: Hardware) -> Forecast | None:
    """None where the job, a GPU model or a link is unknown.

    Unequal GPUs wait for the slowest of them, and communication for the narrowest network card.
    """
    profile = gang.profile
    if profile is None or not candidate.fits or gang.per_worker.gpus == 0:
        return None
    shape = _shape(gang, candidate, hardware)
    models = sorted({slot.node.accelerator for slot, _ in candidate.places})
    known = [gpu for name in models if (gpu := hardware.accelerator(name)) is not None]
    steps = [step_on(profile, gpu, shape, hardware) for gpu in known]
    found = [step for step in steps if step is not None]
    if len(found) < len(models):
        return None
    need = profile.memory((gang.size + len(gang.held)) * gang.per_worker.gpus)
    return Forecast(
        step=max(found, key=lambda step: (step.total, step.communication)),
        rate=candidate.rate,
        linked=shape.linked and all(gpu.link_bandwidth is not None for gpu in known),
        fits_memory=all(need <= gpu.memory_bytes for gpu in known),
    )


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
    """Nodes with nothing unknown about them: a GPU model of `models`, a network card."""
    return [
        slot
        for slot in slots
        if slot.node.accelerator in models
        and (instance := hardware.instance(slot.node.instance_type)) is not None
        and instance.network_bandwidth is not None
    ]


def step_on(
    profile: JobProfile, gpu: Accelerator, shape: Shape, hardware: Hardware
) -> StepTime | None:
    """A step on one GPU model, with what is known of the cluster and of other models."""
    names = sorted({seen.accelerator for seen in profile.measured})
    others = [other for name in names if (other := hardware.accelerator(name)) is not None]
    return step_time(profile, gpu, shape, hardware.calibration(gpu.name), others)


def _shape(gang: Gang, candidate: Candidate, hardware: Hardware) -> Shape:
    """Processes are GPUs; nodes on which the gang already is count."""
    names = {slot.node.name for slot, _ in candidate.places} | set(gang.held)
    types = {slot.node.instance_type for slot, _ in candidate.places}
    known = [hardware.instance(name) for name in sorted(types)]
    networks = [None if instance is None else instance.network_bandwidth for instance in known]
    narrowest = [width for width in networks if width is not None]
    return Shape(
        per_node=max(count for _, count in candidate.places) * gang.per_worker.gpus,
        nodes=len(names),
        linked=all(instance is None or instance.linked for instance in known),
        network_bandwidth=min(narrowest) if len(narrowest) == len(networks) else None,
    )
