"""Scenes of placing, as YAML: nodes, pools and gangs in; who goes where, and why, out.

Changing what a file expects is a reviewed act. QM_GOLDEN=write writes the answers anew.
"""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from quartermaster.decide.fleet import fleet_of
from quartermaster.decide.placement.choose import choose
from quartermaster.decide.profile.hardware import Hardware
from quartermaster.decide.queue.order import in_order
from quartermaster.decide.queue.room import taken
from quartermaster.domain.cluster import (
    Capacity,
    Link,
    Node,
    Pool,
    PriceRow,
    Snapshot,
    Taint,
    Toleration,
)
from quartermaster.domain.decision import Decision, Placed
from quartermaster.domain.hardware import NumberFormat
from quartermaster.domain.profile import JobProfile, Kernel
from quartermaster.domain.workload import Gang, Objective, TopologyMode
from quartermaster.units import usd
from tests.support import gpus, make

GOLDEN = Path(__file__).parents[3] / "golden" / "placement"
SCENES = sorted(GOLDEN.glob("*.yaml"))
HARDWARE = Hardware(gpus.CATALOGUE.get, gpus.INSTANCES.get)
Json = dict[str, Any]


def node_of(told: Json) -> Node:
    labels = dict(told.get("labels", {}))
    for key, label in (("zone", make.ZONE), ("region", make.REGION)):
        if key in told:
            labels[label] = told[key]
    return make.node(
        told["name"],
        told.get("gpus", 0),
        gpu=told.get("gpu", make.T4),
        labels=labels,
        capacity=Capacity(told.get("capacity", "OnDemand")),
        used=make.resources(told.get("gpusUsed", 0), pods=0),
        ready=told.get("ready", True),
        cordoned=told.get("cordoned", False),
        taints=[Taint(**taint) for taint in told.get("taints", ())],
        instance_type=told.get("instanceType", ""),
    )


def pool_of(told: Json) -> Pool:
    def exact(row: Json, key: str) -> Fraction | None:
        return Fraction(row[key]) if key in row else None

    rows = [
        PriceRow(
            accelerator=row.get("gpu"),
            capacity=Capacity(row["capacity"]) if "capacity" in row else None,
            usd_per_gpu_hour=exact(row, "usdPerGpuHour"),
            usd_per_node_hour=exact(row, "usdPerNodeHour"),
        )
        for row in told.get("prices", ())
    ]
    return make.pool(
        told["name"],
        *rows,
        selector=told.get("selector", {}),
        tolerations=tuple(Toleration(**passes) for passes in told.get("tolerations", ())),
        **_wires(told),
    )


def _wires(told: Json) -> Json:
    if "levels" not in told:
        return {}
    links = (
        Link(link["level"], link["gigabitsPerSecond"] * 1e9 / 8, link.get("microseconds", 0) / 1e6)
        for link in told.get("links", ())
    )
    return {"topology_levels": tuple(told["levels"]), "links": tuple(links)}


def profile_of(told: Json) -> JobProfile:
    """A step in GFLOP and MB a sample, and millions of parameters."""
    return JobProfile(
        flops_per_sample=told["gflopPerSample"] * 1e9,
        parameters=round(told["millionParameters"] * 1e6),
        batch=told["batch"],
        traffic_per_sample=told.get("megabytesPerSample", 0) * 1e6,
        tensors=told.get("tensors", 100),
        kernel=Kernel(told.get("kernel", "Matmul")),
        number_format=NumberFormat(told.get("numberFormat", "BF16")),
        bytes_per_parameter=told.get("bytesPerParameter", 4),
    )


def gang_of(told: Json) -> Gang:
    capacity = told.get("capacity")
    return make.gang(
        told.get("workers", 1),
        told.get("gpus", 1),
        name=told["name"],
        priority=told.get("priority", 0),
        topology=TopologyMode(told.get("topology", "Preferred")),
        topology_level=told.get("level"),
        capacity=Capacity(capacity) if capacity else None,
        accelerators=tuple(told.get("accelerators", ())),
        pools=tuple(told.get("pools", ())),
        held=tuple(told.get("held", ())),
        objective=Objective(told.get("objective", "Balanced")),
        profile=profile_of(told["profile"]) if "profile" in told else None,
    )


def told(decision: Decision) -> Json:
    rejected = [{other.candidate: other.reason} for other in decision.rejected]
    if not isinstance(decision, Placed):
        answer: Json = {"waits": decision.refusal.value, "message": decision.message}
    else:
        rates = [assignment.usd_per_hour for assignment in decision.assignments]
        known = [rate for rate in rates if rate is not None]
        answer = {
            "nodes": [assignment.node for assignment in decision.assignments],
            "usdPerHour": usd(sum(known, Fraction(0))) if len(known) == len(rates) else "unknown",
            "reason": decision.reason,
        }
        if decision.predicted_step_seconds is not None and decision.bound is not None:
            answer["stepSeconds"] = f"{decision.predicted_step_seconds:.4f}"
            answer["bound"] = decision.bound.value
    return answer | ({"rejected": rejected} if rejected else {})


def answers(scene: Json) -> Json:
    snapshot = Snapshot(
        tuple(node_of(node) for node in scene["nodes"]),
        tuple(sorted((pool_of(p) for p in scene.get("pools", ())), key=lambda pool: pool.name)),
    )
    fleet = fleet_of(snapshot)
    found: Json = {}
    for gang in in_order(gang_of(gang) for gang in scene["gangs"]):
        decision = choose(gang, fleet, HARDWARE)
        found[gang.key.name] = told(decision)
        if isinstance(decision, Placed):
            fleet = taken(fleet, decision.assignments, gang.per_worker)
    return found


@pytest.mark.parametrize("path", SCENES, ids=lambda path: path.stem)
def test_the_scene_ends_as_it_is_written(path: Path) -> None:
    scene = yaml.safe_load(path.read_text())
    found = answers(scene)
    if os.environ.get("QM_GOLDEN") == "write":
        scene["answers"] = found
        path.write_text(yaml.safe_dump(scene, sort_keys=False, width=100))
    assert found == scene.get("answers")


def test_there_are_scenes() -> None:
    assert len(SCENES) >= 8
