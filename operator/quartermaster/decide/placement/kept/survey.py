"""Every kind in every domain, kept up to date as places are given away and given back.

A place that changes touches its rack, its zone and what else holds it, and of these only the kinds
that cover its node: the rest stays as it was worked out before.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from quartermaster.decide.placement.candidates import Domain, Seats
from quartermaster.decide.placement.kept.ground import UNUSABLE, Ground
from quartermaster.decide.placement.kept.pack import Nodes, Packings, Row, pack
from quartermaster.decide.placement.kinds import Kind, finer_kinds, kinds, narrowed
from quartermaster.decide.placement.rank import Weighed
from quartermaster.domain.workload import TopologyMode

ALIKE = 6
"""Domains that differ by names alone and are weighed [count]: one to take, and five to tell of."""

Order = tuple[int, int, int, tuple[object, ...]]
"""Where a cell comes: survey, breadth, domain, kind."""
Look = int
Sort = tuple[Look, int]
"""Nodes that a choice cannot tell apart but by their names: look, and room [count]."""
Signature = frozenset[tuple[Sort, int]]
"""How many nodes of each sort a domain has: all of it but names."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The kinds among nodes of some looks, in their order."""

    kinds: Mapping[Kind, frozenset[Look]]
    """Each with the looks that it covers, those of which no node has room among them."""
    typed: frozenset[object]
    """GPU models and capacity types with more than one machine type."""
    narrowed: dict[tuple[Kind, frozenset[Look]], Kind] = field(default_factory=dict)
    """What a kind is called where only nodes of some of its looks are taken."""


@dataclass(slots=True, eq=False)
class Cell:
    """One kind in one domain."""

    order: Order
    kind: Kind
    site: "Site"
    room: int
    """Workers that fit now [count], at least: not counted on where they all fit."""
    weighed: tuple[Weighed, ...]
    """What there is to choose from; empty where the gang does not fit."""


@dataclass(slots=True, eq=False)
class Site:
    """One domain."""

    domain: Domain
    breadth: int
    """0 for the narrowest level, more for wider ones."""
    number: int
    """Where it comes among those of its level, by value."""
    rows: dict[Sort, Nodes] = field(default_factory=dict)
    """Nodes with room, by name."""
    signature: Signature = frozenset()
    cells: dict[Kind, Cell] = field(default_factory=dict)
    """Empty where enough others are alike."""
    plan: Plan | None = None
    shown: bool = False
    dirty: set[Look] | None = field(default_factory=set)
    """Looks whose rows have changed; None for all of them."""


class Standing(Protocol):
    """Who keeps the cells in some order."""

    def enter(self, cell: Cell) -> None:
        """Take in a cell."""
        ...

    def leave(self, cell: Cell) -> None:
        """Forget a cell."""
        ...


class Survey:
    """The domains over the nodes of some looks, and their cells."""

    def __init__(
        self, ground: Ground, number: int, looks: frozenset[Look], standing: Standing
    ) -> None:
        self._ground = ground
        self._number = number
        self._looks = looks
        self._standing = standing
        self._levels: list[str] | None = None
        """The narrowest first."""
        self.names_differ = True
        """Whether no two domains have one name."""
        self._look_of = np.array(
            [look if look in looks else UNUSABLE for look in ground.look_of], np.int64
        )
        self._domains: list[list[int]] = []
        """For each level and node the domain; -1 where there is none that will do."""
        self._sites: dict[tuple[int, int], Site] = {}
        self._dirty: dict[tuple[int, int], Site] = {}
        self._alike: dict[tuple[int, Signature], list[int]] = {}
        self._plans: dict[frozenset[Look], Plan] = {}
        self._prices: dict[tuple[bool, int], int] = {}
        self._counts = [0] * len(ground.looks)
        self._packings = Packings(ground.gang.size, many=bool(ground.fastest_first))

    def cells(self) -> list[Cell]:
        """All cells, in their order."""
        found = [cell for site in self._sites.values() for cell in site.cells.values()]
        return sorted(found, key=lambda cell: cell.order)

    def follow(self, changed: list[tuple[int, int]] | None) -> None:
        """Take in that nodes have another room than they had; None is all of them."""
        levels = self._levels_now()
        if changed is None or levels != self._levels:
            self._begin(levels)
        else:
            for node, before in changed:
                if self._look_of[node] != UNUSABLE:
                    self._move(node, before, self._ground.free[node])
        self._settle()

    def _levels_now(self) -> list[str]:
        """The levels of the pools that have room, the narrowest first."""
        paths = {self._ground.looks[look].pool.topology_levels for look in self._looks}
        if len(paths) == 1 and self._levels:
            return self._levels
        room = (np.array(self._ground.free) > 0) & (self._look_of != UNUSABLE)
        present, first = np.unique(self._look_of[room], return_index=True)
        return self._ground.levels(present[np.argsort(first)].tolist())[::-1]

    def _begin(self, levels: list[str]) -> None:
        for site in self._sites.values():
            self._hide(site)
        self._levels = levels
        self.names_differ = self._names_differ(levels)
        self._sites, self._dirty, self._alike = {}, {}, {}
        self._counts = [0] * len(self._ground.looks)
        self._domains = []
        gang, estate = self._ground.gang, self._ground.estate
        if gang.topology is not TopologyMode.UNCONSTRAINED:
            self._domains = [self._ground.within_reach(label).tolist() for label in levels]
        else:
            self._domains = [[-1] * len(estate.nodes) for _ in levels]
        whole = 0 if gang.topology is not TopologyMode.REQUIRED else -1
        self._domains.append([whole] * len(estate.nodes))
        for node, look in enumerate(self._look_of.tolist()):
            if look != UNUSABLE and self._ground.free[node]:
                self._move(node, 0, self._ground.free[node])

    def _move(self, node: int, before: int, after: int) -> None:
        look = self._ground.look_of[node]
        self._counts[look] += (after > 0) - (before > 0)
        for breadth, domains in enumerate(self._domains):
            if domains[node] < 0:
                continue
            place = breadth, domains[node]
            site = self._sites.get(place) or self._open(place)
            self._dirty[place] = site
            if site.dirty is not None:
                site.dirty.add(look)
            if before > 0:
                row = site.rows[look, before]
                del row[bisect_left(row, node)]
                if not row:
                    del site.rows[look, before]
            if after > 0:
                insort(site.rows.setdefault((look, after), []), node)

    def _names_differ(self, levels: list[str]) -> bool:
        values = [value for label in levels for value in self._ground.estate.level(label).values]
        return "" not in values and len(set(values)) == len(values)

    def _open(self, place: tuple[int, int]) -> Site:
        breadth, number = place
        levels = self._levels or []
        domain = Domain()
        if breadth < len(levels):
            level = self._ground.estate.level(levels[breadth])
            domain = Domain(levels[breadth], level.values[number])
        self._sites[place] = Site(domain, breadth, number)
        return self._sites[place]

    def _settle(self) -> None:
        """Show what has to be shown of what has changed, as it is now."""
        self._price()
        affected = {sort for site in self._dirty.values() for sort in self._sign(site)}
        places = dict.fromkeys(self._dirty)
        for sort in affected:
            # One that has left lets the next one in, one that has come puts the last one out.
            some = self._alike.get(sort, [])[: ALIKE + len(self._dirty)]
            places.update(dict.fromkeys((sort[0], number) for number in some))
        for place in places:
            self._show(self._sites[place])
        self._dirty = {}

    def _sign(self, site: Site) -> list[tuple[int, Signature]]:
        """Put a domain among those that are like it now; the sorts that it has left and joined."""
        signature = frozenset((sort, len(nodes)) for sort, nodes in site.rows.items())
        left, joined = (site.breadth, site.signature), (site.breadth, signature)
        if left == joined:
            return []
        if site.signature:
            self._alike[left].remove(site.number)
            if not self._alike[left]:
                del self._alike[left]
        if signature:
            insort(self._alike.setdefault(joined, []), site.number)
        site.signature = signature
        return [left, joined]

    def _price(self) -> None:
        """Number the prices; where the numbers change, what is weighed by speed is worked out anew.

        How much cheaper a node is counts in prices between, see `pack.shapes`.
        """
        looks = self._ground.looks
        there = {looks[look].price for look, count in enumerate(self._counts) if count}
        prices = {price: number for number, price in enumerate(sorted(there))}
        if prices == self._prices:
            return
        self._prices = prices
        for place, site in self._sites.items():
            if self._ground.fastest_first:
                site.dirty = None
                self._dirty[place] = site

    def _show(self, site: Site) -> None:
        alike = self._alike.get((site.breadth, site.signature), [])
        if not site.signature or site.number not in alike[:ALIKE]:
            self._hide(site)
        elif not site.shown or site.dirty is None or site.dirty:
            self._refresh(site)

    def _hide(self, site: Site) -> None:
        for cell in site.cells.values():
            self._standing.leave(cell)
        site.cells, site.shown, site.plan, site.dirty = {}, False, None, set()

    def _refresh(self, site: Site) -> None:
        plan = self._plan(frozenset(look for look, _ in site.rows))
        dirty = site.dirty
        if not site.shown or (plan is not site.plan and self._ground.fastest_first):
            dirty = None
        for kind in [kind for kind in site.cells if kind not in plan.kinds]:
            self._standing.leave(site.cells.pop(kind))
        for kind, looks in plan.kinds.items():
            if kind in site.cells:
                if dirty is not None and looks.isdisjoint(dirty):
                    continue
                self._standing.leave(site.cells.pop(kind))
            site.cells[kind] = cell = self._cell(site, kind, plan)
            self._standing.enter(cell)
        site.plan, site.shown, site.dirty = plan, True, set()

    def _plan(self, present: frozenset[Look]) -> Plan:
        plan = self._plans.get(present)
        if plan is None:
            nodes = [self._ground.looks[look].node for look in sorted(present)]
            fastest = self._ground.fastest_first
            finer = finer_kinds(nodes, fastest) if fastest else []
            covered = {
                kind: frozenset(
                    look for look in self._looks if kind.covers(self._ground.looks[look].node)
                )
                for kind in kinds(nodes) + finer
            }
            typed = frozenset(
                (kind.accelerator, kind.capacity) for kind in finer if kind.instance_type
            )
            plan = self._plans[present] = Plan(covered, typed)
        return plan

    def _cell(self, site: Site, kind: Kind, plan: Plan) -> Cell:
        rows = self._rows(site, plan.kinds[kind])
        order = self._number, site.breadth, site.number, self._kind_order(kind)
        room = sum(row.free * len(row.nodes) for row in rows)
        cell = Cell(order, kind, site, room, ())
        if room >= self._ground.gang.size:
            cell.weighed = tuple(
                self._weighed(cell, plan, seats) for seats in self._packings.of(rows)
            )
        return cell

    def partly(self, cell: Cell) -> Weighed:
        """What there is in a cell that has no room for the whole gang."""
        plan = cell.site.plan
        if plan is None:
            raise ValueError("a cell of a domain that is not shown")
        rows = self._rows(cell.site, plan.kinds[cell.kind])
        return self._weighed(cell, plan, pack(rows, self._ground.gang.size))

    def _rows(self, site: Site, looks: frozenset[Look]) -> list[Row]:
        kept = self._ground.looks
        return [
            Row(self._prices[kept[look].price], free, free == kept[look].whole, nodes)
            for (look, free), nodes in site.rows.items()
            if look in looks
        ]

    def _weighed(self, cell: Cell, plan: Plan, seats: Seats) -> Weighed:
        ground, kind, site = self._ground, cell.kind, cell.site
        looks = frozenset([ground.look_of[node] for node, _ in seats])
        if ground.fastest_first:
            kind = plan.narrowed.get((kind, looks)) or self._narrowed(kind, looks, plan)
        return ground.weigh(ground.candidate(kind, site.domain, site.breadth, seats), looks)

    def _narrowed(self, kind: Kind, looks: frozenset[Look], plan: Plan) -> Kind:
        nodes = [self._ground.looks[look].node for look in looks]
        plan.narrowed[kind, looks] = found = narrowed(kind, nodes, plan.typed)
        return found

    def _kind_order(self, kind: Kind) -> tuple[object, ...]:
        fastest = self._ground.fastest_first
        if kind.among:
            return (4, len(kind.among), tuple(fastest.index(model) for model in kind.among))
        sort = 3 if kind.instance_type is not None else int(kind.mixture)
        return (sort, kind.accelerator or "", kind.capacity or "", kind.instance_type or "")
