"""What interruptions cost a real training, on the development cluster.

    make bench-interruptions          (python -m benchmarks.interruptions)

A job of the built-in trainer is interrupted twenty times by the sign that a spot node is taken
away. Beside it on the same machine the same training runs in a pod of its own, which nobody
interrupts: how many steps either makes in the same time is the goodput. How many steps were lost is
what the run itself says: after which step it saved when it was told to go, and after which step its
next life went on. Then the job is evicted some times, which Kubernetes answers more slowly. Nothing
else may run on the cluster.
"""

import argparse
import asyncio
import os
import re
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kubernetes.aio.client.api.core_v1_api import CoreV1Api
from kubernetes.aio.client.exceptions import ApiException as ClientError

from benchmarks.machine import RESULTS, commit, machine
from quartermaster.adapters.kube import MERGE_PATCH, ApiError, KubeClient, connect
from quartermaster.errors import ClusterError
from tests.support.stage import digits_job

Json = dict[str, Any]

JOBS = "/apis/quartermaster.dev/v1alpha1/namespaces/{}/trainingjobs"
PODS = "/api/v1/namespaces/{}/pods"
CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"
NODE = "/api/v1/nodes/{}"
NOTICE = "aws-node-termination-handler/spot-itn"
EVERY_S = 125.0
"""So long a life steps before it is interrupted [s]."""
EVICTED_AFTER_S = 10.0
"""So long it steps before it is evicted [s]."""
ENOUGH_EPOCHS = 100_000
"""More than anybody waits for; the measurement ends by itself."""
PATIENCE_S = 120.0
SAVED = re.compile(r"state saved after step (\d+) of (\d+)")
RESUMED = re.compile(r"resuming after step (\d+)")
STEPPED = re.compile(r"^(\S+) \S+ step (\d+)/", re.MULTILINE)
"""A line of progress in a log with times."""
TARGET = 0.95
"""Of the goodput of a run that nobody interrupts."""


PACED = """\
import time

from torch import nn

from qm_trainer import zoo


class Paced(nn.Module):
    def __init__(self, seconds):
        super().__init__()
        self.inner, self.seconds = zoo.resnet(), seconds

    def forward(self, x):
        time.sleep(self.seconds if self.training else 0.0)
        return self.inner(x)


def resnet(seconds):
    return Paced(seconds)
"""
"""A step takes its time, as one on a GPU does, and leaves the processors to whatever starts."""
STEP_S = 0.1
"""So long it rests [s]."""


def code() -> Json:
    """What the job brings along."""
    return {"metadata": {"name": "paced"}, "data": {"paced.py": PACED}}


def training_job(name: str) -> Json:
    """A small convolutional network on handwritten digits, on one GPU's node."""
    checkpoint = {"size": "1Gi", "periodSeconds": 15}
    job = digits_job(name, ENOUGH_EPOCHS, checkpoint=checkpoint, failurePolicy={"maxRestarts": 100})
    job["spec"]["trainer"] |= {"workers": 1, "code": {"configMapName": "paced"}}
    job["spec"]["model"] = {"factory": "paced:resnet", "args": {"seconds": STEP_S}}
    return job


@dataclass
class Interruption:
    """One of them."""

    kind: str
    told: float
    """When the sign was set or the eviction asked for [s since 1970]."""
    ended: float = 0.0
    """When it was told that the container had ended."""
    stepped: float = 0.0
    """When the next life made its first step."""
    saved: int = 0
    """The step after which the state was saved."""
    resumed: int = 0
    """The step after which the next life went on."""

    @property
    def lost(self) -> int:
        """Steps that were made and count for nothing [count]."""
        return self.saved - self.resumed


def undisturbed_pod(worker: Json) -> Json:
    """The same training as a worker's, in a pod that belongs to no job and is left alone."""
    container = worker["spec"]["containers"][0]
    kept = {"QM_CONFIG", "OMP_NUM_THREADS", "HOME", "PYTHONPATH"}
    code = [each for each in worker["spec"]["volumes"] if "configMap" in each]
    mounts = [
        each
        for each in container["volumeMounts"]
        if each["name"] in {"artifacts", "tmp", *(volume["name"] for volume in code)}
    ]
    asked = container["resources"]["requests"]
    amounts = {name: asked[name] for name in ("cpu", "memory")}
    return {
        "metadata": {"name": "undisturbed"},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "nodeName": worker["spec"]["nodeName"],
            "securityContext": worker["spec"]["securityContext"],
            "containers": [
                {
                    "name": "trainer",
                    "image": container["image"],
                    "command": container["command"],
                    "env": [each for each in container["env"] if each["name"] in kept]
                    + [{"name": "QM_RUN_DIR", "value": "/artifacts/run"}],
                    "resources": {"requests": amounts, "limits": {"memory": amounts["memory"]}},
                    "securityContext": container["securityContext"],
                    "volumeMounts": mounts,
                }
            ],
            "volumes": [*({"name": name, "emptyDir": {}} for name in ("artifacts", "tmp")), *code],
        },
    }


@dataclass(frozen=True)
class Reading:
    """How far a run was at a moment."""

    at: float
    """[s since 1970]"""
    step: int


@dataclass(frozen=True)
class Window:
    """The steps of one run between two moments."""

    first: Reading
    last: Reading

    @property
    def steps(self) -> int:
        """Steps [count]."""
        return self.last.step - self.first.step

    @property
    def seconds(self) -> float:
        """Time between the two [s]."""
        return self.last.at - self.first.at

    @property
    def steps_per_second(self) -> float:
        """Mean speed [1/s]."""
        return self.steps / self.seconds


@dataclass
class Found:
    """What was measured."""

    undisturbed: Window
    disturbed: Window
    reclaims: list[Interruption]
    evictions: list[Interruption]
    goodput: Json
    """What the job's status says after the reclaims."""
    microseconds: Json
    """What pod time went into by then, as the job's status says [us]."""

    @property
    def ratio(self) -> float:
        """Steps that count beside those of the undisturbed run in the same time [1]."""
        return self.disturbed.steps_per_second / self.undisturbed.steps_per_second

    @property
    def each_s(self) -> float:
        """What one interruption took of the run's time [s]."""
        return (1.0 - self.ratio) * self.disturbed.seconds / len(self.reclaims)


class Bench:
    """The cluster as the measurement sees it."""

    def __init__(self, client: KubeClient, core: CoreV1Api, namespace: str) -> None:
        self._client = client
        self._core = core
        self._namespace = namespace

    async def run(self, reclaims: int, every_s: float, evictions: int) -> Found:
        """Run the job and its peer side by side, and interrupt the one."""
        job, peer = "disturbed", "undisturbed"
        await self._client.create(CONFIG_MAPS.format(self._namespace), code())
        await self._client.create(JOBS.format(self._namespace), training_job(job))
        await self._stepping(job, after=0.0)
        pod = undisturbed_pod(await self._living(job))
        await self._client.create(PODS.format(self._namespace), pod)
        first = await self._read(peer), await self._read(await self._pod_of(job))
        hits = [await self._told(job, "reclaim", every_s, n) for n in range(1, reclaims + 1)]
        # As long a stretch after the last interruption as before the first.
        await asyncio.sleep(every_s)
        last = await self._read(peer), await self._read(await self._pod_of(job))
        status = await self._wait(job, lambda _: True, PATIENCE_S, "there")
        windows = [Window(*each) for each in zip(first, last, strict=True)]
        say(f"steps a second: {' and '.join(f'{it.steps_per_second:.2f}' for it in windows)}")
        gone = [await self._told(job, "evict", EVICTED_AFTER_S, n) for n in range(1, evictions + 1)]
        return Found(
            undisturbed=windows[0],
            disturbed=windows[1],
            reclaims=hits,
            evictions=gone,
            goodput=status["goodput"],
            microseconds=status["cost"]["exact"]["microseconds"],
        )

    async def _told(self, name: str, kind: str, after_s: float, number: int) -> Interruption:
        hit = await self._interrupt(name, kind, after_s)
        say(f"{number}: {told(hit)}")
        return hit

    async def _pod_of(self, name: str) -> str:
        return str((await self._living(name))["metadata"]["name"])

    async def _read(self, pod: str) -> Reading:
        """The newest line of progress in a pod's log, once there is one."""
        end = time.monotonic() + PATIENCE_S
        while True:
            log = ""
            with suppress(ClientError):
                log = await self._core.read_namespaced_pod_log(
                    pod, self._namespace, timestamps=True, tail_lines=200
                )
            lines = STEPPED.findall(log)
            if lines:
                at, step = lines[-1]
                return Reading(seconds(at[:26] + "Z"), int(step))
            if time.monotonic() > end:
                raise SystemExit(f"{pod} says nothing of a step: {log[-500:]}")
            await asyncio.sleep(0.5)

    async def _interrupt(self, name: str, kind: str, after_s: float) -> Interruption:
        stepped = await self._stepping(name, after=0.0)
        await asyncio.sleep(max(0.0, stepped + after_s - time.time()))
        pod = await self._living(name)
        node, key = pod["spec"]["nodeName"], pod["metadata"]["name"]
        it = Interruption(kind, time.time())
        ending = asyncio.create_task(self._end_of(key))
        if kind == "reclaim":
            await self._taint(node, {"key": NOTICE, "value": "1", "effect": "NoSchedule"})
        else:
            body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": key}}
            await self._client.create(f"{PODS.format(self._namespace)}/{key}/eviction", body)
        try:
            it.ended, it.saved = await asyncio.wait_for(ending, PATIENCE_S)
            it.stepped = await self._stepping(name, after=it.ended)
        finally:
            if kind == "reclaim":
                await self._taint(node, None)
        it.resumed = await self._resumed(name)
        return it

    async def _stepping(self, name: str, after: float) -> float:
        """When the life that runs made its first step, once it has [s since 1970]."""

        def since(status: Json) -> float | None:
            last: Json = (status.get("stretches") or [{}])[-1]
            if "stepped" not in last or "broken" in last:
                return None
            stepped = seconds(last["stepped"])
            return stepped if stepped > after else None

        status = await self._wait(
            name, lambda s: since(s) is not None, PATIENCE_S, "stepping (again)"
        )
        found = since(status)
        assert found is not None  # noqa: S101 - that was waited for
        return found

    async def _wait(
        self, name: str, wanted: Callable[[Json], bool], within_s: float, what: str
    ) -> Json:
        end = time.monotonic() + within_s
        while True:
            found = await self._client.get(f"{JOBS.format(self._namespace)}/{name}")
            status: Json = dict(found.get("status") or {})
            if wanted(status):
                return status
            if time.monotonic() > end:
                state, progress = status.get("state"), status.get("progress")
                raise SystemExit(f"{name} is not {what} after {within_s:.0f} s: {state} {progress}")
            await asyncio.sleep(0.3)

    async def _pods(self, name: str) -> list[Json]:
        query = {"labelSelector": f"quartermaster.dev/job-name={name}"}
        found = await self._client.get(PODS.format(self._namespace), query)
        return list(found["items"])

    async def _living(self, name: str) -> Json:
        for pod in await self._pods(name):
            if (
                pod["status"].get("phase") == "Running"
                and "deletionTimestamp" not in pod["metadata"]
            ):
                return pod
        raise SystemExit(f"{name} steps, and has no pod that runs")

    async def _end_of(self, pod: str) -> tuple[float, int]:
        """When a pod's container ended, and after which step it saved: seen before the pod goes."""
        query = {"fieldSelector": f"metadata.name={pod}"}
        while True:
            with suppress(ClusterError):
                async for event in self._client.watch(PODS.format(self._namespace), query, 60.0):
                    for each in (event["object"].get("status") or {}).get("containerStatuses", []):
                        ended = (each.get("state") or {}).get("terminated") or {}
                        words = SAVED.search(str(ended.get("message", "")))
                        if words:
                            return time.time(), int(words[1])

    async def _resumed(self, name: str) -> int:
        """After which step the life that runs went on, as its log says."""
        pod = (await self._living(name))["metadata"]["name"]
        log = await self._core.read_namespaced_pod_log(pod, self._namespace)
        words = RESUMED.search(log)
        return int(words[1]) if words else 0

    async def _taint(self, node: str, taint: Json | None) -> None:
        """Set the sign, or take it away; other taints stay."""
        found = await self._client.get(NODE.format(node))
        others = [it for it in found["spec"].get("taints") or [] if it["key"] != NOTICE]
        body = {"spec": {"taints": [*others, taint] if taint else others}}
        await self._client.patch(NODE.format(node), body, MERGE_PATCH)


def seconds(text: str) -> float:
    """A metav1 time [s since 1970]."""
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, flush=True)


def told(it: Interruption) -> str:
    """One interruption in a line."""
    gone, back = it.ended - it.told, it.stepped - it.told
    return f"{it.kind}: gone after {gone:.1f} s, steps again after {back:.1f} s, lost {it.lost}"


async def in_namespace(client: KubeClient, work: Callable[[str], Awaitable[None]]) -> None:
    """Work in a namespace of its own, which goes afterwards."""
    name = f"bench-interruptions-{os.getpid()}"
    await client.create("/api/v1/namespaces", {"metadata": {"name": name}})
    try:
        await work(name)
    finally:
        with suppress(ApiError):
            await client.delete(f"/api/v1/namespaces/{name}")


async def main() -> None:
    """Measure, and write the document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--reclaims", type=int, default=20)
    parser.add_argument("--every", type=float, default=EVERY_S, help="seconds of steps between two")
    parser.add_argument("--evictions", type=int, default=4, help="afterwards")
    options = parser.parse_args()
    api = await connect(os.environ["KUBECONFIG"])
    client = KubeClient(api, lambda: True, lambda *_: None)

    async def work(namespace: str) -> None:
        bench = Bench(client, CoreV1Api(api), namespace)
        found = await bench.run(options.reclaims, options.every, options.evictions)
        (RESULTS / "interruptions.md").write_text(document(found, options.every))

    try:
        await in_namespace(client, work)
    finally:
        await api.close()  # type: ignore[no-untyped-call]


INTRODUCTION = """\
# What interruptions cost a training

Command: `make bench-interruptions`. A residual network on handwritten digits by the built-in
trainer, one worker, on the development cluster. A spot node's reclaim sign interrupts it again and
again, upon which the job moves to the other node. Beside it runs the same training in a pod of its
own, which nobody interrupts. Checkpoints every 15 s beside those that an interruption asks for.
"""
REMARK = """\
Most of the time is starting again: a container, PyTorch, the data. After an eviction that begins
ten seconds later, and twice as much after each further one: so long Kubernetes' Job controller
waits before it replaces a failed pod. A job that moves is suspended and resumed, and does not wait.
Nothing here says how long a start takes with a large image that a node does not have, or with a
large checkpoint. A node that is gone without a sign is not in it: it loses the steps since the last
checkpoint."""


def document(found: Found, every_s: float) -> str:
    """The figures."""
    each, hourly = found.each_s, 3600 / (3600 + found.each_s)
    sides = (found.undisturbed, found.disturbed)
    lines = [
        f"Commit {commit()}; {machine()}, shared with the whole cluster.",
        f"GPUs are pretended. A step rests {STEP_S:g} s, as if one computed it: the processors are",
        "free for what starts, as they are beside a GPU.",
        "",
        "| in the same time | undisturbed | interrupted |",
        "|---|---|---|",
        f"| interruptions, each after {every_s:.0f} s of steps | 0 | {len(found.reclaims)} |",
        f"| seconds | {' | '.join(f'{it.seconds:.0f}' for it in sides)} |",
        f"| steps that count | {' | '.join(str(it.steps) for it in sides)} |",
        f"| steps a second | {' | '.join(f'{it.steps_per_second:.2f}' for it in sides)} |",
        *(
            f"| pod time that was {part} [s] | | {found.microseconds.get(part, 0) / 10**6:.0f} |"
            for part in ("Useful", "Checkpoint", "Rework", "Recovery", "Other")
        ),
        f"| `goodput.interruptions` | | {found.goodput.get('interruptions', 0)} |",
        "",
        "| of an interruption | median | most |",
        "|---|---|---|",
        *_rows("reclaim", found.reclaims),
        *_rows("eviction", found.evictions),
        "",
        f"Goodput beside the undisturbed run: {_percent(found.ratio, 1)}. An interruption took",
        f"{each:.1f} s of the run's time, so {_percent(TARGET, 0)} are kept where they are",
        f"{each * TARGET / (1 - TARGET):.0f} s or more apart; with one an hour it would be",
        f"{_percent(hourly, 1)}.",
    ]
    return "\n".join([INTRODUCTION, *lines, "", REMARK])


def _rows(kind: str, hits: list[Interruption]) -> list[str]:
    if not hits:
        return []
    return [
        _row(f"{kind}: steps lost", [float(it.lost) for it in hits], 0),
        _row(f"{kind}: until the worker has saved and ended [s]", [i.ended - i.told for i in hits]),
        _row(f"{kind}: until the next step [s]", [i.stepped - i.told for i in hits]),
    ]


def _percent(share: float, digits: int) -> str:
    return f"{100 * share:.{digits}f} %"


def _row(name: str, values: list[float], digits: int = 1) -> str:
    return f"| {name} | {statistics.median(values):.{digits}f} | {max(values):.{digits}f} |"


if __name__ == "__main__":
    asyncio.run(main())
