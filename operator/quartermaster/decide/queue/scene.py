"""What a round of serving the queues is decided from, and what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from quartermaster.decide.fleet import Fleet
from quartermaster.decide.profile.hardware import NOTHING_KNOWN, Hardware
from quartermaster.decide.queue.moves import Move
from quartermaster.decide.queue.reserve import Reservation
from quartermaster.decide.queue.share import Past
from quartermaster.decide.queue.shrink import Shrink
from quartermaster.decide.queue.tree import Tree
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.decision import Decision
from quartermaster.domain.queue import Holding
from quartermaster.domain.workload import Gang

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a round is decided from."""

    snapshot: Snapshot
    """What is held now, by pods that are being stopped too."""
    waiting: Sequence[Gang]
    holdings: Sequence[Holding]
    tree: Tree
    past: Past = field(default_factory=dict)
    namespaces: Mapping[str, Labels] = field(default_factory=dict)
    """Labels of the namespaces of the waiting gangs."""
    hardware: Hardware = NOTHING_KNOWN
    """What is known of GPU models and machine types, for gangs whose steps are known."""
    victim_trials: int = 32
    """Placements that are tried to find whom to stop for one gang [count]."""
    fleet: Fleet | None = field(default=None, repr=False, compare=False)
    """The snapshot in arrays, with what earlier rounds have worked out; None: made anew."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one gang in this round."""

    gang: Gang
    decision: Decision
    stop: tuple[tuple[Holding, str], ...] = ()
    """Jobs to be stopped for it, each with what its user is to be told."""
    shrink: tuple[Shrink, ...] = ()
    """Elastic jobs that give it a part of what they have."""
    move: tuple[Move, ...] = ()
    """Jobs that go on elsewhere for it."""
    places: tuple[tuple[str, int], ...] = ()
    """Where it will be once they are gone: nodes and workers [count]."""
    reservation: Reservation | None = None
    """What is kept for it, if it is the first that has no room."""
    repeated: bool = False
    """Whether it is the answer to an earlier gang of the same shape."""
