"""Places pods one by one: the best option of the best node, the first of equals."""

from dataclasses import dataclass, field

import numpy as np

from quartermaster.decide.packing.fleet import Fleet, Floats, Integers, Placement, Room, TaskClasses
from quartermaster.decide.packing.options import options, tightest
from quartermaster.decide.packing.scorers import Scorer

UNFIT = -np.inf
"""The score of a node on which a class does not fit."""
REMEMBERED = 20_000
"""Rooms whose scores are kept [count]; all are forgotten when there are more."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The best option of each class in one room."""

    score: Floats
    """[C]; `UNFIT` where the class does not fit."""
    device: Integers
    """[C], as `Options.device`."""


@dataclass(frozen=True, slots=True)
class ScoreBook:
    """Verdicts by room: nodes are alike and states come back, so about half are looked up."""

    classes: TaskClasses
    scorer: Scorer
    _verdicts: dict[Room, Verdict] = field(default_factory=dict)

    def verdict(self, room: Room) -> Verdict:
        """The best option of each class; of equal ones the one on the fullest device."""
        known = self._verdicts.get(room)
        if known is None:
            if len(self._verdicts) >= REMEMBERED:
                self._verdicts.clear()
            known = self._verdicts[room] = self._judge(room)
        return known

    def _judge(self, room: Room) -> Verdict:
        ways = options(self.classes, room)
        score = np.full(len(self.classes), UNFIT)
        device = np.full(len(self.classes), -1)
        scores = self.scorer.score(room, ways)
        # The last write to an element stands: the best score, of equals the fullest device.
        order = np.lexsort((-ways.device, scores))
        score[ways.task_class[order]] = scores[order]
        device[ways.task_class[order]] = ways.device[order]
        return Verdict(score, device)


class Packer:
    """A fleet being filled. Owns its copy of the fleet."""

    def __init__(
        self, fleet: Fleet, book: ScoreBook, chance: np.random.Generator | None = None
    ) -> None:
        """Look at every node.

        Args:
            fleet: Nodes with what they have left, in the order that breaks ties.
            book: Task classes, and the scores of their options.
            chance: Draws among the best nodes where they are equal; None takes the first.
        """
        self.fleet = fleet.copy()
        self._book = book
        self._chance = chance
        self._scores = np.full((len(book.classes), len(fleet)), UNFIT)
        self._devices = np.full((len(book.classes), len(fleet)), -1)
        for node in range(len(fleet)):
            self._look(node)

    @property
    def scores(self) -> Floats:
        """[C, N], the score of each class on each node; not to be changed."""
        return self._scores

    def place(self, task_class: int) -> Placement | None:
        """Put a pod on the best node; None, and nothing changed, where it fits on none."""
        row = self._scores[task_class]
        if len(row) == 0:
            return None
        node = int(row.argmax())
        if row[node] == UNFIT:
            return None
        if self._chance is not None:
            node = int(self._chance.choice(np.flatnonzero(row == row[node])))
        placement = Placement(node, task_class, self._take_devices(node, task_class))
        self.fleet.take(placement, self._book.classes)
        self._look(node)
        return placement

    def remove(self, placement: Placement) -> None:
        """Take a pod away again: one that has ended, or was only tried."""
        self.fleet.give_back(placement, self._book.classes)
        self._look(placement.node)

    def _take_devices(self, node: int, task_class: int) -> tuple[int, ...]:
        classes = self._book.classes
        numbers = self.fleet.devices(node)
        place = int(self._devices[task_class, node])
        places = (
            (place,)
            if place >= 0
            else tightest(
                self.fleet.room(node), int(classes.gpus[task_class]), int(classes.milli[task_class])
            )
        )
        return tuple(int(numbers[place]) for place in places)

    def _look(self, node: int) -> None:
        verdict = self._book.verdict(self.fleet.room(node))
        self._scores[:, node] = verdict.score
        self._devices[:, node] = verdict.device
