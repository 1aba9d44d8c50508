"""Which devices each node offers by DeviceClass, and how many of them somebody has."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction

from quartermaster.adapters.cache import Cache
from quartermaster.adapters.devices import documents
from quartermaster.adapters.devices.documents import Claim, Device, DeviceClass, DeviceId, Slice
from quartermaster.catalog import partitions
from quartermaster.domain.cluster import Node
from quartermaster.domain.resources import NOTHING, Resources, amounts


class DeviceInventory:
    """Caches of classes, slices and claims, and what they come to on a node."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._notify = changed
        self._offers: dict[str, dict[DeviceId, tuple[Device, frozenset[str]]]] | None = None
        """By node: its devices, and what each counts as. None: to be worked out anew."""
        self._claimed: dict[str, list[tuple[str, DeviceId]]] | None = None
        """By node: the pods that claims were made for, and what they have."""
        self.classes: Cache[DeviceClass] = Cache(documents.device_class, self._class_changed)
        self.slices: Cache[Slice] = Cache(documents.resource_slice, self._slice_changed)
        self.claims: Cache[Claim] = Cache(documents.claim, self._claim_changed)

    def offered(self, node: Node) -> Node:
        """A node with the devices that its drivers offer; the same where there are none.

        Where a device plugin offers GPUs too, they may be the same ones, and only its are counted.
        """
        devices = self._on_nodes().get(node.name)
        if not devices or node.allocatable.devices:
            return node
        counts: dict[str, int] = defaultdict(int)
        fractions: dict[str, Fraction] = {}
        mixed: set[str] = set()
        for device, names in devices.values():
            for name in names:
                counts[name] += 1
                fractions[name] = Fraction(1)
            if not device.whole:
                # What a part is of a GPU its driver does not tell.
                mixed |= names
        for name in mixed:
            del fractions[name]
        whole = sum(device.whole for device, _ in devices.values())
        return replace(
            node,
            allocatable=replace(node.allocatable, parts=amounts(counts)),
            accelerator=node.accelerator or _model(device for device, _ in devices.values()),
            fractions=fractions,
            parted_gpus=Fraction(whole) if fractions else None,
        )

    def taken(self, node: str, counted: Callable[[str], bool]) -> Resources:
        """What is held on a node by claims, but for those of pods that count for themselves.

        A device that several classes choose is taken from each of them.

        Args:
            node: Its name.
            counted: Whether what a pod holds is counted by the pod, by its uid.
        """
        devices = self._on_nodes().get(node)
        if not devices:
            return NOTHING
        held: dict[str, int] = defaultdict(int)
        for pod_uid, device in self._by_node().get(node, ()):
            if not (pod_uid and counted(pod_uid)) and device in devices:
                for name in devices[device][1]:
                    held[name] += 1
        return Resources(parts=amounts(held))

    def _on_nodes(self) -> dict[str, dict[DeviceId, tuple[Device, frozenset[str]]]]:
        if self._offers is None:
            self._offers = defaultdict(dict)
            classes = [it for it in self.classes.values() if it.countable]
            for part in _valid(self.slices.values()):
                for device in part.devices:
                    names = frozenset(
                        partitions.class_resource(it.name)
                        for it in classes
                        if all(selector.matches(device.facts) for selector in it.selectors)
                    )
                    self._offers[part.node][device.id] = device, names
        return self._offers

    def _by_node(self) -> dict[str, list[tuple[str, DeviceId]]]:
        if self._claimed is None:
            where = {id_: node for node, found in self._on_nodes().items() for id_ in found}
            self._claimed = defaultdict(list)
            for claim in self.claims.values():
                for device in claim.devices:
                    if device in where:
                        self._claimed[where[device]].append((claim.pod_uid, device))
        return self._claimed

    def _class_changed(self, _: DeviceClass, *, present: bool) -> None:  # noqa: ARG002 - the port's
        self._offers = self._claimed = None
        self._notify()

    def _slice_changed(self, _: Slice, *, present: bool) -> None:  # noqa: ARG002 - the port's
        self._offers = self._claimed = None
        self._notify()

    def _claim_changed(self, _: Claim, *, present: bool) -> None:  # noqa: ARG002 - the port's
        self._claimed = None
        self._notify()


def _valid(slices: Iterable[Slice]) -> Iterable[Slice]:
    """Slices of one node, of their pool's newest generation, where all of that are there."""
    pools: dict[tuple[str, str], list[Slice]] = defaultdict(list)
    for part in slices:
        pools[part.driver, part.pool].append(part)
    for parts in pools.values():
        newest = max(part.generation for part in parts)
        current = [part for part in parts if part.generation == newest]
        if len(current) == current[0].slices:
            yield from (part for part in current if part.node)


def _model(devices: Iterable[Device]) -> str:
    """The GPU model of a node whose labels name none: that of all of its devices."""
    names = {device.model for device in devices}
    return names.pop() if len(names) == 1 else ""
