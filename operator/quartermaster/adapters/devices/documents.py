"""What the operator keeps of Dynamic Resource Allocation's documents, resource.k8s.io/v1.

A device of which it cannot be said for certain that a claim can have it whole is not kept: one with
a taint that keeps pods off, one that shares counters with others, one that several claims may have
at once, one that waits for conditions. Slices for several nodes are not kept either.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quartermaster.adapters.devices import selectors
from quartermaster.adapters.devices.selectors import Selector
from quartermaster.catalog import device_classes

Document = Mapping[str, Any]
DeviceId = tuple[str, str, str]
"""Driver, pool and name: unique in a cluster."""
PoolId = tuple[str, str]
"""Driver and pool."""
_KINDS = ("string", "int", "bool")


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """Which devices a class is about."""

    name: str
    selectors: tuple[Selector, ...]
    """A device is of the class if all of them match."""

    @property
    def refused(self) -> str:
        """Why it matches nothing; empty where it is evaluated."""
        return next((one.refused for one in self.selectors if one.refused), "")


@dataclass(frozen=True, slots=True)
class Device:
    """One device that a claim can have whole."""

    id: DeviceId
    model: str
    """The GPU's model; empty where it does not say."""
    gpu: str
    """The GPU that it is or is a part of; a name within its node."""
    seen: Mapping[str, Any]
    """What selectors see of it."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a pool of devices, as its driver publishes it."""

    uid: str
    pool: PoolId
    generation: int
    of: int
    """Slices that the pool has in this generation [count]."""
    node: str
    """Empty where its devices are for several nodes."""
    names: tuple[str, ...]
    """Names of all its devices, also of those that are not kept."""
    devices: tuple[Device, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim and the devices that it has been given."""

    uid: str
    pod_uid: str
    """The pod that it was made for; empty where it is on its own."""
    allocated: bool
    devices: tuple[DeviceId, ...]


def device_class(document: Document) -> DeviceClass:
    """A DeviceClass."""
    told = (document.get("spec") or {}).get("selectors") or ()
    expressions = [str((each.get("cel") or {}).get("expression", "")) for each in told]
    return DeviceClass(document["metadata"]["name"], tuple(map(selectors.selector, expressions)))


def resource_slice(document: Document) -> Slice:
    """A ResourceSlice."""
    spec = document.get("spec") or {}
    driver, pool = str(spec.get("driver", "")), spec.get("pool") or {}
    key, node = (driver, str(pool.get("name", ""))), str(spec.get("nodeName") or "")
    told = spec.get("devices") or ()
    found = [_device(each, key) for each in told if node and _whole(each)]
    return Slice(
        uid=document["metadata"]["uid"],
        pool=key,
        generation=int(pool.get("generation", 0)),
        of=int(pool.get("resourceSliceCount", 0)),
        node=node,
        names=tuple(str(each.get("name", "")) for each in told),
        devices=tuple(it for it in found if device_classes.is_gpu(driver, it.model)),
    )


def _whole(device: Document) -> bool:
    """Whether a claim can have it, and whoever has it has all of it."""
    taints = device.get("taints") or ()
    if any(taint.get("effect") in ("NoSchedule", "NoExecute") for taint in taints):
        return False
    doubts = (
        "consumesCounters", "allowMultipleAllocations", "bindingConditions", "nodeName",
        "nodeSelector", "allNodes",
    )  # fmt: skip
    return not any(device.get(name) for name in doubts)


def _device(device: Document, pool: PoolId) -> Device:
    name = str(device.get("name", ""))
    attributes = _by_domain(device.get("attributes") or {}, pool[0], _value)
    capacity = _by_domain(device.get("capacity") or {}, pool[0], _amount)
    own = attributes.get(pool[0]) or {}
    product, parent = own.get(device_classes.PRODUCT), own.get(device_classes.PARENT)
    return Device(
        id=(*pool, name),
        model=device_classes.model_name(product) if isinstance(product, str) else "",
        gpu=str(parent) if parent else f"{pool[0]}/{pool[1]}/{name}",
        seen={"driver": pool[0], "attributes": attributes, "capacity": capacity},
    )


def _by_domain(told: Document, driver: str, read: Any) -> dict[str, dict[str, Any]]:
    """By domain and name; a name without a domain is in the driver's."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in told.items():
        domain, slash, rest = name.partition("/")
        found.setdefault(domain if slash else driver, {})[rest if slash else name] = read(value)
    return found


def _value(told: Document) -> Any:
    """A version stays apart from text: what compares versions is not evaluated."""
    return next((told[kind] for kind in _KINDS if kind in told), dict(told))


def _amount(told: Document) -> dict[str, Any]:
    try:
        return selectors.quantity(str(told.get("value", "")))
    except ValueError:
        return {}


def claim(document: Document) -> Claim:
    """A ResourceClaim."""
    owners = document["metadata"].get("ownerReferences") or ()
    pods = [str(owner["uid"]) for owner in owners if owner.get("kind") == "Pod"]
    allocation = (document.get("status") or {}).get("allocation")
    results = ((allocation or {}).get("devices") or {}).get("results") or ()
    return Claim(
        uid=document["metadata"]["uid"],
        pod_uid=pods[0] if pods else "",
        allocated=allocation is not None,
        devices=tuple(
            (str(it.get("driver", "")), str(it.get("pool", "")), str(it.get("device", "")))
            for it in results
            # Whoever looks in as an administrator takes nothing.
            if not it.get("adminAccess")
        ),
    )
