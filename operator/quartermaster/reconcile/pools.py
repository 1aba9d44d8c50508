"""What each ComputePool holds, written to its status when it differs."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from quartermaster.domain.cluster import Snapshot
from quartermaster.reconcile.ports import Clock


class PoolView(Protocol):
    """What is known of the pools."""

    def pool_records(self) -> Iterable[tuple[str, int, Mapping[str, Any]]]:
        """Name, generation and status of each pool."""
        ...

    def snapshot(self) -> Snapshot:
        """Nodes with what their pods hold, and pools."""
        ...


class PoolWriter(Protocol):
    """How a pool's status is written."""

    async def set_pool_status(self, name: str, status: Mapping[str, Any]) -> None:
        """Replace a pool's status."""
        ...


async def report(view: PoolView, writer: PoolWriter, clock: Clock) -> None:
    """Write the status of each pool whose status differs."""
    snapshot = view.snapshot()
    counted = counts(snapshot)
    for name, generation, old in view.pool_records():
        status = pool_status(counted.get(name, (0, 0, 0)), generation, old, clock.now())
        if status != old:
            await writer.set_pool_status(name, status)


def counts(snapshot: Snapshot) -> dict[str, tuple[int, int, int]]:
    """Ready nodes, their GPUs and the GPUs in use, by pool [count]."""
    totals: dict[str, tuple[int, int, int]] = {}
    for (pool, _), (nodes, gpus, used) in snapshot.usage().items():
        before = totals.get(pool, (0, 0, 0))
        totals[pool] = (before[0] + nodes, before[1] + gpus, before[2] + used)
    return totals


def pool_status(
    counted: tuple[int, int, int], generation: int, old: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """A pool's status."""
    nodes, gpus, used = counted
    holds = "True" if nodes else "False"
    condition = {
        "type": "Ready",
        "status": holds,
        "reason": "HasNodes" if nodes else "NoNodes",
        "message": "" if nodes else "no ready node carries the labels of spec.nodeSelector",
        "observedGeneration": generation,
    }
    conditions: list[dict[str, Any]] = list(old.get("conditions") or ())
    before = conditions[0] if conditions else {}
    same = before.get("status") == holds
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    condition["lastTransitionTime"] = before["lastTransitionTime"] if same else moment
    return {
        "observedGeneration": generation,
        "conditions": [condition],
        "nodes": nodes,
        "gpus": gpus,
        "gpusUsed": used,
    }
