"""Documents of Dynamic Resource Allocation: classes, slices and claims."""

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]
DRIVER = "gpu.example.com"
H100 = "NVIDIA H100 80GB HBM3"


def device_class(name: str, *expressions: str) -> Json:
    told = [{"cel": {"expression": expression}} for expression in expressions]
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": name},
        "spec": {"selectors": told} if told else {},
    }


def of_type(kind: str, driver: str = DRIVER) -> str:
    """The selector that NVIDIA's classes have."""
    return f"device.driver == '{driver}' && device.attributes['{driver}'].type == '{kind}'"


def device(name: str, kind: str = "gpu", product: str = H100, **more: Any) -> Json:
    texts = {"type": kind, "productName": product, "parentUUID": more.pop("parent", "")}
    return {
        "name": name,
        "attributes": {key: {"string": text} for key, text in texts.items() if text},
        "capacity": {"memory": {"value": "80Gi"}},
        **more,
    }


def devices(count: int, kind: str = "gpu", **more: Any) -> list[Json]:
    return [device(f"{kind}-{index}", kind, **more) for index in range(count)]


def resource_slice(node: str, of: Iterable[Json], *, name: str = "", **more: Any) -> Json:
    """The slice of a node's pool, which has its name; `pool` changes the pool's fields."""
    pool = {"name": node, "generation": 1, "resourceSliceCount": 1, **more.pop("pool", {})}
    where = {"nodeName": node} if node else {"allNodes": True}
    driver = more.pop("driver", DRIVER)
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": name or f"{node}-{driver}"},
        "spec": {"driver": driver, "pool": pool, **where, "devices": list(of), **more},
    }


def claim(name: str, taken: Mapping[str, Iterable[str]] | None, pod: str = "") -> Json:
    """A claim to which devices are allocated, by pool; None: to which nothing is yet."""
    metadata: Json = {"name": name, "namespace": "team"}
    if pod:
        metadata["ownerReferences"] = [{"kind": "Pod", "uid": pod, "name": "p"}]
    document: Json = {"metadata": metadata, "spec": {}}
    if taken is not None:
        results = [
            {"request": "gpus", "driver": DRIVER, "pool": pool, "device": device}
            for pool, names in taken.items()
            for device in names
        ]
        document["status"] = {"allocation": {"devices": {"results": results}}}
    return document
