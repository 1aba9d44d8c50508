"""What is to be placed."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from quartermaster.domain.cluster import Capacity, Toleration
from quartermaster.domain.name import NamespacedName
from quartermaster.domain.profile import JobProfile
from quartermaster.domain.resources import GpuResource, Resources


class TopologyMode(StrEnum):
    """How strictly a gang keeps to one topology domain."""

    REQUIRED = "Required"
    PREFERRED = "Preferred"
    UNCONSTRAINED = "Unconstrained"


class Objective(StrEnum):
    """What a place is chosen by, where it is known how fast the job would be there."""

    COST = "Cost"
    TIME = "Time"
    BALANCED = "Balanced"


@dataclass(frozen=True, slots=True)
class Gang:
    """The workers of one job that want a place now."""

    key: NamespacedName
    uid: str
    created: datetime
    indices: tuple[int, ...]
    """Workers without a place, by index."""
    per_worker: Resources
    priority: int = 0
    held: tuple[str, ...] = ()
    """Nodes on which the gang's other workers are already."""
    capacity: Capacity | None = None
    """None takes any."""
    gpu_resource: GpuResource = GpuResource.NVIDIA
    """What its pods ask for GPUs as, which is fixed once they are there."""
    accelerators: tuple[str, ...] = ()
    """GPU models that will do; empty takes any."""
    pools: tuple[str, ...] = ()
    """Pools that will do; empty takes any."""
    topology: TopologyMode = TopologyMode.PREFERRED
    topology_level: str | None = None
    """The label that names the domain; None takes the pools' levels."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints that the worker pods pass on their own."""
    objective: Objective = Objective.BALANCED
    """What a place is chosen by where the profile is known."""
    profile: JobProfile | None = None
    """What a step of the job costs; None: not known, so that speed is not weighed."""
    queue: str | None = "default"
    """The queue that it waits in; None where another system queues it."""
    runtime_s: float | None = None
    """How long it will run at most once it is placed [s]; None where that is unknown."""

    least: int | None = None
    """Fewest workers with which it starts [count]; None: only whole."""
    kept: tuple[tuple[str, int], ...] = ()
    """Nodes and workers [count] that are kept for it."""
    defragment: bool = False
    """Whether others may be moved to other nodes for it."""

    @property
    def size(self) -> int:
        """Workers that want a place [count]."""
        return len(self.indices)

    def of(self, workers: int) -> "Gang":
        """It with its first workers only [count]."""
        return self if workers >= self.size else replace(self, indices=self.indices[:workers])
