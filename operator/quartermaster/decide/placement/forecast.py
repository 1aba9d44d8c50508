"""How fast a gang would be on a candidate, and what that is worth by its objective."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from quartermaster.decide.cost.rates import STEPS_PER_USD
from quartermaster.decide.profile.classify import classify, shares
from quartermaster.decide.profile.hardware import Hardware
from quartermaster.decide.profile.network import Crossing, own_link
from quartermaster.decide.profile.step import rings, step_time
from quartermaster.domain.cluster import Node, Pool
from quartermaster.domain.hardware import Accelerator
from quartermaster.domain.profile import Bound, JobProfile, Shape, StepTime
from quartermaster.domain.workload import Gang, Objective


@dataclass(frozen=True, slots=True)
class Forecast:
    """A step of the gang on a candidate."""

    step: StepTime
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


@dataclass(frozen=True, slots=True)
class Lie:
    """All of a candidate that decides how fast a gang is there."""

    models: frozenset[str]
    """GPU models."""
    types: frozenset[str]
    """Machine types."""
    per_node: int
    """The most workers on one node [count]."""
    nodes: int
    """Nodes of the whole gang, those on which it is already among them [count]."""
    link: Crossing
    """The slowest link between them."""


def cost(told: Forecast, steps: int | None, objective: Objective) -> float | None:
    """What the objective makes least; None where a price is needed and unknown.

    Steps to the end are the same wherever the gang runs, so a step stands for the whole:
    seconds for Time, USD/h x s for Cost, their product for Balanced.

    Args:
        told: What a step takes.
        steps: Price of the gang [USD/h / `STEPS_PER_USD`].
        objective: The gang's.
    """
    if objective is Objective.TIME:
        return told.step.total
    if steps is None:
        return None
    money = steps / STEPS_PER_USD * told.step.total
    return money if objective is Objective.COST else money * told.step.total


def other_cost(told: Forecast, steps: int | None, objective: Objective) -> float:
    """What is weighed where the objective is indifferent: time for Cost, money for the rest."""
    if objective is Objective.COST:
        return told.step.total
    return math.inf if steps is None else steps / STEPS_PER_USD * told.step.total


def forecast(gang: Gang, lie: Lie, hardware: Hardware) -> Forecast | None:
    """None where the job, a GPU model or a link is unknown.

    Unequal GPUs wait for the slowest of them, and communication for the slowest link crossed.

    Args:
        gang: Who wants a place.
        lie: How it lies on its nodes.
        hardware: What is known of GPU models and machine types.
    """
    profile = gang.profile
    if profile is None or gang.per_worker.gpus == 0:
        return None
    shape = _shape(gang, lie, hardware)
    models = sorted(lie.models)
    known = [gpu for name in models if (gpu := hardware.accelerator(name)) is not None]
    steps = [(step_on(profile, gpu, shape, hardware), gpu) for gpu in known]
    found = [(step, gpu) for step, gpu in steps if step is not None]
    if len(found) < len(models):
        return None
    step, gpu = max(found, key=lambda pair: (pair[0].total, pair[0].communication))
    need = profile.memory((gang.size + len(gang.held)) * gang.per_worker.gpus)
    return Forecast(
        step=step,
        linked=shape.linked and all(gpu.link_bandwidth is not None for gpu in known),
        fits_memory=all(need <= gpu.memory_bytes for gpu in known),
        link=lie.link if _network_is_slower(profile, gpu, shape, hardware) else None,
    )


def _network_is_slower(
    profile: JobProfile, gpu: Accelerator, shape: Shape, hardware: Hardware
) -> bool:
    """Whether the ring between the nodes takes longer than the one inside them."""
    found = rings(profile, gpu, shape, hardware.calibration(gpu.name))
    if not found:
        return False
    return max(found, key=lambda ring: ring.transfer + ring.hops).between_nodes


def fastest_first(profile: JobProfile, models: Iterable[str], hardware: Hardware) -> list[str]:
    """Those of some GPU models whose speed is known, by a step on one of them."""
    speeds: list[tuple[float, str]] = []
    for name in set(models):
        gpu = hardware.accelerator(name)
        step = None if gpu is None else step_on(profile, gpu, Shape(), hardware)
        if step is not None:
            speeds.append((step.total, name))
    return [name for _, name in sorted(speeds)]


def is_known(node: Node, pool: Pool, models: Collection[str], hardware: Hardware) -> bool:
    """Whether nothing about a node is unknown: a GPU model of `models`, a link of its own."""
    return node.accelerator in models and own_link(node, pool, hardware.instance) is not None


def step_on(
    profile: JobProfile, gpu: Accelerator, shape: Shape, hardware: Hardware
) -> StepTime | None:
    """A step on one GPU model, with what is known of the cluster and of other models."""
    names = sorted({seen.accelerator for seen in profile.measured})
    others = [other for name in names if (other := hardware.accelerator(name)) is not None]
    return step_time(profile, gpu, shape, hardware.calibration(gpu.name), others)


def _shape(gang: Gang, lie: Lie, hardware: Hardware) -> Shape:
    """Processes are GPUs."""
    known = [hardware.instance(name) for name in sorted(lie.types)]
    return Shape(
        per_node=lie.per_node * gang.per_worker.gpus,
        nodes=lie.nodes,
        linked=all(instance is None or instance.linked for instance in known),
        network_bandwidth=lie.link.bandwidth,
        network_latency=lie.link.latency,
    )
