"""Devices of Dynamic Resource Allocation: how many of each class a node has, and who holds them.

A class is an amount of a node, as a part of a GPU is. What is not sure to be there is not counted:
only a pool's newest generation, only when all of its slices are there, and no device name twice.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

from quartermaster.adapters.cache import Cache
from quartermaster.adapters.devices import documents, selectors
from quartermaster.adapters.devices.documents import Claim, Device, DeviceClass, DeviceId, Slice
from quartermaster.catalog.device_classes import resource
from quartermaster.domain.cluster import Node
from quartermaster.domain.resources import Amounts, Resources, amounts

logger = logging.getLogger(__name__)

API = "/apis/resource.k8s.io/v1"
NOT_SERVED = (
    "deviceClass needs the API resource.k8s.io/v1, which this cluster does not serve: "
    "Kubernetes does from 1.34 on"
)

Key = TypeVar("Key")
Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Stock:
    """What a node has."""

    by_class: Mapping[str, frozenset[DeviceId]]
    """Classes that match none of its devices are absent."""
    gpus: int
    """GPUs, whole or in parts [count]."""
    fractions: Mapping[str, Fraction]
    """What a device is of a GPU, by class: even shares of the GPUs that the class is spread on."""
    model: str
    """The GPUs' model; empty where they do not say, or differ."""


class Devices:
    """Caches of classes, slices and claims, and the questions that the view asks of them."""

    def __init__(
        self, *, changed: Callable[[Iterable[str]], None], class_changed: Callable[[str], None]
    ) -> None:
        """Takes whom to tell of nodes whose devices have changed, and of classes."""
        self._changed = changed
        self._class_changed = class_changed
        self.served: bool | None = None
        """Whether the cluster has the API; None: not asked yet."""
        self._named: dict[str, DeviceClass] = {}
        self._pools: dict[documents.PoolId, dict[str, Slice]] = defaultdict(dict)
        self._on_node: dict[str, dict[str, Slice]] = defaultdict(dict)
        """Slices by uid, by pool and by node."""
        self._complete: dict[documents.PoolId, int | None] = {}
        """The newest generation of a pool; None where not all of it is there. As worked out."""
        self._stocks: dict[str, Stock] = {}
        """What was worked out already, by node."""
        self._answers: dict[tuple[str, str], frozenset[DeviceId]] = {}
        """Devices of a slice that a class matches, by class and the slice's uid."""
        self._takers: dict[DeviceId, int] = {}
        """Claims that a device is allocated to [count]."""
        self._claimed: dict[str, int] = {}
        """Allocated claims of a pod [count], by its uid."""
        self._waiting: dict[str, dict[str, Amounts]] = defaultdict(dict)
        """What pods of ours claim, by node and uid; allocated or not."""
        self._place: dict[str, str] = {}
        """The node of such a pod."""
        self._said: set[str] = set()
        """Classes of whose errors the log has been told."""
        self._allocated: dict[str, Claim] = {}
        """Claims as they were counted, by uid."""
        self.classes: Cache[DeviceClass] = Cache(documents.device_class, self._take_class)
        self.slices: Cache[Slice] = Cache(documents.resource_slice, self._take_slice)
        self.claims: Cache[Claim] = Cache(documents.claim, self._take_claim)

    def why_none(self, name: str) -> str:
        """Why no device of a class can be given to anybody; empty where that is possible."""
        if self.served is False:
            return NOT_SERVED
        found = self._named.get(name)
        if found is None:
            return f"there is no DeviceClass {name}: kubectl get deviceclasses lists them"
        return f"DeviceClass {name}: {found.refused}" if found.refused else ""

    def hold(self, uid: str, node: str | None, claims: Amounts) -> None:
        """A pod of ours claims devices on a node; with None or nothing, it does no more."""
        before = self._place.get(uid)
        now = node if claims else None
        if before is None and now is None:
            return
        if before is not None and before != now:
            _without(self._waiting, before, uid)
            del self._place[uid]
        if now is not None:
            if self._waiting[now].get(uid) == claims:
                return
            self._waiting[now][uid], self._place[uid] = claims, now
        self._changed([name for name in (before, now) if name])

    def equipped(self, node: Node) -> Node:
        """A node with its devices; itself where it has none.

        Where a device plugin offers GPUs too, they may be the same ones, and only its are counted.
        """
        if node.name not in self._on_node or node.allocatable.devices:
            return node
        stock = self._stock(node.name)
        if not stock.gpus:
            return node
        counts = {resource(name): len(ids) for name, ids in stock.by_class.items()}
        return replace(
            node,
            allocatable=replace(node.allocatable, parts=amounts(counts)),
            accelerator=node.accelerator or stock.model,
            fractions={resource(name): part for name, part in stock.fractions.items()},
            parted_gpus=Fraction(stock.gpus),
        )

    def used(self, node: Node) -> Resources:
        """What of an equipped node's devices somebody has, or is to have."""
        if node.name not in self._on_node or not node.allocatable.parts:
            return Resources()
        by_class = self._stock(node.name).by_class
        taken = {name: sum(it in self._takers for it in ids) for name, ids in by_class.items()}
        for uid, claims in self._waiting.get(node.name, {}).items():
            if uid not in self._claimed:
                self._promise(by_class, taken, claims)
        offered = dict(node.allocatable.parts)
        held = {resource(name): count for name, count in taken.items()}
        return Resources(parts=amounts({k: v for k, v in held.items() if k in offered}))

    def _promise(
        self, by_class: Mapping[str, frozenset[DeviceId]], taken: dict[str, int], claims: Amounts
    ) -> None:
        """A claim that is not allocated yet may get any device of its class: of all that share."""
        for asked, count in claims:
            own = by_class.get(asked, frozenset())
            for name, ids in by_class.items():
                shared = sum(it not in self._takers for it in ids & own)
                taken[name] += count if name == asked else min(count, shared)

    # ---- what a node has ----------------------------------------------------------------------

    def _stock(self, node: str) -> Stock:
        if node not in self._stocks:
            whole = [one for one in self._on_node[node].values() if self._counts(one)]
            self._stocks[node] = self._stocked(whole)
        return self._stocks[node]

    def _counts(self, one: Slice) -> bool:
        """Whether its pool is complete, and it is of the newest generation."""
        if one.pool not in self._complete:
            pool = self._pools[one.pool].values()
            newest = max(other.generation for other in pool)
            current = [other for other in pool if other.generation == newest]
            names = [name for other in current for name in other.names]
            whole = all(other.of == len(current) for other in current)
            whole = whole and len(set(names)) == len(names)
            self._complete[one.pool] = newest if whole else None
        return one.generation == self._complete[one.pool]

    def _stocked(self, slices: list[Slice]) -> Stock:
        devices = {it.id: it for one in slices for it in one.devices}
        by_class: dict[str, frozenset[DeviceId]] = {}
        for name in self._named:
            found = frozenset(it for one in slices for it in self._matching(name, one))
            if found:
                by_class[name] = found
        models = {it.model for it in devices.values()}
        return Stock(
            by_class=by_class,
            gpus=_gpus(devices.values()),
            fractions={
                name: Fraction(_gpus(devices[it] for it in ids), len(ids))
                for name, ids in by_class.items()
            },
            model=models.pop() if len(models) == 1 else "",
        )

    def _matching(self, name: str, one: Slice) -> frozenset[DeviceId]:
        key = name, one.uid
        if key not in self._answers:
            of = self._named[name]
            found = frozenset(it.id for it in one.devices if self._matches(of, it))
            self._answers[key] = found
        return self._answers[key]

    def _matches(self, of: DeviceClass, device: Device) -> bool:
        for one in of.selectors:
            told = selectors.answer(one, device.seen)
            if told.error and of.name not in self._said:
                self._said.add(of.name)
                where = "/".join(device.id)
                logger.info("DeviceClass %s does not match %s: %s", of.name, where, told.error)
            if not told.matches:
                return False
        return True

    # ---- what changes -------------------------------------------------------------------------

    def _forget(self, nodes: Iterable[str]) -> None:
        names = [name for name in nodes if name]
        for name in names:
            self._stocks.pop(name, None)
        self._changed(names)

    def _take_class(self, one: DeviceClass, *, present: bool) -> None:
        if present:
            self._named[one.name] = one
        elif self._named.get(one.name) is one:
            del self._named[one.name]
        self._said.discard(one.name)
        self._answers = {key: it for key, it in self._answers.items() if key[0] != one.name}
        self._forget(list(self._on_node))
        self._class_changed(one.name)

    def _take_slice(self, one: Slice, *, present: bool) -> None:
        self._complete.pop(one.pool, None)
        pool = self._pools[one.pool]
        before = pool.pop(one.uid, None)
        touched = {other.node for other in pool.values()} | {one.node}
        if before is not None:
            touched.add(before.node)
            _without(self._on_node, before.node, one.uid)
        if present:
            pool[one.uid] = one
            if one.node:
                self._on_node[one.node][one.uid] = one
        elif not pool:
            del self._pools[one.pool]
        for name in self._named:
            self._answers.pop((name, one.uid), None)
        self._forget(touched)

    def _take_claim(self, one: Claim, *, present: bool) -> None:
        before = self._allocated.pop(one.uid, None)
        now = one if present and one.allocated else None
        if now is not None:
            self._allocated[one.uid] = now
        if before == now:
            return
        claims = [it for it in (before, now) if it is not None]
        for it, sign in ((before, -1), (now, 1)):
            if it is None:
                continue
            for device in it.devices:
                _count(self._takers, device, sign)
            if it.pod_uid:
                _count(self._claimed, it.pod_uid, sign)
        pools = {device[:2] for one in claims for device in one.devices}
        nodes = {it.node for pool in pools for it in self._pools.get(pool, {}).values() if it.node}
        placed = {self._place[it.pod_uid] for it in claims if it.pod_uid in self._place}
        self._changed(nodes | placed)


def _gpus(devices: Iterable[Device]) -> int:
    return len({device.gpu for device in devices})


def _count(counts: dict[Key, int], key: Key, sign: int) -> None:
    """Count one more or one less; where nothing is left there is no entry."""
    counts[key] = counts.get(key, 0) + sign
    if not counts[key]:
        del counts[key]


def _without(index: dict[str, dict[str, Entry]], key: str, uid: str) -> None:
    if key in index:
        index[key].pop(uid, None)
        if not index[key]:
            del index[key]
