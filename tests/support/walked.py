"""The oracle of placement: every node is looked at for every combination, and nothing is kept.

Slow and plain. What is to be weighed, in what order and how it is packed is worked out here a
second time, node by node; which of it is taken and what is said of it is the code that is tested.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, islice

from quartermaster.decide.cost import rates
from quartermaster.decide.placement import explain, spare
from quartermaster.decide.placement.candidates import Candidate, Domain
from quartermaster.decide.placement.fit import NodeRefusal, Slot, refusal
from quartermaster.decide.placement.forecast import (
    Lie,
    cost,
    fastest_first,
    forecast,
    is_known,
    other_cost,
)
from quartermaster.decide.placement.kept.survey import ALIKE
from quartermaster.decide.placement.kinds import Kind, finer_kinds, kinds, narrowed
from quartermaster.decide.placement.rank import UNKNOWN, Weighed, best, one_of_each
from quartermaster.decide.placement.tidy import harm
from quartermaster.decide.profile.hardware import NOTHING_KNOWN, Hardware
from quartermaster.decide.profile.network import crossing
from quartermaster.domain.cluster import Node, Snapshot
from quartermaster.domain.decision import RejectedCandidate
from quartermaster.domain.resources import Resources
from quartermaster.domain.workload import Gang, TopologyMode

Places = tuple[tuple[Slot, int], ...]
Prices = Mapping[str, int]
Answer = tuple[list[tuple[str, int]], str, tuple[RejectedCandidate, ...]]
"""Nodes and how many workers each takes, why, and what was not taken; without nodes,
why it waits."""


def slots(gang: Gang, snapshot: Snapshot) -> tuple[list[Slot], dict[NodeRefusal, int]]:
    """The nodes that the gang may use, by name, and how many are refused by reason."""
    usable: list[Slot] = []
    refused: Counter[NodeRefusal] = Counter()
    for node in sorted(snapshot.nodes, key=lambda node: node.name):
        pool = snapshot.pool_of(node)
        reason = refusal(node, pool, gang)
        if reason is not None:
            refused[reason] += 1
            continue
        need, rate = gang.per_worker, rates.worker_rate(node, pool, gang.per_worker)
        free = need.times_within(room(node, need, snapshot.gpu_needs))
        whole = need.times_within(node.allocatable)
        steps = None if rate is None else int(rate * rates.STEPS_PER_USD)
        usable.append(Slot(node, pool, free, whole, rate, steps))
    return usable, dict(refused)


def room(node: Node, each: Resources, needs: Resources) -> Resources:
    """What is free on a node: beside free GPUs, what work without GPUs may have of it."""
    devices, free = node.allocatable.devices, node.free
    idle = 0 if each.devices else spare.idle_devices(free)
    if not idle or not devices:
        return free
    even = node.allocatable - node.daemons
    return free - Resources(
        cpu_m=idle * max(0, min(needs.cpu_m, even.cpu_m // devices)),
        memory=idle * max(0, min(needs.memory, even.memory // devices)),
    )


def message(gang: Gang, snapshot: Snapshot) -> str:
    """Why a gang that has no place waits."""
    usable, refused = slots(gang, snapshot)
    need = gang.per_worker
    seen = explain.Usable(
        nodes=len(usable),
        free=sum(slot.free for slot in usable),
        whole=sum(slot.whole for slot in usable),
        spared=sum(not s.free and need.times_within(s.node.free) > 0 for s in usable),
    )
    in_order = {reason: refused[reason] for reason in NodeRefusal if reason in refused}
    return explain.why_waiting(gang, seen, in_order)


def answer(gang: Gang, snapshot: Snapshot, hardware: Hardware = NOTHING_KNOWN) -> Answer:
    """What becomes of a gang whose pools all exist."""
    by_name = sorted(snapshot.nodes, key=lambda node: node.name)
    usable, _ = slots(gang, snapshot)
    plain = [slot for slot in usable if not slot.node.allocatable.devices]
    apart = not gang.per_worker.devices and len(plain) < len(usable)
    weighed = all_weighed(gang, by_name, plain, hardware) if apart else []
    apart = any(it.candidate.fits for it in weighed)
    weighed = weighed if apart else all_weighed(gang, by_name, usable, hardware)
    fitting = [it for it in weighed if it.candidate.fits]
    chosen = best(fitting, hardware.indifference) if fitting else None
    others = one_of_each(weighed, chosen, hardware.indifference)
    if chosen is None:
        return (
            [],
            message(gang, snapshot),
            explain.rejected(None, explain.ranked(None, others, gang)),
        )
    chosen = replace(chosen, candidate=least_broken(gang, chosen.candidate, usable, by_name))
    told = explain.rejected(chosen, explain.ranked(chosen, others, gang))
    reason = explain.why_chosen(chosen, others, explain.rivals_of(chosen, others), gang)
    taken = sorted((slot.node.name, count) for slot, count in chosen.candidate.places)
    return taken, f"{reason}; {spare.LEFT}" if apart else reason, told


def all_weighed(
    gang: Gang, by_name: Sequence[Node], usable: Sequence[Slot], hardware: Hardware
) -> list[Weighed]:
    anchors = [node.labels for node in by_name if node.name in gang.held]
    found = candidates(gang, by_name, usable, hardware)
    return [weigh(gang, it, hardware, anchors) for it in found]


def least_broken(
    gang: Gang, chosen: Candidate, usable: Sequence[Slot], by_name: Sequence[Node]
) -> Candidate:
    """A single worker goes, of the nodes like its own, where it breaks the least."""
    if gang.size != 1 or gang.held:
        return chosen
    own, level = chosen.places[0][0], chosen.domain.level

    def traits(slot: Slot) -> tuple[object, ...]:
        node = slot.node
        devices = bool(node.allocatable.devices)
        sold = node.capacity, node.instance_type, slot.pool.name, slot.rate
        return (node.accelerator, devices, *sold, not level or level in node.labels)

    alike = [slot for slot in usable if slot.free > 0 and traits(slot) == traits(own)]
    least = min(alike, key=lambda s: (harm(s.node, gang.per_worker), s.free, s.node.name))
    index = next(i for i, node in enumerate(by_name) if node.name == least.node.name)
    return replace(
        chosen,
        seats=((index, 1),),
        domain=Domain(level, least.node.labels[level]) if level else chosen.domain,
        untouched=int(least.free == least.whole),
        slot={index: least}.__getitem__,
    )


def candidates(
    gang: Gang, by_name: Sequence[Node], usable: Sequence[Slot], hardware: Hardware
) -> list[Candidate]:
    anchors = [node.labels for node in by_name if node.name in gang.held]
    position = {node.name: index for index, node in enumerate(by_name)}
    at = {position[slot.node.name]: slot for slot in usable}
    models = {slot.node.accelerator for slot in usable}
    fastest = [] if gang.profile is None else fastest_first(gang.profile, models, hardware)
    known = [slot for slot in usable if is_known(slot.node, slot.pool, fastest, hardware)]
    passes = [usable, known] if 0 < len(known) < len(usable) else [usable]
    return [
        Candidate(
            kind,
            domain,
            breadth,
            seats=tuple((position[slot.node.name], count) for slot, count in places),
            wanted=gang.size,
            placed=sum(count for _, count in places),
            steps=steps_of(places),
            untouched=sum(slot.free == slot.whole for slot, _ in places),
            slot=at.__getitem__,
        )
        for some in passes
        for kind, domain, breadth, places in combinations(gang, some, anchors, fastest)
    ]


def steps_of(places: Places) -> int | None:
    steps = [None if slot.steps is None else slot.steps * count for slot, count in places]
    known = [it for it in steps if it is not None]
    return sum(known) if len(known) == len(steps) else None


def weigh(
    gang: Gang, candidate: Candidate, hardware: Hardware, anchors: Sequence[Mapping[str, str]]
) -> Weighed:
    places = candidate.places
    if not candidate.fits:
        return Weighed(candidate, None, None, UNKNOWN)
    lie = Lie(
        models=frozenset(slot.node.accelerator for slot, _ in places),
        types=frozenset(slot.node.instance_type for slot, _ in places),
        per_node=max(count for _, count in places),
        nodes=len({slot.node.name for slot, _ in places} | set(gang.held)),
        link=crossing([(s.node, s.pool) for s, _ in places], hardware.instance, anchors),
    )
    told = forecast(gang, lie, hardware)
    if told is None or not told.fits_memory:
        return Weighed(candidate, told, None, UNKNOWN)
    second = other_cost(told, candidate.steps, gang.objective)
    return Weighed(candidate, told, cost(told, candidate.steps, gang.objective), second)


def combinations(
    gang: Gang, usable: Sequence[Slot], anchors: Sequence[Mapping[str, str]], fastest: list[str]
) -> Iterator[tuple[Kind, Domain, int, Places]]:
    free = [slot for slot in usable if slot.free > 0]
    prices = prices_of(free)
    for domain, breadth, inside in distinct(domains(gang, free, anchors), gang, prices):
        nodes = [slot.node for slot in inside]
        finer = finer_kinds(nodes, fastest) if fastest else []
        typed = {(kind.accelerator, kind.capacity) for kind in finer if kind.instance_type}
        for kind in kinds(nodes) + finer:
            members = [slot for slot in inside if kind.covers(slot.node)]
            found = [pack(members, gang.size, prices)]
            if fastest:
                found += shapes(members, gang.size, prices)
            for places in {tuple((s.node.name, n) for s, n in p): p for p in found}.values():
                own = [slot.node for slot, _ in places]
                yield (narrowed(kind, own, typed) if fastest else kind), domain, breadth, places


def distinct(
    found: Iterable[tuple[Domain, int, list[Slot]]], gang: Gang, prices: Prices
) -> Iterator[tuple[Domain, int, list[Slot]]]:
    seen: Counter[object] = Counter()
    for domain, breadth, inside in found:
        looks = Counter(
            (
                slot.node.accelerator,
                slot.node.capacity,
                slot.node.instance_type,
                slot.pool.name,
                prices[slot.node.name],
                slot.free,
                slot.whole,
                slot.node.name in gang.held,
            )
            for slot in inside
        )
        signature = breadth, frozenset(looks.items())
        seen[signature] += 1
        if seen[signature] <= ALIKE:
            yield domain, breadth, inside


def domains(
    gang: Gang, by_name: Sequence[Slot], anchors: Sequence[Mapping[str, str]]
) -> Iterator[tuple[Domain, int, list[Slot]]]:
    levels = [gang.topology_level] if gang.topology_level else []
    if not levels:
        told = [level for slot in by_name for level in slot.pool.topology_levels]
        levels = list(reversed(dict.fromkeys(told)))
    if gang.topology is not TopologyMode.UNCONSTRAINED:
        for breadth, level in enumerate(levels):
            for value in sorted({s.node.labels[level] for s in by_name if level in s.node.labels}):
                if not anchors or any(labels.get(level) == value for labels in anchors):
                    inside = [slot for slot in by_name if slot.node.labels.get(level) == value]
                    yield Domain(level, value), breadth, inside
    if gang.topology is not TopologyMode.REQUIRED:
        yield Domain(), len(levels), list(by_name)


def prices_of(free: Iterable[Slot]) -> Prices:
    by_price = sorted(free, key=lambda slot: (slot.rate is None, slot.rate or 0))
    groups = groupby(by_price, key=lambda slot: slot.rate)
    return {slot.node.name: number for number, (_, group) in enumerate(groups) for slot in group}


def shapes(members: Sequence[Slot], wanted: int, prices: Prices) -> Iterator[Places]:
    if sum(slot.free for slot in members) < wanted:
        return
    yield pack(members, wanted, prices, broken_first=True)
    one_price = len({prices[slot.node.name] for slot in members}) == 1
    for most in range(min(wanted, max(slot.free for slot in members)), 0, -1):
        if sum(min(slot.free, most) for slot in members) >= wanted:
            yield pack(members, wanted, prices, most=most)
            if not one_price:
                yield pack_densely(members, wanted, prices, most)


def pack(
    members: Iterable[Slot],
    wanted: int,
    prices: Prices,
    *,
    most: int | None = None,
    broken_first: bool = False,
) -> Places:
    def alike(slot: Slot) -> tuple[int, bool]:
        return prices[slot.node.name], broken_first and slot.free == slot.whole

    places: list[tuple[Slot, int]] = []
    by_price = sorted(members, key=lambda slot: (*alike(slot), -slot.free, slot.node.name))
    for _, group in groupby(by_price, key=alike):
        if wanted == 0:
            break
        taken = fill(list(group), wanted, most or wanted)
        wanted -= sum(count for _, count in taken)
        places.extend(taken)
    return tuple(places)


def pack_densely(members: Iterable[Slot], wanted: int, prices: Prices, most: int) -> Places:
    def room(slot: Slot) -> int:
        return min(slot.free, most)

    def sort(slot: Slot) -> tuple[int, int]:
        return -room(slot), prices[slot.node.name]

    by_room = sorted(members, key=lambda slot: (*sort(slot), slot.node.name))
    count, held = 0, 0
    while held < wanted:
        held += room(by_room[count])
        count += 1
    taken, spare = {slot.node.name: slot for slot in by_room[:count]}, held - wanted
    rest = {
        slot.node.name: slot
        for _, same in groupby(by_room[count:], key=sort)
        for slot in islice(same, count)
    }
    while swaps := [
        (prices[old] - prices[new], room(rest[new]) - room(taken[old]), old, new)
        for old in taken
        for new in rest
        if prices[new] < prices[old]
        and room(taken[old]) - room(rest[new]) <= spare
        and new not in taken
    ]:
        _, more, old, new = max(swaps)
        spare += more
        del taken[old]
        taken[new] = rest[new]
    return pack(taken.values(), wanted, prices, most=most)


def fill(largest_first: Sequence[Slot], wanted: int, most: int) -> list[tuple[Slot, int]]:
    """Equally dear nodes, the largest first; the rest goes to the smallest that holds it."""
    taken: list[tuple[Slot, int]] = []
    for position, slot in enumerate(largest_first):
        room = min(slot.free, most)
        if room >= wanted:
            enough = (other for other in largest_first[position:] if other.free >= wanted)
            snug = min(enough, key=lambda other: (other.free, other.node.name))
            taken.append((snug, wanted))
            return taken
        taken.append((slot, room))
        wanted -= room
    return taken
