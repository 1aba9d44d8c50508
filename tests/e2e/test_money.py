"""Fifty jobs, and whatever may happen to them: three ledgers say to the last digit what they cost.

One is the jobs' statuses, one the operator's database, one is worked out from the API server's
audit by `tests/support/audit.py`, which knows nothing of the operator. Prices change meanwhile,
twenty times pods are taken away, the operator is killed three times, and its database is deleted
under it once.
"""

import asyncio
import json
import logging
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

import pytest

from quartermaster.adapters.clock import SystemClock
from quartermaster.adapters.ledger.occupancy import ClusterOccupancy
from quartermaster.adapters.ledger.store import SqlLedger
from quartermaster.adapters.view import ClusterView
from quartermaster.domain.money.ledger import Kind
from quartermaster.reconcile.ledger.nodes import LAG, NodeAccounts
from tests.support import audit, books
from tests.support.kubectl import Kubectl
from tests.support.memory import FakeClock
from tests.support.stage import KIND, Json, Stage, component, napping, shell_job

logger = logging.getLogger(__name__)
pytestmark = [
    pytest.mark.e2e,
    # Four minutes.
    pytest.mark.skipif("QM_PROOF" not in os.environ, reason="make proof-of-cost runs it"),
]

JOBS = 50
GPUS = 4
"""That each node pretends to have while this lasts: a pod pays a quarter of its node."""
POOL = "a-proof"
"""Before all others: a node belongs to the first pool by name that holds it."""
NODES = ("qm-ondemand", "qm-spot")
MODELS = ("NVIDIA-A10G", "Tesla-T4")
NOTICE = "aws-node-termination-handler/spot-itn"
LOST_S = 55.0
"""A node is gone so long: 40 s until it is not ready, and the grace of its pods."""
KILL_BEFORE, LOSE_BEFORE, PRICE_BEFORE = {5, 11, 17}, 13, {2, 6, 9, 12, 15, 18}
"""Before which interruptions the operator is killed, the ledger lost, the price changed."""


@dataclass
class Unrest:
    """What is done to the jobs, and where."""

    kubectl: Kubectl
    stages: list[Stage]
    began: datetime
    chance: random.Random = field(default_factory=lambda: random.Random(20))
    lost_since: float | None = None
    interrupted: list[str] = field(default_factory=list)

    def apply_jobs(self, queue: str) -> None:
        """Short ones and long ones, gangs of two among them, over namespaces and queues."""
        jobs: dict[str, list[Json]] = {stage.namespace: [] for stage in self.stages}
        for number in range(JOBS):
            stage = self.stages[number % len(self.stages)]
            job = shell_job(
                f"job-{number:02}",
                napping(str(self.chance.choice([3, 5, 8, 14]))),
                workers=2 if number % 5 == 0 else 1,
            )
            job["spec"]["failurePolicy"] = {"maxRestarts": 100}
            if number % 2:
                job["metadata"]["labels"] = {"quartermaster.dev/queue": queue}
            jobs[stage.namespace].append(job)
        for stage in self.stages:
            stage.apply(*jobs[stage.namespace])

    def set_price(self, thousandths: int) -> None:
        """Of a node, in the form of a ComputePool; shares of it are no round numbers."""
        rows = [
            {"instanceType": "g5.xlarge", "usdPerNodeHour": f"{thousandths}.000000007"},
            {"instanceType": "g4dn.xlarge", "usdPerNodeHour": f"{thousandths // 3}.000000001"},
        ]
        document = {
            "apiVersion": "quartermaster.dev/v1alpha1",
            "kind": "ComputePool",
            "metadata": {"name": POOL},
            "spec": {
                "nodeSelector": {"topology.kubernetes.io/region": "us-east-1"},
                "prices": rows,
                "priceSource": "made up for a test",
                "tolerations": [{"key": "nvidia.com/gpu"}],
            },
        }
        self.kubectl.out("apply", "-f", "-", stdin=json.dumps(document))

    def running(self, *nodes: str) -> list[tuple[Stage, Json]]:
        found = []
        for stage in self.stages:
            text = stage.kubectl.out("-n", stage.namespace, "get", "pods", "-o", "json")
            for pod in json.loads(text)["items"]:
                lives = pod["status"].get("phase") == "Running"
                there = not nodes or pod["spec"].get("nodeName") in nodes
                if lives and there and "deletionTimestamp" not in pod["metadata"]:
                    found.append((stage, pod))
        return found

    def interrupt(self, number: int) -> None:
        """One of twenty interruptions; whoever is hit was running."""
        deeds: list[Callable[[], str | None]] = [self.delete, self.kill, self.evict, self.delete]
        deed = deeds[number % len(deeds)]
        if number in (3, 14, 18):
            deed = self.reclaim
        elif number == 7:
            deed = self.lose_node
        end = time.monotonic() + LOST_S + 60
        while (hit := deed()) is None:
            assert time.monotonic() < end, "nobody runs who could be interrupted"
            self.bring_node_back()
            time.sleep(1)
        self.interrupted.append(hit)

    def _one(self) -> tuple[Stage, Json] | None:
        dead = {self._spare()} if self.lost_since is not None else set()
        found = self.running(*(set(NODES) - dead))
        return self.chance.choice(found) if found else None

    def delete(self) -> str | None:
        found = self._one()
        if found is None:
            return None
        stage, pod = found
        name = pod["metadata"]["name"]
        stage.kubectl.run("-n", stage.namespace, "delete", "pod", name, "--wait=false")
        return f"deleted {name}"

    def kill(self) -> str | None:
        found = self._one()
        if found is None or not found[0].kill_in_pod(found[1]["metadata"]["uid"]):
            return None
        return f"killed {found[1]['metadata']['name']}"

    def evict(self) -> str | None:
        found = self._one()
        if found is None:
            return None
        stage, pod = found
        name = pod["metadata"]["name"]
        path = f"/api/v1/namespaces/{stage.namespace}/pods/{name}/eviction"
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        done = stage.kubectl.run("create", "--raw", path, "-f", "-", stdin=json.dumps(body))
        return f"evicted {name}" if done.returncode == 0 else None

    def reclaim(self) -> str | None:
        """The sign of a spot node's end, until nobody of ours is on it any more."""
        node = self._spare()
        if not self.running(node) or self.lost_since is not None:
            return None
        self.kubectl.out("taint", "node", node, f"{NOTICE}=1764000000:NoSchedule", "--overwrite")
        end = time.monotonic() + 60
        while self.running(node) and time.monotonic() < end:
            time.sleep(0.5)
        self.kubectl.out("taint", "node", node, f"{NOTICE}:NoSchedule-")
        return f"reclaimed {node}"

    def lose_node(self) -> str | None:
        """Its kubelet is gone, and whoever was on it."""
        node = self._spare()
        hit = self.running(node)
        if not hit:
            return None
        component("stop", f"kubelet@{node}")
        self.lost_since = time.monotonic()
        for stage, pod in hit:
            stage.kill_in_pod(pod["metadata"]["uid"])
            name = pod["metadata"]["name"]
            stage.kubectl.run("-n", stage.namespace, "delete", "pod", name, "--wait=false")
        return f"lost {node}"

    def bring_node_back(self, *, now: bool = False) -> None:
        if self.lost_since is None:
            return
        if now or time.monotonic() - self.lost_since > LOST_S:
            component("start", f"kubelet@{self._spare()}")
            advertise(self.kubectl, self._spare(), GPUS)
            self.lost_since = None

    def _spare(self) -> str:
        """The node without the operator: who kills that has to see it come again."""
        mine = books.node_of_operator(self.kubectl)
        return next(node for node in NODES if node != mine)


def advertise(kubectl: Kubectl, node: str, gpus: int) -> None:
    """Give a node so many GPUs, and wait until pods can have them."""
    amounts = {audit.GPU: str(gpus)}
    body = json.dumps({"status": {"capacity": amounts, "allocatable": amounts}})
    end = time.monotonic() + 30
    while True:
        kubectl.run("patch", "node", node, "--subresource=status", "--type=merge", "-p", body)
        time.sleep(0.5)
        status = json.loads(kubectl.out("get", "node", node, "-o", "json"))["status"]
        if all(status[of].get(audit.GPU) == str(gpus) for of in ("capacity", "allocatable")):
            return
        assert time.monotonic() < end, f"{node} does not keep {gpus} GPUs"


@pytest.fixture
def unrest(stage: Stage) -> Iterator[Unrest]:
    """Three namespaces, nodes of four GPUs each, and a price."""
    began = SystemClock().now()
    others = [f"{stage.namespace}-{which}" for which in ("b", "c")]
    for name in others:
        stage.kubectl.out("create", "namespace", name)
    stages = [stage, *(Stage(stage.kubectl, name, stage.witness) for name in others)]
    it = Unrest(stage.kubectl, stages, began)
    for node in NODES:
        advertise(stage.kubectl, node, GPUS)
    try:
        yield it
    finally:
        it.bring_node_back(now=True)
        for node in NODES:
            stage.kubectl.run("taint", "node", node, f"{NOTICE}:NoSchedule-")
        for one in stages:
            stage.kubectl.run("-n", one.namespace, "delete", KIND, "--all", "--timeout=55s")
        for node in NODES:
            advertise(stage.kubectl, node, 1)
        for name in others:
            stage.kubectl.run("delete", "namespace", name, "--wait=false")
        stage.kubectl.run("delete", "computepools.quartermaster.dev", POOL)


@pytest.fixture
def queue(stage: Stage) -> Iterator[str]:
    name = f"proof-{uuid4().hex[:8]}"
    document = {
        "apiVersion": "quartermaster.dev/v1alpha1",
        "kind": "ComputeQueue",
        "metadata": {"name": name},
        "spec": {"nominalQuota": [{"accelerator": it, "gpus": GPUS} for it in MODELS]},
    }
    stage.kubectl.out("apply", "-f", "-", stdin=json.dumps(document))
    yield name
    stage.kubectl.run("delete", "computequeues.quartermaster.dev", name, "--wait=false")


def test_fifty_jobs_cost_what_the_api_servers_audit_says(
    unrest: Unrest, queue: str, tmp_path: Path
) -> None:
    unrest.set_price(700_001)
    time.sleep(2)
    ledger = books.find(unrest.kubectl)
    unrest.apply_jobs(queue)
    lost_at = None
    for number in range(1, 21):
        if number in KILL_BEFORE:
            unrest.stages[0].kill_operator()
        if number == LOSE_BEFORE:
            ledger.lose()
            lost_at = SystemClock().now()
        if number in PRICE_BEFORE:
            unrest.set_price(600_000 + unrest.chance.randrange(10**6))
        unrest.interrupt(number)
        unrest.bring_node_back()
        time.sleep(unrest.chance.uniform(0.5, 2.5))
    unrest.bring_node_back(now=unrest.lost_since is not None)
    jobs = all_over(unrest.stages, 240)
    assert len(unrest.interrupted) == 20, unrest.interrupted
    compare(unrest, jobs, ledger)
    assert ledger.rebuilt(), "the ledger was lost, and nothing came back"
    assert lost_at is not None
    nodes_add_up(unrest.kubectl, ledger, tmp_path, lost_at)
    spent = ledger.by_job_and_part()
    for stage in unrest.stages:
        stage.kubectl.out("-n", stage.namespace, "delete", KIND, "--all", "--timeout=55s")
    assert ledger.by_job_and_part() == spent, "what a job has cost went with it"


def all_over(stages: list[Stage], within_s: float) -> dict[tuple[str, str], Json]:
    """All jobs, once they are complete and none of their pods is left to be charged."""
    end = time.monotonic() + within_s
    while True:
        found = {}
        for stage in stages:
            text = stage.kubectl.out("-n", stage.namespace, "get", KIND, "-o", "json")
            for job in json.loads(text)["items"]:
                found[stage.namespace, job["metadata"]["name"]] = job
        open_ = [key for key, job in found.items() if not is_over(job)]
        if not open_ and len(found) == JOBS and not held(stages):
            return found
        assert time.monotonic() < end, f"not over: {open_}, held: {held(stages)}"
        time.sleep(1)


def is_over(job: Json) -> bool:
    return bool(job.get("status", {}).get("state") == "Complete")


def held(stages: list[Stage]) -> list[str]:
    """Pods that wait to be charged."""
    return [
        pod["metadata"]["name"]
        for stage in stages
        for pod in json.loads(
            stage.kubectl.out("-n", stage.namespace, "get", "pods", "-o", "json")
        )["items"]
        if "quartermaster.dev/accounting" in pod["metadata"].get("finalizers", [])
    ]


def compare(unrest: Unrest, jobs: dict[tuple[str, str], Json], ledger: books.LedgerFile) -> None:
    """Status, database and audit, job by job and part by part."""
    namespaces = {stage.namespace for stage in unrest.stages}
    seen = audit.read(audit_log(), unrest.began, namespaces, POOL)
    independent = audit.by_job(seen)
    database = {k: usd for k, usd in ledger.by_job_and_part().items() if k[0] in namespaces}
    lives = [life.job for _, life in seen.lives()]
    for key, job in jobs.items():
        told = job["status"]["cost"]
        parts = {part: Fraction(text) for part, text in told["exact"]["parts"].items()}
        assert Fraction(told["accrued"]) == independent[key] > 0, key
        assert sum(parts.values()) == independent[key], key
        assert {k[2]: usd for k, usd in database.items() if k[:2] == key} == parts, key
        assert told["segments"] == lives.count(key), key
    assert set(independent) == set(jobs)
    assert sum(independent.values()) == sum(database.values())
    assert len(lives) >= JOBS * 6 // 5 + 15, f"{len(lives)} pods: who was interrupted?"
    changed = [life for _, life in seen.lives() if audit.LATER in annotations(life)]
    assert changed, "no pod has seen its price change"
    by_themselves = ledger.pods()
    assert len(by_themselves) == len(set(by_themselves))
    logger.info(
        "%d jobs, %d pods, %d with changed prices, %d jobs back from their statuses, %.6f USD; %s",
        len(jobs), len(lives), len(changed), len(ledger.rebuilt()),
        float(sum(independent.values())), ", ".join(unrest.interrupted),
    )  # fmt: skip


def annotations(life: audit.Life) -> Json:
    found: Json = life.document["metadata"]["annotations"]
    return found


def audit_log() -> Path:
    done = subprocess.run(
        ["python3", "-c", "from devcluster import layout; print(layout.current().audit)"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    return Path(done.stdout.strip())


def nodes_add_up(
    kubectl: Kubectl, ledger: books.LedgerFile, folder: Path, lost_at: datetime
) -> None:
    """The hour that is not over yet, as it would be recorded: the nodes cost their price.

    The operator's own accounts, on a copy of its ledger, with what the API server shows now; nobody
    waits for the hour. They begin where the new ledger begins.
    """
    end = time.monotonic() + 75
    while (since := ledger.nodes_since()) is None:
        assert time.monotonic() < end, "nobody looks after nodes"
        time.sleep(1)
    assert since >= lost_at, "the new ledger begins where the old one ended"
    hour = (SystemClock().now() + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    copy = ledger.copy_to(folder / "ledger.db")
    ran = made_up(kubectl, copy, hour)
    for name, (price, uid) in ran.items():
        (paid,) = sums(copy, name, since, hour)
        whole = Fraction(round(price * 10**9), 10**9)
        span = Fraction((hour - since) // timedelta(microseconds=1), 3_600_000_000)
        assert paid == whole * span, f"{name} {uid}: {float(paid)} of {float(whole * span)} USD"


def made_up(kubectl: Kubectl, copy: Path, hour: datetime) -> dict[str, tuple[Fraction, str]]:
    """Record the hour; returns each node's price and uid."""
    view = ClusterView(touched=lambda uid: None, room=lambda: None)
    caches = ((view.nodes, "nodes"), (view.pods, "pods"), (view.compute_pools, "computepools"))
    for cache, plural in caches:
        text = kubectl.out("get", plural, "-A", "-o", "json")
        cache.replace({it["metadata"]["uid"]: it for it in json.loads(text)["items"]})
    clock = FakeClock(hour + LAG)
    occupancy = ClusterOccupancy(view, clock)

    async def keep() -> None:
        store = SqlLedger(f"sqlite:///{copy}", clock)
        await NodeAccounts(occupancy, store, clock).keep()
        await store.close()

    asyncio.run(keep())
    found = {}
    for presence in occupancy.nodes():
        price = presence.prices[-1].usd_per_hour
        assert price is not None
        found[presence.machine.node] = price, presence.uid
    return found


def sums(copy: Path, node: str, since: datetime, until: datetime) -> tuple[Fraction]:
    """What jobs, services, system and idle time of a node came to in a time [USD]."""
    asked = (
        "SELECT kind, began, ended, charged, rate_nano FROM entries"
        " WHERE node = ? AND rate_nano IS NOT NULL"
    )
    total, kinds = Fraction(0), set()
    with books.LedgerFile(copy).reading() as connection:
        for kind, began, ended, charged, nano in connection.execute(asked, (node,)):
            assert charged == ended - began, "a script without steps is cut into nothing"
            low, high = (moment_us(it) for it in (since, until))
            inside = max(0, min(ended, high) - max(began, low))
            total += Fraction(nano, 10**9) * Fraction(inside, 3_600_000_000)
            kinds.add(kind)
    assert kinds >= {Kind.JOB.value, Kind.IDLE.value}, kinds
    return (total,)


def moment_us(moment: datetime) -> int:
    return (moment - books.EPOCH) // timedelta(microseconds=1)
