"""Objects as an API server sends them, with defaults for what a test is not about."""

from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]

NOW = datetime(2026, 11, 23, 10, 0, 0, tzinfo=UTC)
"""The tests' present."""


def before(seconds: float) -> str:
    """A time so long before the present, as Kubernetes writes it."""
    return (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def training_job(
    name: str = "digits",
    *,
    namespace: str = "team-a",
    spec: Json | None = None,
    status: Json | None = None,
    age_s: float = 600,
    generation: int = 1,
) -> Json:
    return {
        "apiVersion": "quartermaster.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{namespace}-{name}",
            "generation": generation,
            "creationTimestamp": before(age_s),
        },
        "spec": {
            "model": {"factory": "qm_trainer.zoo:resnet"},
            "dataset": {"uri": "builtin://digits"},
            "trainer": {"workers": 2, "epochs": 3, "resourcesPerWorker": {"gpus": 1}},
            **(spec or {}),
        },
        **({"status": status} if status is not None else {}),
    }


def condition(kind: str, status: str, reason: str, message: str = "", age_s: float = 300) -> Json:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": before(age_s),
    }


def running_status(**changes: Any) -> Json:
    return {
        "observedGeneration": 1,
        "state": "Running",
        "workers": "2/2",
        "startTime": before(540),
        "conditions": [
            condition("Placed", "True", "Placed", "2 of 2 workers are bound", 560),
            condition("Running", "True", "AllWorkersRunning", "", 540),
        ],
        "progress": {
            "summary": "45% 270/600",
            "percentage": 45,
            "step": 270,
            "totalSteps": 600,
            "epoch": 2,
            "remaining": "38s",
            "estimatedCompletionTime": before(-38),
            "loss": "0.31",
            "samplesPerSecond": "812.5",
            "metrics": {"accuracy": "0.93"},
            "lastReportTime": before(2),
        },
        "profile": profile(),
        "placement": {
            "accelerator": "NVIDIA-A100-SXM4-80GB",
            "nodes": ["node-1", "node-2"],
            "nodeCount": 2,
            "capacityType": "Spot",
            "pool": "research",
            "topologyLevel": "topology.kubernetes.io/zone",
            "reason": "2 x A100 in zone z1, spot, 3.91 USD/h: the cheapest whole gang.",
            "rejected": [
                {"candidate": "2 x L4 OnDemand", "reason": "4.20 USD/h, 7 % dearer"},
                {"candidate": "2 x A100 zone z2", "reason": "1 of 2 GPUs free"},
            ],
        },
        "cost": {
            "total": "0.5865",
            "ratePerHour": "3.91",
            "forecast": "0.6278",
            "parts": {
                "Useful": "0.5015",
                "Rework": "0.0300",
                "Recovery": "0.0250",
                "Other": "0.03",
            },
            "lostWork": "0.0850",
            "onDemandEquivalent": "1.3600",
            "netSpotSavings": "0.7735",
            "currency": "USD",
            "priceSource": "research: list of 2026-11-01",
        },
        "goodput": {"restarts": 1, "interruptions": 1},
        "checkpoint": {"step": 200, "time": before(60), "uri": "pvc://digits-artifacts/digits"},
        **changes,
    }


def profile(**changes: Any) -> Json:
    return {
        "bound": "Compute",
        "stepSeconds": "0.0384",
        "computeFraction": "0.712",
        "communicationFraction": "0.210",
        "dataWaitFraction": "0.078",
        "samplesPerSecond": "812.5",
        "arithmeticIntensity": "34.71",
        "flopsPerStep": "1260896256",
        "memoryTrafficPerStep": "36326960",
        "synchronisedPerStep": "2782640",
        "memoryPerWorker": "718Mi",
        "memoryKind": "Device",
        "processes": 2,
        "precision": "BF16",
        "accelerator": "NVIDIA-A100-SXM4-80GB",
        "source": "Measured",
        "fromJob": "",
        "fingerprint": "c1bc4abdb0cba9c8",
        **changes,
    }


def waiting_status(**changes: Any) -> Json:
    message = "needs 2 x 1 GPU, 1 GPU is free: waits until job vision ends or a node is added"
    return {
        "observedGeneration": 1,
        "state": "Waiting",
        "workers": "0/2",
        "conditions": [condition("Placed", "False", "InsufficientGpus", message, 420)],
        "placement": {
            "reason": message,
            "rejected": [{"candidate": "pool research", "reason": "1 of 2 GPUs free"}],
        },
        **changes,
    }


def failed_status(**changes: Any) -> Json:
    message = "worker 1: ConfigError: model.factory 'zoo:resnt' not found; did you mean 'resnet'?"
    return {
        "observedGeneration": 1,
        "state": "Failed",
        "workers": "0/2",
        "startTime": before(500),
        "completionTime": before(480),
        "conditions": [condition("Failed", "True", "ConfigError", message, 480)],
        "cost": {"total": "0.0210", "ratePerHour": "0", "currency": "USD", "priceSource": "list"},
        **changes,
    }


def complete_status(**changes: Any) -> Json:
    return {
        "observedGeneration": 1,
        "state": "Complete",
        "workers": "0/2",
        "startTime": before(7200),
        "completionTime": before(3600),
        "conditions": [condition("Complete", "True", "Complete", "", 3600)],
        "progress": {"percentage": 100, "step": 600, "totalSteps": 600, "epoch": 3, "loss": "0.02"},
        "cost": {"total": "3.9100", "ratePerHour": "0", "currency": "USD", "priceSource": "list"},
        "result": {"modelUri": "pvc://digits-artifacts/digits/model", "durationSeconds": 3600},
        **changes,
    }


def prediction(**changes: Any) -> Json:
    """As the operator writes it; None takes a field away."""
    told = {
        "time": before(7300),
        "basis": "Profile",
        "fromJob": "bert-small",
        "stepSeconds": "5",
        "steps": 600,
        "durationSeconds": 3000,
        "usdPerHour": "3.910000000",
        "cost": "3.2583",
        **changes,
    }
    return {name: value for name, value in told.items() if value is not None}


def outcome(**changes: Any) -> Json:
    """Of the job above; None takes a field away."""
    told = {
        "durationSeconds": 3600,
        "cost": "3.9100",
        "stepSeconds": "5.2",
        "durationRatio": "1.200",
        "costRatio": "1.200",
        "stepRatio": "1.040",
        "causes": [
            {"cause": "Interruptions", "seconds": 400},
            {"cause": "Steps", "seconds": 120},
            {"cause": "Starting", "seconds": 80},
        ],
        **changes,
    }
    return {name: value for name, value in told.items() if value is not None}


def pod(
    index: int = 0,
    *,
    job: Json | None = None,
    name: str = "",
    node: str = "node-1",
    status: Json | None = None,
    age_s: float = 560,
) -> Json:
    meta = (job or training_job())["metadata"]
    name = name or f"{meta['name']}-{index}-abcde"
    return {
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "uid": f"uid-{name}",
            "creationTimestamp": before(age_s),
            "labels": {
                "quartermaster.dev/job-name": meta["name"],
                "quartermaster.dev/job-uid": meta["uid"],
                "batch.kubernetes.io/job-completion-index": str(index),
            },
        },
        "spec": {"nodeName": node},
        "status": status if status is not None else running_pod(),
    }


def running_pod(restarts: int = 0, **container: Any) -> Json:
    state = {"state": {"running": {"startedAt": before(540)}}}
    return {
        "phase": "Running",
        "containerStatuses": [{"name": "trainer", "restartCount": restarts, **state, **container}],
    }


def ended_pod(exit_code: int, message: str = "", reason: str = "") -> Json:
    terminated = {
        "exitCode": exit_code,
        "reason": reason or ("Completed" if exit_code == 0 else "Error"),
        "message": message,
        "startedAt": before(540),
        "finishedAt": before(480),
    }
    return {
        "phase": "Succeeded" if exit_code == 0 else "Failed",
        "containerStatuses": [
            {"name": "trainer", "restartCount": 0, "state": {"terminated": terminated}}
        ],
    }


def event(uid: str, reason: str, message: str, *, age_s: float = 60, **fields: Any) -> Json:
    return {
        "involvedObject": {"uid": uid},
        "type": "Normal",
        "reason": reason,
        "message": message,
        "lastTimestamp": before(age_s),
        **fields,
    }


def queue(name: str = "research", *, spec: Json | None = None, status: Json | None = None) -> Json:
    return {
        "metadata": {"name": name, "creationTimestamp": before(86_400)},
        "spec": {"weight": "1", **(spec or {})},
        **({"status": status} if status is not None else {}),
    }


def budget(
    name: str = "research",
    namespace: str = "team-a",
    *,
    spec: Json | None = None,
    status: Json | None = None,
) -> Json:
    return {
        "apiVersion": "quartermaster.dev/v1alpha1",
        "kind": "Budget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"amount": "100.00", "period": "Month", **(spec or {})},
        "status": status or {},
    }


def pool(name: str = "research", *, spec: Json | None = None, status: Json | None = None) -> Json:
    return {
        "metadata": {"name": name, "creationTimestamp": before(86_400)},
        "spec": {
            "nodeSelector": {"pool": name},
            "prices": [
                {
                    "accelerator": "NVIDIA-A100-SXM4-80GB",
                    "capacityType": "Spot",
                    "usdPerGpuHour": "1.955",
                },
                {"instanceType": "g6.xlarge", "capacityType": "Auto", "usdPerNodeHour": "0.8048"},
            ],
            "priceSource": "list of 2026-11-01",
            **(spec or {}),
        },
        **({"status": status} if status is not None else {}),
    }
