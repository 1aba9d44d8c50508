"""What one shape of gang finds in a fleet, node by node, before it is asked who goes together."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from quartermaster.decide.fleet import Estate, Fleet, Integers, times_within
from quartermaster.decide.placement import spare
from quartermaster.decide.placement.candidates import Candidate, Domain, Seats
from quartermaster.decide.placement.fit import Slot, fits, refused
from quartermaster.decide.placement.forecast import (
    Forecast,
    Lie,
    cost,
    fastest_first,
    forecast,
    is_known,
    other_cost,
)
from quartermaster.decide.placement.kinds import Kind
from quartermaster.decide.placement.rank import UNKNOWN, Weighed
from quartermaster.decide.profile.hardware import Hardware
from quartermaster.decide.profile.network import Crossing, crossing
from quartermaster.domain.cluster import Node, Pool
from quartermaster.domain.resources import NOTHING
from quartermaster.domain.workload import Gang, TopologyMode

UNUSABLE = -1
"""The look of a node that the gang may not use."""


@dataclass(frozen=True, slots=True)
class Look:
    """All that tells a node from another one in a choice, but its name and its room."""

    node: Node
    """One that looks so."""
    pool: Pool
    whole: int
    """Workers that fit on an empty one [count]."""
    rate: Fraction | None
    """Price of one worker [USD/h]; None where it is unknown."""
    steps: int | None
    """The same in whole steps [USD/h / `STEPS_PER_USD`]."""

    @property
    def price(self) -> tuple[bool, int]:
        """Sorts the cheap before the dear, and these before the unknown."""
        return self.steps is None, self.steps or 0


class Ground:
    """The nodes as a gang sees them; what of it changes is how many workers each has room for.

    Args:
        gang: Who wants a place.
        estate: The nodes.
        hardware: What is known of GPU models and machine types.
        apart: Whether it is to see only nodes without GPUs.
    """

    def __init__(
        self, gang: Gang, estate: Estate, hardware: Hardware, *, apart: bool = False
    ) -> None:
        self.gang = gang
        self.estate = estate
        self._hardware = hardware
        self._apart = apart
        self._fits = fits(gang, estate)
        self.refused = refused(self._fits, estate)
        self._held = {estate.position[name] for name in gang.held if name in estate.position}
        self._elsewhere = len(set(gang.held))
        self.anchors = [estate.nodes[index].labels for index in sorted(self._held)]
        """Labels of the nodes that hold the gang's other workers, which may be full, or closed to
        new ones: where they are, the rest has to go."""
        self.looks: list[Look] = []
        self.look_of = self._looks()
        """[N], index into `looks`, or `UNUSABLE`."""
        self.whole: Integers = np.array([one.whole for one in self._fits], np.int64)[
            estate.class_of
        ]
        """[N], workers that fit if nothing else ran [count]; 0 on what is not to be used."""
        self.used: Integers = np.zeros((0, 0), np.int64)
        self.free: list[int] = []
        """[N], workers that fit now [count]."""
        self.room: Integers = np.zeros(0, np.int64)
        """The same as an array."""
        self._needs = NOTHING
        """What a free GPU was kept usable with."""
        self._spares = not gang.per_worker.devices and bool(estate.devices.any())
        models = {look.node.accelerator for look in self.looks}
        profile = gang.profile
        self.fastest_first = [] if profile is None else fastest_first(profile, models, hardware)
        """The GPU models whose speed is known; speed is not weighed where there is none."""
        self._slots: dict[int, Slot] = {}
        self._linked = frozenset(index for index, look in enumerate(self.looks) if look.pool.links)
        """Looks of nodes in pools that say how their levels are joined."""
        self._forecasts: dict[
            tuple[frozenset[int], int, int, Crossing | None], Forecast | None
        ] = {}
        """By looks, the most workers on a node, nodes, and the link between them; that one is None
        where no level has links, so that it follows from the looks."""

    @property
    def sees_gpus(self) -> bool:
        """Whether some node that the gang may use has GPUs, or parts of them."""
        pairs = zip(self._fits, self.estate.classes, strict=True)
        return any(fit.refusal is None and it.node.allocatable.devices for fit, it in pairs)

    def _looks(self) -> list[int]:
        numbers: dict[Hashable, int] = {}
        by_class: dict[tuple[int, bool], int] = {}
        found: list[int] = []
        for index, number in enumerate(self.estate.class_of.tolist()):
            sort = number, index in self._held
            if sort not in by_class:
                by_class[sort] = self._look(*sort, numbers)
            found.append(by_class[sort])
        return found

    def _look(self, number: int, held: bool, numbers: dict[Hashable, int]) -> int:  # noqa: FBT001
        fit, each = self._fits[number], self.estate.classes[number]
        if fit.refusal is not None or (self._apart and each.node.allocatable.devices):
            return UNUSABLE
        node, pool = each.node, each.pool
        traits = node.accelerator, node.capacity, node.instance_type, pool.name
        look = numbers.setdefault((*traits, fit.steps, fit.whole, held), len(numbers))
        if look == len(self.looks):
            self.looks.append(Look(node, pool, fit.whole, fit.rate, fit.steps))
        return look

    def known(self) -> frozenset[int]:
        """Looks of nodes with nothing unknown about them."""
        return frozenset(
            index
            for index, look in enumerate(self.looks)
            if is_known(look.node, look.pool, self.fastest_first, self._hardware)
        )

    def levels(self, looks: Iterable[int]) -> list[str]:
        """The levels of the pools of some looks, the widest first.

        Args:
            looks: In the order of the first node of each.
        """
        if self.gang.topology_level is not None:
            return [self.gang.topology_level]
        seen: dict[str, None] = {}
        for look in looks:
            for level in self.looks[look].pool.topology_levels:
                seen.setdefault(level)
        return list(seen)

    def most_ever(self) -> int:
        """Workers that would fit together if nothing else ran [count]."""
        gang, most = self.gang, 0
        if gang.topology is not TopologyMode.REQUIRED:
            most = int(self.whole.sum())
        if gang.topology is not TopologyMode.UNCONSTRAINED:
            for label in self.levels(dict.fromkeys(it for it in self.look_of if it != UNUSABLE)):
                domain_of = self.estate.level(label).domain_of
                there = self.within_reach(label) >= 0
                sums = np.bincount(domain_of[there], self.whole[there])
                most = max(most, int(sums.max(initial=0)))
        return most

    def within_reach(self, label: str) -> Integers:
        """[N], the domain of each node on a level; -1 where there is none that the gang may use."""
        level = self.estate.level(label)
        if not self.anchors:
            return level.domain_of
        there = {labels.get(label) for labels in self.anchors}
        will_do = np.array([value in there for value in level.values] + [False])
        return np.where(will_do[level.domain_of], level.domain_of, -1)

    def follow(self, fleet: Fleet) -> list[tuple[int, int]] | None:
        """Take in what is held in a fleet of this estate.

        Returns:
            Nodes whose room has changed, with the room they had; None where all is new.
        """
        other_needs = self._spares and self._needs != fleet.gpu_needs
        if self.used.shape != fleet.used.shape or other_needs:
            room = self._room(fleet, np.arange(len(self.estate.nodes)))
            self.used, self.free, self._needs = fleet.used, room.tolist(), fleet.gpu_needs
            self.room = room
            self._slots.clear()
            return None
        if self.used is fleet.used:
            return []
        touched = np.flatnonzero((self.used != fleet.used).any(axis=0))
        rooms = self._room(fleet, touched)
        self.room[touched] = rooms
        changed = []
        for node, room in zip(touched.tolist(), rooms.tolist(), strict=True):
            if room != self.free[node] and self.look_of[node] != UNUSABLE:
                changed.append((node, self.free[node]))
                self._slots.pop(node, None)
            self.free[node] = room
        self.used = fleet.used
        return changed

    def _room(self, fleet: Fleet, nodes: Integers) -> Integers:
        """Workers that fit now on some nodes [count]."""
        estate, each = self.estate, self.gang.per_worker
        left = estate.allocatable[:, nodes] - fleet.used[:, nodes]
        if self._spares:
            left = spare.left(estate, left, nodes, fleet.gpu_needs)
        return times_within(each, left, estate.parts)

    def spared(self, fleet: Fleet) -> int:
        """Nodes on which free GPUs need what is free beside them, so that nothing fits [count]."""
        if not self._spares:
            return 0
        room = times_within(self.gang.per_worker, fleet.free, self.estate.parts)
        usable = np.array(self.look_of, np.int64) != UNUSABLE
        return int(((self.room == 0) & (room > 0) & usable).sum())

    def like(self, index: int, level: str) -> Integers:
        """Positions of the nodes with room that nothing which a decision weighs tells from one.

        Args:
            index: The position of that one.
            level: A label that they have to have; empty for none.
        """
        classes, numbers = self.estate.classes, self.estate.class_of
        own = self._traits(int(numbers[index]))
        alike = np.array([self._traits(number) == own for number in range(len(classes))])
        found = alike[numbers] & (self.room > 0)
        if level:
            found &= self.estate.level(level).domain_of >= 0
        return np.flatnonzero(found)

    def _traits(self, number: int) -> tuple[Hashable, ...]:
        fit, each = self._fits[number], self.estate.classes[number]
        node = each.node
        return (
            fit.refusal,
            node.accelerator,
            bool(node.allocatable.devices),
            node.capacity,
            node.instance_type,
            each.pool.name,
            fit.steps,
        )

    def slot(self, index: int) -> Slot:
        """The node at a position."""
        slot = self._slots.get(index)
        if slot is None:
            look = self.looks[self.look_of[index]]
            node, free = self.estate.nodes[index], self.free[index]
            pool = self.estate.classes[int(self.estate.class_of[index])].pool
            slot = Slot(node, pool, free, look.whole, look.rate, look.steps)
            self._slots[index] = slot
        return slot

    def candidate(self, kind: Kind, domain: Domain, breadth: int, seats: Seats) -> Candidate:
        """These places of a kind in a domain."""
        looks, look_of, free = self.looks, self.look_of, self.free
        steps: int | None = 0
        placed = untouched = 0
        for node, count in seats:
            look = looks[look_of[node]]
            placed += count
            untouched += free[node] == look.whole
            if look.steps is None or steps is None:
                steps = None
            else:
                steps += look.steps * count
        size = self.gang.size
        return Candidate(kind, domain, breadth, seats, size, placed, steps, untouched, self.slot)

    def weigh(self, candidate: Candidate, looks: frozenset[int]) -> Weighed:
        """Predict a candidate; `looks` are those of its nodes."""
        if not self.fastest_first or not candidate.fits:
            return Weighed(candidate, None, None, UNKNOWN)
        seats = candidate.seats
        here = sum(node in self._held for node, _ in seats) if self._held else 0
        # What lies between nodes depends on which nodes they are only where a level has links.
        link = None if self._linked.isdisjoint(looks) else self._crossing(seats)
        lie = looks, max(count for _, count in seats), len(seats) + self._elsewhere - here, link
        if lie not in self._forecasts:
            told = forecast(self.gang, self._lie(*lie, seats), self._hardware)
            self._forecasts[lie] = told
        told, objective = self._forecasts[lie], self.gang.objective
        if told is None or not told.fits_memory:
            return Weighed(candidate, told, None, UNKNOWN)
        steps = candidate.steps
        second = other_cost(told, steps, objective)
        return Weighed(candidate, told, cost(told, steps, objective), second)

    def _crossing(self, seats: Seats) -> Crossing:
        looks, nodes = self.looks, self.estate.nodes
        ends = [(nodes[node], looks[self.look_of[node]].pool) for node, _ in seats]
        return crossing(ends, self._hardware.instance, self.anchors)

    def _lie(
        self,
        looks: frozenset[int],
        per_node: int,
        nodes: int,
        link: Crossing | None,
        seats: Seats,
    ) -> Lie:
        some = [self.looks[look].node for look in looks]
        return Lie(
            models=frozenset(node.accelerator for node in some),
            types=frozenset(node.instance_type for node in some),
            per_node=per_node,
            nodes=nodes,
            link=link or self._crossing(seats),
        )
