"""Scenes of queueing, as YAML: nodes, queues, running and waiting jobs in; who goes where, and why.

Changing what a file expects is a reviewed act. QM_GOLDEN=write writes the answers anew.
"""

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from quartermaster.decide.queue.admit import admit
from quartermaster.decide.queue.scene import Scene, Verdict
from quartermaster.decide.queue.tree import tree_of
from quartermaster.domain.decision import Placed
from quartermaster.domain.queue import Holding, Queue, Reclaim, WithinQueue
from quartermaster.domain.workload import Gang
from tests.support import make
from tests.support.queueing import holding, occupied

GOLDEN = Path(__file__).parents[3] / "golden" / "queues"
SCENES = sorted(GOLDEN.glob("*.yaml"))
Json = dict[str, Any]


def queue_of(told: Json) -> Queue:
    return Queue(
        told["name"],
        told.get("parent"),
        Fraction(str(told.get("weight", 1))),
        told.get("quota", {}),
        borrowing_limit=told.get("borrowingLimit"),
        lending_limit=told.get("lendingLimit"),
        reclaim=Reclaim(told.get("reclaims", "Never")),
        within_queue=WithinQueue(told.get("preempts", "Never")),
    )


def holding_of(told: Json) -> Holding:
    return holding(
        told["name"],
        told.get("queue", "default"),
        told["at"],
        gpus=told.get("gpus", 1),
        priority=told.get("priority", 0),
        remaining_s=told.get("endsInSeconds"),
        lost_s=float(told.get("sinceCheckpointSeconds", 0)),
    )


def gangs_of(told: Json) -> Iterable[Gang]:
    for number in range(told.get("count", 1)):
        suffix = f"-{number}" if "count" in told else ""
        yield make.gang(
            told.get("workers", 1),
            told.get("gpus", 1),
            name=told["name"] + suffix,
            priority=told.get("priority", 0),
            created=make.after(told.get("created", 0)),
            queue=told.get("queue", "default"),
            runtime_s=told.get("lastsSeconds"),
            accelerators=tuple(told.get("accelerators", ())),
        )


def told(verdict: Verdict) -> Json:
    decision = verdict.decision
    if isinstance(decision, Placed):
        return {"at": sorted({one.node for one in decision.assignments})}
    answer: Json = {"waits": decision.refusal.value, "message": decision.message}
    stopped = {str(victim.key): why for victim, why in verdict.stop}
    return answer | ({"stops": stopped} if stopped else {})


def scene_of(scene: Json) -> Scene:
    nodes = [
        make.node(
            f"{node['name']}{number}" if "count" in node else node["name"],
            node.get("gpus", 0),
            gpu=node.get("gpu", make.T4),
        )
        for node in scene["nodes"]
        for number in range(node.get("count", 1))
    ]
    prices = [
        make.price(str(usd), accelerator=model) for model, usd in scene.get("prices", {}).items()
    ]
    pools = [make.pool("pool", *prices)] if prices else []
    held = [holding_of(one) for one in scene.get("running", ())]
    return Scene(
        snapshot=occupied(make.snapshot(nodes, *pools), held),
        waiting=[gang for one in scene["waiting"] for gang in gangs_of(one)],
        holdings=held,
        tree=tree_of(queue_of(one) for one in scene.get("queues", ())),
    )


def answers(scene: Json) -> Json:
    return {verdict.gang.key.name: told(verdict) for verdict in admit(scene_of(scene))}


@pytest.mark.parametrize("path", SCENES, ids=lambda path: path.stem)
def test_the_scene_ends_as_it_is_written(path: Path) -> None:
    scene = yaml.safe_load(path.read_text())
    found = answers(scene)
    if os.environ.get("QM_GOLDEN") == "write":
        scene["answers"] = found
        path.write_text(yaml.safe_dump(scene, sort_keys=False, width=100))
    assert list(found.items()) == list(scene.get("answers").items())


def test_there_are_scenes() -> None:
    assert len(SCENES) >= 10
