"""What pods cost in memory: the official client's models beside the records the operator keeps.

``python scripts/pod_memory.py`` prints the figures of ADR-0004. Each figure comes from a process of
its own, so that nothing is counted twice.
"""

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

COUNT = 5000
"""Pods to hold at once [count]."""
DECODED = 500
"""Pods to decode for the time of one [count]."""
_PAGE = 4096


def pod(index: int) -> dict[str, Any]:
    """A bound worker pod as the API server sends it, managed fields left out."""
    from quartermaster.api.training_job import TrainingJobSpec  # noqa: PLC0415 - not in baselines
    from quartermaster.domain.name import NamespacedName  # noqa: PLC0415
    from quartermaster.manifests import worker  # noqa: PLC0415

    spec = TrainingJobSpec.model_validate(
        {"model": {"factory": "qm_trainer.zoo:resnet"}, "dataset": {"uri": "builtin://digits"}}
    )
    key = NamespacedName("team-a", f"job-{index}")
    uid = f"{index:08d}-0000-4000-8000-000000000000"
    document = worker.pod_template(
        spec, key, uid, trainer_image="quartermaster/trainer:1", progress_url="http://x/v1/progress"
    )
    document["metadata"] |= {
        "name": f"job-{index}-0",
        "namespace": "team-a",
        "uid": uid,
        "resourceVersion": str(index + 1),
        "creationTimestamp": "2026-11-23T10:00:00Z",
    }
    del document["spec"]["schedulingGates"]
    document["spec"]["nodeName"] = f"node-{index % 500}"
    document["status"] = {
        "phase": "Running",
        "conditions": [
            {
                "type": "PodScheduled",
                "status": "True",
                "lastTransitionTime": "2026-11-23T10:00:01Z",
            }
        ],
        "containerStatuses": [
            {
                "name": "trainer",
                "image": "quartermaster/trainer:1",
                "imageID": "quartermaster/trainer@sha256:" + "0" * 64,
                "ready": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": "2026-11-23T10:00:02Z"}},
            }
        ],
    }
    fresh: dict[str, Any] = json.loads(json.dumps(document))
    return fresh


def resident_kib() -> int:
    """Memory of this process [KiB]."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE // 1024


def as_models(count: int) -> list[object]:
    """Pods as the client's V1Pod."""
    from kubernetes.client import ApiClient  # noqa: PLC0415 - its import is what is measured

    client: Any = ApiClient()
    return [
        client.deserialize(json.dumps(pod(n)), "V1Pod", "application/json") for n in range(count)
    ]


def as_documents(count: int) -> list[object]:
    """Pods as plain dictionaries."""
    return [pod(n) for n in range(count)]


def as_records(count: int) -> list[object]:
    """Pods as the operator's cache keeps them."""
    from quartermaster.adapters import documents  # noqa: PLC0415 - its import is what is measured

    return [documents.pod(pod(n)) for n in range(count)]


_WAYS: dict[str, Callable[[int], list[object]]] = {
    "models": as_models,
    "documents": as_documents,
    "records": as_records,
}
_IMPORTS = {
    "python alone": "",
    "kubernetes.client": "import kubernetes.client",
    "the operator": "import quartermaster.app",
}


def decode_ms() -> dict[str, float]:
    """Time from a pod's JSON to the object that is kept [ms]."""
    from kubernetes.client import ApiClient  # noqa: PLC0415 - as above

    from quartermaster.adapters import documents  # noqa: PLC0415 - as above

    client: Any = ApiClient()
    texts = [json.dumps(pod(n)) for n in range(DECODED)]
    ways: dict[str, Callable[[str], object]] = {
        "models": lambda text: client.deserialize(text, "V1Pod", "application/json"),
        "records": lambda text: documents.pod(json.loads(text)),
    }
    found: dict[str, float] = {}
    for name, way in ways.items():
        began = time.perf_counter()
        for text in texts:
            way(text)
        found[name] = (time.perf_counter() - began) / DECODED * 1000
    return found


def main(arguments: Sequence[str]) -> int:
    """Print every figure, or with a way's name measure that one; returns the exit code."""
    if arguments:
        way = _WAYS[arguments[0]]
        warm = way(1)
        before = resident_kib()
        held = way(COUNT)
        print((resident_kib() - before) / len(held))
        del warm
        return 0
    for name, statement in _IMPORTS.items():
        print(f"import of {name}: {_figure('-c', _memory_after(statement)):.1f} MiB")
    for name in _WAYS:
        print(f"{COUNT} pods as {name}: {_figure(__file__, name):.2f} KiB a pod")
    for name, milliseconds in decode_ms().items():
        print(f"JSON to {name}: {milliseconds:.2f} ms a pod")
    return 0


def _memory_after(statement: str) -> str:
    return (
        f"{statement}\nfrom pathlib import Path\n"
        "pages = int(Path('/proc/self/statm').read_text().split()[1])\n"
        "print(pages * 4096 / 2**20)"
    )


def _figure(*arguments: str) -> float:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
