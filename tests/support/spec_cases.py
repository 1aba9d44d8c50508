"""Documents at the edges of the API's rules, each with whether it is to be accepted.

One table for both keepers of the rules: the models (unit tests), the API server (contract tests).
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

ABSENT = object()
"""As a value: take the field away."""


@dataclass(frozen=True)
class Case:
    """A document that differs from a good one in one field."""

    id: str
    document: Json
    accepted: bool


def built_in() -> Json:
    """The least TrainingJob with the built-in loop."""
    return {
        "apiVersion": "quartermaster.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "spec-case"},
        "spec": {
            "model": {"factory": "qm_trainer.zoo:mlp"},
            "dataset": {"uri": "builtin://digits"},
        },
    }


def script() -> Json:
    """The least TrainingJob with a script of one's own."""
    return built_in() | {"spec": {"trainer": {"command": ["torchrun", "/workspace/train.py"]}}}


def pool() -> Json:
    """The least ComputePool."""
    return {
        "apiVersion": "quartermaster.dev/v1alpha1",
        "kind": "ComputePool",
        "metadata": {"name": "spec-case"},
        "spec": {},
    }


def queue() -> Json:
    """The least ComputeQueue."""
    return pool() | {"kind": "ComputeQueue"}


def budget() -> Json:
    """The least Budget."""
    return pool() | {"kind": "Budget", "spec": {"amount": "100"}}


def child_queue() -> Json:
    """The least ComputeQueue that is a part of another one."""
    return queue() | {"spec": {"parent": "lab"}}


def with_value(document: Json, path: str, value: object) -> Json:
    """A copy of the document with another value at a dotted path."""
    changed = deepcopy(document)
    *parents, last = path.split(".")
    place = changed
    for parent in parents:
        place = place.setdefault(parent, {})
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return changed


_DOC = {
    "built_in": built_in,
    "script": script,
    "pool": pool,
    "queue": queue,
    "child_queue": child_queue,
    "budget": budget,
}

# base, path, values that are accepted, values that are refused
ON_PREMISES = {
    "usdPerGpu": "30000", "depreciationYears": "4", "wattsPerGpu": 1000,
    "usdPerKilowattHour": "0.12",
}  # fmt: skip
_TABLE: tuple[tuple[str, str, tuple[object, ...], tuple[object, ...]], ...] = (
    (
        "built_in",
        "metadata.name",
        ("a", "a-1", "n" * 52),
        ("n" * 53, "1a", "a.b", "-a", "a-", "A", "a_b", "\uff41"),
    ),
    (
        "built_in",
        "spec.model.factory",
        ("m:f", "a.b_c.D1:f", "_m:_f"),
        (
            "m",
            "m:",
            ":f",
            "m:f:g",
            "m..n:f",
            "1m:f",
            "m:f()",
            "m/n:f",
            "m:f\n",
            "m\u200b:f",
            "\uff4d:f",
        ),
    ),
    ("built_in", "spec.model.factory", ("m:" + "f" * 251,), ("m:" + "f" * 252, "", 7)),
    (
        "built_in",
        "spec.model.args",
        ({}, {"a": 1, "b": [1.5, {"c": None}]}, {f"a{i}": i for i in range(32)}),
        ({f"a{i}": i for i in range(33)}, [1], "a=1"),
    ),
    (
        "built_in",
        "spec.dataset.uri",
        ("builtin://digits", "file:///a b/ü.npz", "python://my.data:read", "file:///" + "a" * 1016),
        ("builtin://", "file://a/b", "s3://b/k", "python://my.data", "digits", "", " file:///a"),
    ),
    ("built_in", "spec.dataset.uri", (), ("file:///" + "a" * 1017, "file:///a\x00b")),
    ("built_in", "spec.dataset", (), (ABSENT, {}, {"url": "builtin://digits"})),
    ("built_in", "spec.model", (), (ABSENT, {}, {"factory": "m:f", "name": "x"})),
    ("built_in", "spec.trainer.command", ([],), (["python"], [""], "python", [1])),
    ("built_in", "spec.trainer.args", ([],), (["--fast"],)),
    ("script", "spec.model", (), ({"factory": "m:f"},)),
    ("script", "spec.dataset", (), ({"uri": "builtin://digits"},)),
    ("script", "spec.trainer.command", (["a"] * 32, ["x" * 4096]), ([], ["a"] * 33, ["x" * 4097])),
    ("script", "spec.trainer.command", ([" ", "ü"],), (["a\x00"], ABSENT)),
    ("script", "spec.trainer.args", ([], [""], ["a"] * 64), (["a"] * 65, ["a\x00"], [None])),
    ("script", "spec.trainer.workers", (1, 1024), (0, -1, 1025, "2", 1.5, True, {"min": 1})),
    ("script", "spec.trainer.minWorkers", (1,), (0, -1, 1025, "1", 1.5, 3)),
    (
        "script",
        "spec.trainer.image",
        ("", "python", "r.example.com:5000/a/b:1.2", "a@sha256:" + "0" * 64),
        (" a", "a b", "-a", "a\n", "a" * 513, "\uff41"),
    ),
    (
        "script",
        "spec.trainer.env",
        ([], [{"name": "A"}], [{"name": "_a1", "value": ""}, {"name": "MY_QM_", "value": "ü\n"}]),
        (
            [{"name": "QM_RUN_DIR"}],
            [{"name": "PET_NNODES"}],
            [{"name": "1A"}],
            [{"name": "A-B"}],
            [{"name": ""}],
            [{"name": "A"}, {"name": "A"}],
            [{"value": "x"}],
            [{"name": "A", "value": 1}],
            [{"name": "A", "value": "\x00"}],
            [{"name": f"A{i}"} for i in range(65)],
        ),
    ),
    (
        "script",
        "spec.trainer.code",
        ({"configMapName": "a.b-c"},),
        ({}, {"configMapName": ""}, {"configMapName": "../a"}, {"configMapName": "a..b"}, "a"),
    ),
    (
        "script",
        "spec.trainer.resourcesPerWorker.cpu",
        ("1", "500m", "1.5", "0.001", "0.5", "0.25", "64"),
        ("0", "0.0", "-1", "abc", "1.", ".5", "1.2345", "1M", "0500m", "", 2, "1\n", "9" * 17),
    ),
    (
        "script",
        "spec.trainer.resourcesPerWorker.memory",
        ("16Mi", "16777216", "16777216k", "17M", "4Gi", "1Ti", "999999999999Ti"),
        ("16777215", "16383Ki", "16M", "4", "4GB", "-4Gi", "0Gi", "4gi", "4.5Gi", "", 4, "4 Gi"),
    ),
    (
        "script",
        "spec.trainer.resourcesPerWorker.gpus",
        (0, 64),
        (-1, 65, 0.5, "1", True),
    ),
    (
        "script",
        "spec.trainer.resourcesPerWorker.gpuResource",
        ("nvidia.com/gpu", "amd.com/gpu", "habana.ai/gaudi"),
        ("amd", "", "gpu.intel.com/xe", "example.com/gpu", 1),
    ),
    (
        "built_in",
        "spec.trainer.resourcesPerWorker.gpuPartition",
        ("1g.10gb", "3g.40gb", "7g.141gb", "shared", "shared-gpu"),
        ("", "1g.11gb", "1G.10GB", "mig-1g.10gb", "nvidia.com/gpu.shared", "half", "1g.10gb\n", 1),
    ),
    (
        "script",
        "spec.trainer.resourcesPerWorker",
        (
            {"gpus": 2, "gpuPartition": "1g.5gb"},
            {"gpuPartition": "shared", "cpu": "2"},
            {"gpus": 2, "deviceClass": "gpu.nvidia.com"},
        ),
        (
            {"gpus": 0, "gpuPartition": "shared"},
            {"gpus": 0, "deviceClass": "gpu.nvidia.com"},
            {"deviceClass": "gpu.nvidia.com", "gpuPartition": "shared"},
            {"deviceClass": "gpu.nvidia.com", "gpuResource": "amd.com/gpu"},
            {"deviceClass": "GPU of mine"},
        ),
    ),
    (
        "built_in",
        "spec.trainer",
        (
            {"resourcesPerWorker": {"gpuResource": "amd.com/gpu"}},
            {"resourcesPerWorker": {"gpuPartition": "shared"}},
            {"workers": 1, "resourcesPerWorker": {"gpus": 1, "gpuPartition": "2g.20gb"}},
        ),
        (
            {"resourcesPerWorker": {"gpuResource": "habana.ai/gaudi"}},
            {"resourcesPerWorker": {"gpuResource": "amd.com/gpu", "gpuPartition": "shared"}},
            {"workers": 2, "resourcesPerWorker": {"gpuPartition": "shared"}},
            {"resourcesPerWorker": {"gpus": 2, "gpuPartition": "2g.20gb"}},
        ),
    ),
    ("script", "spec.trainer.precision", ("Auto", "FP32", "BF16"), ("fp32", "FP8", "", 1)),
    (
        "script",
        "spec.trainer.strategy",
        ({}, {"mode": "DDP"}, {"shards": 1, "tensorParallel": 1}),
        (
            {"mode": "ddp"},
            "DDP",
            {"shards": 2},
            {"tensorParallel": 2},
            {"mode": "DDP", "shards": 1},
        ),
    ),
    ("script", "spec.trainer.strategy.shards", (1,), (0, -1, 8193, "1", 1.5, True)),
    ("script", "spec.trainer.strategy.tensorParallel", (1,), (0, -1, 65, "1", 1.5, True)),
    (
        "built_in",
        "spec.trainer",
        (
            {"workers": 4, "strategy": {"tensorParallel": 2, "shards": 2}},
            {
                "workers": 2,
                "resourcesPerWorker": {"gpus": 4},
                "strategy": {"mode": "DDP", "tensorParallel": 8},
            },
            {
                "workers": 3,
                "minWorkers": 2,
                "resourcesPerWorker": {"gpus": 4},
                "strategy": {"mode": "FSDP", "shards": 4},
            },
        ),
        (
            {"workers": 4, "strategy": {"tensorParallel": 3}},
            {"workers": 4, "strategy": {"tensorParallel": 4, "shards": 2}},
            {"workers": 4, "minWorkers": 2, "strategy": {"tensorParallel": 2}},
        ),
    ),
    ("script", "spec.trainer.epochs", (1, 100_000), (0, 100_001, "3")),
    ("script", "spec.trainer.batchSize", (1, 1_000_000), (0, 1_000_001)),
    ("script", "spec.trainer.seed", (0, 2_147_483_647), (-1, 2_147_483_648)),
    (
        "script",
        "spec.trainer.learningRate",
        ("1", "0.001", "0.000000001", "00.10", "10"),
        ("0", "0.0", "00", "-1", "1e-3", "NaN", "inf", "fast", "", ".5", "0.0000000001", 0.1),
    ),
    ("script", "spec.placement.capacityType", ("Auto", "Spot", "OnDemand"), ("spot", "On-Demand")),
    (
        "script",
        "spec.placement.accelerators",
        ([], ["NVIDIA-A100-SXM4-40GB"], ["a" * 63], ["a"] * 32),
        (["a" * 64], ["-a"], ["a b"], ["a"] * 33, "a"),
    ),
    ("script", "spec.placement.pools", ([], ["aws.east"]), (["AWS"], [""], ["a/b"], ["a"] * 33)),
    ("script", "spec.placement.defragment", (True, False), ("yes", 1)),
    (
        "script",
        "spec.placement.topology",
        (
            {},
            {"mode": "Unconstrained"},
            {"mode": "Required", "level": "topology.kubernetes.io/zone"},
            {"level": "rack"},
        ),
        (
            {"mode": "Unconstrained", "level": "rack"},
            {"mode": "Exact"},
            {"level": ""},
            {"level": "a b"},
            {"level": "a/b/c"},
            {"level": "A.b/c"},
            {"level": "a" * 64},
        ),
    ),
    (
        "script",
        "spec.checkpoint.uri",
        ("pvc://a", "pvc://a/", "pvc://a.b/c/d.e/", "pvc://a/_x-1"),
        ("pvc://", "pvc://A", "gs://a", "pvc://a/../b", "pvc://a/.b", "pvc://a//b", "pvc://a b"),
    ),
    (
        "built_in",
        "spec.checkpoint.uri",
        ("s3://abc", "s3://my.bucket-1/a/b.c/", "s3://" + "b" * 63),
        (
            "s3://",
            "s3://ab",
            "s3://Abc",
            "s3://-bc",
            "s3://" + "b" * 64,
            "s3://abc/../d",
            "gs://abc",
        ),
    ),
    ("script", "spec.checkpoint.uri", (), ("s3://abc/run",)),
    (
        "built_in",
        "spec.checkpoint",
        ({"uri": "s3://abc", "secretName": "keys"}, {"uri": "s3://abc"}),
        (
            {"secretName": "keys"},
            {"uri": "pvc://a", "secretName": "keys"},
            {"uri": "s3://abc", "secretName": "Keys"},
            {"uri": "s3://abc", "storageClassName": "fast"},
        ),
    ),
    ("script", "spec.checkpoint.size", ("1Mi", "10Gi"), ("0", "1", "1023Ki", "1Pi", "ten")),
    (
        "script",
        "spec.checkpoint",
        ({"storageClassName": "fast"}, {"uri": "pvc://a", "size": "1Gi"}),
        ({"uri": "pvc://a", "storageClassName": "fast"}, {"storageClassName": "Fast"}),
    ),
    ("script", "spec.checkpoint.periodSeconds", (1, 86_400), (0, 86_401, "60")),
    ("script", "spec.checkpoint.keep", (1, 100), (0, 101)),
    ("script", "spec.failurePolicy.maxRestarts", (0, 100), (-1, 101)),
    ("script", "spec.failurePolicy", ({},), ({"rules": []},)),
    ("script", "spec.suspend", (True, False), ("true", 1)),
    ("script", "spec.priority", (-1_000_000, 1_000_000), (-1_000_001, 1_000_001, "high")),
    ("script", "spec.activeDeadlineSeconds", (1, 31_536_000), (0, 31_536_001)),
    ("script", "spec.ttlSecondsAfterFinished", (0, 31_536_000), (-1, 31_536_001)),
    (
        "script",
        "spec.managedBy",
        ("a.b/c", "a/B.c-1"),
        ("me", "a.b/", "/c", "A.b/c", "a.b/c d", ""),
    ),
    ("script", "spec.nodeSelector", (), ({"a": "b"},)),
    ("pool", "spec", ({},), (ABSENT, [])),
    (
        "pool",
        "spec.nodeSelector",
        ({}, {"a.b/c": "d"}, {"a": ""}, {f"a{i}": "" for i in range(32)}),
        ({"a b": ""}, {"a": "b c"}, {"": "a"}, {"a" * 64: ""}, {f"a{i}": "" for i in range(33)}),
    ),
    ("pool", "spec.topologyLevels", ([], ["rack"]), (["a b"], [""], ["a"] * 9)),
    (
        "pool",
        "spec",
        (
            {"topologyLevels": ["a.b/zone", "a.b/rack"], "topologyLinks": []},
            {"topologyLinks": [{"level": "kubernetes.io/hostname", "gigabitsPerSecond": 1}]},
            {
                "topologyLevels": ["a.b/zone", "a.b/rack"],
                "topologyLinks": [
                    {"level": "kubernetes.io/hostname", "gigabitsPerSecond": 400},
                    {"level": "a.b/rack", "gigabitsPerSecond": 100, "latencyMicroseconds": 0},
                    {"level": "a.b/zone", "gigabitsPerSecond": 100, "latencyMicroseconds": 9},
                ],
            },
            {
                "topologyLevels": [f"l{n}" for n in range(8)],
                "topologyLinks": [
                    {"level": level, "gigabitsPerSecond": 1_000_000}
                    for level in (*(f"l{n}" for n in range(8)), "kubernetes.io/hostname")
                ],
            },
        ),
        (
            {"topologyLinks": [{"level": "rack", "gigabitsPerSecond": 1}]},
            {
                "topologyLevels": ["zone", "rack"],
                "topologyLinks": [
                    {"level": "zone", "gigabitsPerSecond": 100},
                    {"level": "rack", "gigabitsPerSecond": 99},
                ],
            },
            {
                "topologyLevels": ["zone", "rack"],
                "topologyLinks": [
                    {"level": "rack", "gigabitsPerSecond": 99, "latencyMicroseconds": 9},
                    {"level": "zone", "gigabitsPerSecond": 9, "latencyMicroseconds": 8},
                ],
            },
            {
                "topologyLevels": ["rack"],
                "topologyLinks": [
                    {"level": "kubernetes.io/hostname", "gigabitsPerSecond": 9},
                    {"level": "rack", "gigabitsPerSecond": 10},
                ],
            },
        ),
    ),
    (
        "pool",
        "spec.topologyLinks",
        ([],),
        (
            [{}],
            [{"level": "kubernetes.io/hostname"}],
            [{"gigabitsPerSecond": 1}],
            [{"level": "kubernetes.io/hostname", "gigabitsPerSecond": 0}],
            [{"level": "kubernetes.io/hostname", "gigabitsPerSecond": -1}],
            [{"level": "kubernetes.io/hostname", "gigabitsPerSecond": 0.5}],
            [{"level": "kubernetes.io/hostname", "gigabitsPerSecond": "10"}],
            [{"level": "kubernetes.io/hostname", "gigabitsPerSecond": 1_000_001}],
            [
                {
                    "level": "kubernetes.io/hostname",
                    "gigabitsPerSecond": 1,
                    "latencyMicroseconds": -1,
                }
            ],
            [{"level": "kubernetes.io/hostname", "gigabitsPerSecond": 1}] * 2,
        ),
    ),
    (
        "pool",
        "spec.prices",
        (
            [],
            [{"usdPerNodeHour": "1"}],
            [{"usdPerGpuHour": "0.000000001", "capacityType": "Spot", "instanceType": "g5.xlarge"}],
        ),
        (
            [{}],
            [{"usdPerNodeHour": "1", "usdPerGpuHour": "1"}],
            [{"usdPerNodeHour": "-1"}],
            [{"usdPerNodeHour": 1}],
            [{"usdPerNodeHour": "1", "capacityType": "spot"}],
            [{"usdPerNodeHour": "1"}] * 257,
        ),
    ),
    (
        "pool",
        "spec.tolerations",
        ([{"key": "a"}], [{"key": "a", "operator": "Equal", "value": "b"}], [{"key": "a"}] * 16),
        ([{}], [{"key": "a", "value": "b"}], [{"key": "a", "operator": "In"}], [{"key": "a"}] * 17),
    ),
    (
        "pool",
        "spec.onPremises",
        (
            [],
            [ON_PREMISES],
            [{**ON_PREMISES, "accelerator": "NVIDIA-L4", "utilizationPercent": 1}] * 64,
            [{**ON_PREMISES, "usdPerGpu": "0", "wattsPerGpu": 0, "depreciationYears": "0.5"}],
        ),
        (
            [{}],
            [{**ON_PREMISES, "usdPerGpu": 30_000}],
            [{**ON_PREMISES, "usdPerGpu": "-1"}],
            [{**ON_PREMISES, "depreciationYears": "0"}],
            [{**ON_PREMISES, "depreciationYears": "four"}],
            [{**ON_PREMISES, "wattsPerGpu": -1}],
            [{**ON_PREMISES, "wattsPerGpu": 0.5}],
            [{**ON_PREMISES, "wattsPerGpu": 100_001}],
            [{**ON_PREMISES, "utilizationPercent": 0}],
            [{**ON_PREMISES, "utilizationPercent": 101}],
            [{"usdPerGpu": "1"}],
            [ON_PREMISES] * 65,
        ),
    ),
    ("pool", "spec.priceSource", ("", "ü" * 200), ("a" * 201,)),
    ("queue", "metadata.name", ("a", "a.b", "q" * 63), ("q" * 64,)),
    ("queue", "spec", ({},), (ABSENT, [], {"cohort": "a"})),
    ("queue", "spec.parent", ("lab", "a.b"), ("Lab", "", "a/b", 7)),
    (
        "queue",
        "spec.weight",
        ("1", "0.000000001", "2.5"),
        ("0", "0.0", "-1", "a", "", 1, "1e3", "9" * 25),
    ),
    (
        "queue",
        "spec.nominalQuota",
        (
            [],
            [{"accelerator": "Tesla-T4", "gpus": 0}],
            [{"accelerator": "unknown", "gpus": 1_000_000}, {"accelerator": "Tesla-T4", "gpus": 1}],
            [{"accelerator": f"m{i}", "gpus": 1} for i in range(64)],
        ),
        (
            [{"accelerator": "Tesla-T4"}],
            [{"gpus": 1}],
            [{"accelerator": "", "gpus": 1}],
            [{"accelerator": "Tesla T4", "gpus": 1}],
            [{"accelerator": "a" * 64, "gpus": 1}],
            [{"accelerator": "Tesla-T4", "gpus": -1}],
            [{"accelerator": "Tesla-T4", "gpus": 1_000_001}],
            [{"accelerator": "Tesla-T4", "gpus": "8"}],
            [{"accelerator": "Tesla-T4", "gpus": 1}, {"accelerator": "Tesla-T4", "gpus": 2}],
            [{"accelerator": f"m{i}", "gpus": 1} for i in range(65)],
        ),
    ),
    ("queue", "spec.borrowingLimit", (), (0, 1)),
    ("queue", "spec.lendingLimit", (), (0, 1)),
    ("child_queue", "spec.borrowingLimit", (0, 1_000_000), (-1, 1_000_001, "4")),
    ("child_queue", "spec.lendingLimit", (0, 1_000_000), (-1, 1_000_001, 0.5)),
    (
        "queue",
        "spec.preemption",
        ({}, {"reclaimWithinCohort": "Any", "withinQueue": "LowerPriority"}),
        ({"reclaimWithinCohort": "Always"}, {"withinQueue": "Any"}, {"borrowWithinCohort": {}}),
    ),
    (
        "queue",
        "spec.namespaceSelector",
        ({}, {"kubernetes.io/metadata.name": "team-a"}),
        ({"a b": ""}, {"a": "b c"}, {f"a{i}": "" for i in range(33)}),
    ),
    ("budget", "spec", ({"amount": "1"},), (ABSENT, {}, [], {"amount": "1", "limit": "1"})),
    (
        "budget",
        "spec.amount",
        ("0.000000001", "5.00", "9" * 24),
        (ABSENT, "0", "0.00", "-5", "5 USD", "", 5, "1e3", "9" * 25),
    ),
    ("budget", "spec.period", ("Day", "Week", "Month", "Total"), ("Year", "month", "", 30)),
    (
        "budget",
        "spec.selector",
        ({}, {"queue": "research"}, {"matchLabels": {"team": "a", "cost/centre": ""}}),
        (
            {"queue": "Research"},
            {"queue": ""},
            {"labels": {"team": "a"}},
            {"matchLabels": {"a b": ""}},
            {"matchLabels": {f"a{i}": "" for i in range(33)}},
        ),
    ),
    (
        "budget",
        "spec.thresholds",
        (
            [],
            [{"percent": 1, "action": "Notify"}, {"percent": 200, "action": "Suspend"}],
            [{"percent": 100, "action": "BlockNew"}, {"percent": 100, "action": "SpotOnly"}],
            [{"percent": 10 * i, "action": "Notify"} for i in range(1, 9)],
        ),
        (
            [{"percent": 0, "action": "Notify"}],
            [{"percent": 201, "action": "Notify"}],
            [{"percent": "50", "action": "Notify"}],
            [{"percent": 50.5, "action": "Notify"}],
            [{"percent": 50}],
            [{"action": "Notify"}],
            [{"percent": 50, "action": "Delete"}],
            [{"percent": 50, "action": "Notify"}] * 2,
            [{"percent": 10 * i, "action": "Notify"} for i in range(1, 10)],
        ),
    ),
    ("budget", "spec.suspend", (True, False), ("true", 1)),
    (
        "built_in",
        "spec.budget",
        ({"limit": "5.00"}, {"limit": "0.01", "onExceeded": "Notify"}),
        (
            {},
            {"limit": "0"},
            {"limit": 5},
            {"limit": "-1"},
            {"limit": "5", "onExceeded": "Delete"},
            {"amount": "5"},
        ),
    ),
)


def _cases() -> Iterator[Case]:
    for row, (base, path, good, bad) in enumerate(_TABLE):
        for accepted, values in ((True, good), (False, bad)):
            for value in values:
                text = "absent" if value is ABSENT else ascii(value)[:40]
                verdict = "accepted" if accepted else "refused"
                name = f"{row}-{base}-{path}-{text}-{verdict}"
                yield Case(name, with_value(_DOC[base](), path, value), accepted)


CASES = tuple(_cases())
"""Every row of the table, a case for each value."""
