"""One shape of gang on one estate: what was worked out for the last decision, for the next one."""

from collections.abc import Hashable
from dataclasses import fields, replace
from functools import partial

import numpy as np

from quartermaster.decide.fleet import Estate, Fleet
from quartermaster.decide.placement.explain import NO_RIVALS, Usable, ranked, rivals_of
from quartermaster.decide.placement.fit import LASTING, NodeRefusal
from quartermaster.decide.placement.kept.ground import UNUSABLE, Ground
from quartermaster.decide.placement.kept.standing import ByPrice, BySpeed, Outcome, Tidied
from quartermaster.decide.placement.kept.survey import Survey
from quartermaster.decide.placement.kept.tidy import least_broken
from quartermaster.decide.placement.rank import Weighed, best, one_of_each
from quartermaster.decide.profile.hardware import Hardware
from quartermaster.domain.workload import Gang

BOARDS = 6
"""Shapes of gangs that are remembered for one estate [count]."""
IRRELEVANT = frozenset(
    {
        "key",
        "uid",
        "created",
        "indices",
        "priority",
        "queue",
        "runtime_s",
        "least",
        "kept",
        "defragment",
    }
)
"""What of a gang no place depends on, but for the number of its workers."""
_RELEVANT = tuple(field.name for field in fields(Gang) if field.name not in IRRELEVANT)


class Board:
    """The candidates of one shape of gang, kept up to date with the fleet.

    Args:
        gang: One of this shape.
        estate: The nodes.
        hardware: What is known of GPU models and machine types.
        apart: Whether only nodes without GPUs are looked at.
    """

    def __init__(
        self, gang: Gang, estate: Estate, hardware: Hardware, *, apart: bool = False
    ) -> None:
        self._ground = ground = Ground(gang, estate, hardware, apart=apart)
        self._indifference = hardware.indifference
        self._standing: ByPrice | BySpeed = (
            BySpeed(hardware.indifference) if ground.fastest_first else ByPrice(gang)
        )
        looks = frozenset(range(len(ground.looks)))
        self._surveys = [Survey(ground, 0, looks, self._standing)]
        known = ground.known()
        if known and known != looks:
            # One unknown node makes a whole combination unknown, so there are those without it too.
            self._surveys.append(Survey(ground, 1, known, self._standing))

    def outcome(self, gang: Gang, fleet: Fleet) -> Outcome:
        """What is best for the gang in this fleet, and what else there is."""
        changed = self._ground.follow(fleet)
        for survey in self._surveys:
            survey.follow(changed)
        tidied = partial(self._tidied, fleet)
        if self._is_plain():
            return self._standing.outcome(gang, self._surveys[0].partly, tidied)
        return self._looked_through(gang, tidied)

    def _tidied(self, fleet: Fleet, chosen: Weighed) -> Weighed:
        return replace(chosen, candidate=least_broken(self._ground, fleet, chosen.candidate))

    def _is_plain(self) -> bool:
        """Whether the standing alone can tell: each name is one domain's, each cost is known."""
        unknown = isinstance(self._standing, BySpeed) and self._standing.unknown
        return not unknown and len(self._surveys) == 1 and self._surveys[0].names_differ

    def _looked_through(self, gang: Gang, tidied: Tidied) -> Outcome:
        weighed = [
            it
            for survey in self._surveys
            for cell in survey.cells()
            for it in cell.weighed or (survey.partly(cell),)
        ]
        fitting = [it for it in weighed if it.candidate.fits]
        chosen = best(fitting, self._indifference) if fitting else None
        others = one_of_each(weighed, chosen, self._indifference)
        chosen = tidied(chosen) if chosen else None
        rivals = rivals_of(chosen, others) if chosen else NO_RIVALS
        return Outcome(chosen, others, rivals, ranked(chosen, others, gang))

    @property
    def refused(self) -> dict[NodeRefusal, int]:
        """Nodes that the gang may not use, by reason [count]."""
        return self._ground.refused

    @property
    def sees_gpus(self) -> bool:
        """Whether some node that the gang may use has GPUs, or parts of them."""
        return self._ground.sees_gpus

    def usable(self, fleet: Fleet) -> Usable:
        """What of the cluster the gang may use, in the fleet of the last outcome."""
        looks = np.array(self._ground.look_of, np.int64)
        usable = looks != UNUSABLE
        return Usable(
            nodes=int(usable.sum()),
            free=int(self._ground.room[usable].sum()),
            whole=int(self._ground.whole[usable].sum()),
            spared=self._ground.spared(fleet),
        )

    def may_ever_fit(self) -> bool:
        """Whether waiting may help: a node may come back, or what runs now may end."""
        if any(reason not in LASTING for reason in self.refused):
            return True
        return self._ground.most_ever() >= self._ground.gang.size


def board_of(gang: Gang, estate: Estate, hardware: Hardware, *, apart: bool = False) -> Board:
    """The board of a gang's shape; the ones that were asked for last are remembered."""
    shape: Hashable = (gang.size, hardware, apart, *(getattr(gang, name) for name in _RELEVANT))
    board = estate.kept.pop(shape, None)
    if not isinstance(board, Board):
        board = Board(gang, estate, hardware, apart=apart)
    estate.kept[shape] = board
    while len(estate.kept) > BOARDS:
        del estate.kept[next(iter(estate.kept))]
    return board
