"""What is kept of DeviceClasses, ResourceSlices and ResourceClaims."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quartermaster.adapters.devices.selector import Selector
from quartermaster.units import byte_count

Document = Mapping[str, Any]
DeviceId = tuple[str, str, str]
"""Driver, pool and name."""


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """Which devices belong to a class: those that all of its selectors match."""

    name: str
    selectors: tuple[Selector, ...]
    countable: bool = True
    """Whether its selectors are all of a kind that is known here."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device of a slice."""

    id: DeviceId
    facts: Mapping[str, Any]
    """As a selector sees it."""
    model: str
    """Its product's name as a node label would have it; empty where it says none."""
    whole: bool
    """Whether it is a GPU, and not a part of one."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some devices of one node."""

    driver: str
    pool: str
    generation: int
    slices: int
    """Of its pool and generation [count]."""
    node: str
    """Empty where the devices are not of one node: they are not counted."""
    devices: tuple[Device, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """Devices that somebody has."""

    devices: tuple[DeviceId, ...]
    pod_uid: str
    """The pod that it was made for; empty where it was made by hand."""


def device_class(document: Document) -> DeviceClass:
    """A DeviceClass."""
    asked = (document.get("spec") or {}).get("selectors") or ()
    texts = [str((it.get("cel") or {}).get("expression", "")) for it in asked]
    known = all(texts)
    return DeviceClass(
        name=document["metadata"]["name"],
        selectors=tuple(Selector(text) for text in texts) if known else (),
        countable=known,
    )


def resource_slice(document: Document) -> Slice:
    """A ResourceSlice.

    Left out, so that too few are counted and never too many: devices that only together stay within
    what they share (`consumesCounters`), that several claims may have at once, that have a taint,
    or that are not of one node.
    """
    spec = document.get("spec") or {}
    driver, pool = str(spec.get("driver", "")), spec.get("pool") or {}
    name = str(pool.get("name", ""))
    kept = [it for it in spec.get("devices") or () if _is_plain(it)]
    return Slice(
        driver=driver,
        pool=name,
        generation=int(pool.get("generation", 0)),
        slices=int(pool.get("resourceSliceCount", 1)),
        node=str(spec.get("nodeName") or ""),
        devices=tuple(_device(it, driver, name) for it in kept),
    )


def _is_plain(device: Document) -> bool:
    elsewhere = ("consumesCounters", "allowMultipleAllocations", "nodeName", "nodeSelector")
    tainted = any(t.get("effect") != "None" for t in device.get("taints") or ())
    return not tainted and not any(device.get(key) for key in (*elsewhere, "allNodes"))


def _device(device: Document, driver: str, pool: str) -> Device:
    name = str(device["name"])
    attributes = _by_domain(device.get("attributes") or {}, driver, _attribute)
    capacity = _by_domain(device.get("capacity") or {}, driver, _capacity)
    own = attributes.get(driver, {})
    return Device(
        id=(driver, pool, name),
        facts={"driver": driver, "attributes": attributes, "capacity": capacity},
        model=str(own.get("productName", "")).strip().replace(" ", "-"),
        whole=str(own.get("type", "gpu")) == "gpu",
    )


def _by_domain(named: Document, driver: str, read: Any) -> dict[str, dict[str, Any]]:
    """Names without a domain are in the driver's own."""
    found: dict[str, dict[str, Any]] = {driver: {}}
    for name, value in named.items():
        domain, slash, rest = str(name).partition("/")
        key = (domain, rest) if slash else (driver, domain)
        known = read(value)
        if known is not None:
            found.setdefault(key[0], {})[key[1]] = known
    return found


def _attribute(value: Document) -> object:
    """A bool, an integer or a text; a version is kept as its text."""
    kinds = ("bool", "int", "string", "version")
    return next((value[kind] for kind in kinds if kind in value), None)


def _capacity(value: Document) -> int | None:
    try:
        return byte_count(str(value.get("value", "")))
    except ValueError:
        return None


def claim(document: Document) -> Claim:
    """A ResourceClaim."""
    status = document.get("status") or {}
    given = ((status.get("allocation") or {}).get("devices") or {}).get("results") or ()
    owners = document["metadata"].get("ownerReferences") or ()
    pods = [str(owner["uid"]) for owner in owners if owner.get("kind") == "Pod"]
    return Claim(
        devices=tuple(
            (str(it["driver"]), str(it["pool"]), str(it["device"]))
            for it in given
            if not it.get("adminAccess")
        ),
        pod_uid=pods[0] if pods else "",
    )
