"""A ledger that is kept by nobody: worked out from the API server's audit, by other arithmetic.

It imports nothing of the operator. Of a pod it takes what Kubernetes says: when it was bound, when
its container ended, that its node was lost. Of prices it takes what ComputePools said, and since
when. What a pod was agreed to pay stands nowhere but in the operator's notes on the pod; they are
believed only where the pool of the pod's node had that price at that time.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

Json = dict[str, Any]

JOB = "quartermaster.dev/job-name"
PRICE = "quartermaster.dev/usd-per-hour"
LATER = "quartermaster.dev/repriced"
GPU = "nvidia.com/gpu"
BILLION = 10**9
NEWS = timedelta(seconds=5)
"""So old a pool's price may be when the operator puts it on a pod: as news of it travels."""
REWRITTEN = timedelta(seconds=5)
"""So much later than its kubelet has taken it in no pod is bound."""
LATE = timedelta(seconds=2)
"""A time that Kubernetes gives in whole seconds lies at most so far from the audit's."""


@dataclass
class Life:
    """One pod, as the audit shows it."""

    document: Json = field(default_factory=dict)
    """As it was last."""
    version: int = -1
    bound: datetime | None = None
    """When its binding was written."""
    priced: dict[str, datetime] = field(default_factory=dict)
    """When each note about its price was written."""

    @property
    def job(self) -> tuple[str, str]:
        metadata = self.document["metadata"]
        return metadata["namespace"], metadata["labels"][JOB]


@dataclass
class Steps:
    """Something that changes: from each moment on it is another."""

    steps: list[tuple[datetime, Json]] = field(default_factory=list)

    def becomes(self, value: Json, at: datetime) -> None:
        if not self.steps or self.steps[-1][1] != value:
            self.steps.append((at, value))

    def during(self, since: datetime, until: datetime) -> list[Json]:
        """All that it was at some time in between."""
        never = datetime.max.replace(tzinfo=until.tzinfo)
        ends = [*(begun for begun, _ in self.steps[1:]), never]
        return [
            value
            for (begun, value), ended in zip(self.steps, ends, strict=True)
            if begun <= until and ended >= since
        ]


@dataclass
class Audit:
    """Everything of some namespaces' pods, of one pool, and of the nodes."""

    pods: dict[str, Life] = field(default_factory=dict)
    pool: Steps = field(default_factory=Steps)
    """Prices of a node by instance type [USD/h]."""
    nodes: dict[str, Steps] = field(default_factory=dict)
    """Their instance types, and the GPUs that they have."""

    def lives(self) -> Iterator[tuple[str, Life]]:
        """Pods of jobs that were on a node."""
        for uid, life in self.pods.items():
            labels = (life.document.get("metadata") or {}).get("labels") or {}
            scheduled = conditions(life.document).get("PodScheduled") or {}
            if JOB in labels and scheduled.get("status") == "True":
                yield uid, life

    def rates(self, node: str, gpus: int, at: datetime) -> set[Fraction]:
        """What so many GPUs of a node may have cost, as news of price and node travels [USD/h]."""
        since = at - NEWS
        return {
            Fraction(round(price * Fraction(gpus, its["gpus"]) * BILLION), BILLION)
            for its in self.nodes[node].during(since, at)
            for prices in self.pool.during(since, at)
            for price in [Fraction(prices[its["machine"]])]
            if its["gpus"]
        }


def read(log: Path, since: datetime, namespaces: set[str], pool: str) -> Audit:
    """The audit from a moment on, the older files first."""
    found = Audit()
    for event in _events(log, since):
        about, at = event.get("objectRef") or {}, moment(event["stageTimestamp"])
        answer = event.get("responseObject") or {}
        if about.get("resource") == "computepools" and about.get("name") == pool:
            rows = (answer.get("spec") or {}).get("prices") or []
            if rows:
                prices = {row["instanceType"]: row["usdPerNodeHour"] for row in rows}
                found.pool.becomes(prices, at)
        elif about.get("resource") == "nodes" and answer.get("kind") == "Node":
            steps = found.nodes.setdefault(about["name"], Steps())
            steps.becomes(_machine(answer), at)
        elif about.get("resource") == "pods" and about.get("namespace") in namespaces:
            _pod(found.pods, at, event)
    return found


def _machine(node: Json) -> Json:
    gpus = (node["status"].get("allocatable") or {}).get(GPU, "0")
    labels = node["metadata"].get("labels") or {}
    return {"machine": labels.get("node.kubernetes.io/instance-type"), "gpus": int(gpus)}


def _events(log: Path, since: datetime) -> Iterator[Json]:
    older = sorted(log.parent.glob(f"{log.stem}-*{log.suffix}"))
    for path in [*older, log]:
        with path.open() as lines:
            for line in lines:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue  # the line that is being written
                done = event.get("stage") == "ResponseComplete"
                well = 200 <= (event.get("responseStatus") or {}).get("code", 0) < 300
                if done and well and moment(event["stageTimestamp"]) >= since:
                    yield event


def _pod(pods: dict[str, Life], at: datetime, event: Json) -> None:
    if event["objectRef"].get("subresource") == "binding":
        uid = event["requestObject"]["metadata"]["uid"]
        pods.setdefault(uid, Life()).bound = at
        return
    answer = event.get("responseObject") or {}
    if answer.get("kind") != "Pod" or "uid" not in (answer.get("metadata") or {}):
        return
    life = pods.setdefault(answer["metadata"]["uid"], Life())
    for name in (PRICE, LATER):
        if name in (answer["metadata"].get("annotations") or {}):
            life.priced.setdefault(answer["metadata"]["annotations"][name], at)
    version = int(answer["metadata"]["resourceVersion"])
    if version > life.version:
        life.document, life.version = answer, version


def cost(life: Life, audit: Audit) -> Fraction:
    """Price times time from bind to release [USD], exact."""
    bound, ended = bind(life), release(life.document)
    first = life.document["metadata"]["annotations"][PRICE]
    steps = [(bound, _believed(life, first, life.priced[first], audit))]
    steps += _later(life, audit)
    ends = [*(at for at, _ in steps[1:]), ended]
    total = Fraction(0)
    for (begun, rate), until in zip(steps, ends, strict=True):
        span = min(until, ended) - max(begun, bound)
        total += rate * max(0, span // timedelta(microseconds=1)) / 3_600_000_000
    return total


def bind(life: Life) -> datetime:
    """When it was bound, as Kubernetes says; the audit of the binding agrees."""
    told = moment(conditions(life.document)["PodScheduled"]["lastTransitionTime"])
    taken_in = life.document["status"].get("startTime")
    if taken_in is not None and told - moment(taken_in) > REWRITTEN:
        # Its kubelet came back and rejected it, and wrote its conditions anew.
        told = moment(taken_in)
    assert life.bound is not None, "a pod is on a node, and nobody has bound it"
    assert abs(life.bound - told) < LATE, f"bound {life.bound}, and its condition says {told}"
    return told


def release(pod: Json) -> datetime:
    """When its node was free of it: its container ended, or else it was disrupted, or deleted."""
    lost = conditions(pod).get("DisruptionTarget") or {}
    if lost.get("reason") == "NodeLost":
        # Given up with its node: what a kubelet that comes back says later changes no bill.
        return moment(lost["lastTransitionTime"])
    for status in pod["status"].get("containerStatuses") or []:
        ended = (status.get("state") or {}).get("terminated") or {}
        if ended.get("finishedAt"):
            return moment(ended["finishedAt"])
    if lost:
        return moment(lost["lastTransitionTime"])
    return moment(pod["metadata"]["deletionTimestamp"])


def _later(life: Life, audit: Audit) -> list[tuple[datetime, Fraction]]:
    notes = json.loads(life.document["metadata"]["annotations"].get(LATER, "[]"))
    found = []
    for at, text in notes:
        since = moment(at)
        written = min(when for note, when in life.priced.items() if at in note)
        assert abs(written - since) < NEWS, f"a price counts from {since}, noted at {written}"
        found.append((since, _believed(life, text, since, audit)))
    return found


def _believed(life: Life, text: str, at: datetime, audit: Audit) -> Fraction:
    """A rate, if the pod's share of its node was worth that then, to a billionth of a USD/h."""
    spec = life.document["spec"]
    asked = [each["resources"].get("requests", {}) for each in spec["containers"]]
    gpus = sum(int(each.get(GPU, 0)) for each in asked)
    true = audit.rates(spec["nodeName"], gpus, at)
    assert Fraction(text) in true, f"{life.job} at {at}: {text} USD/h, and it was worth {true}"
    return Fraction(text)


def by_job(audit: Audit) -> dict[tuple[str, str], Fraction]:
    """What each job has cost [USD], by namespace and name."""
    found: dict[tuple[str, str], Fraction] = {}
    for _, life in audit.lives():
        found[life.job] = found.get(life.job, Fraction(0)) + cost(life, audit)
    return found


def conditions(pod: Json) -> dict[str, Json]:
    return {c["type"]: c for c in (pod.get("status") or {}).get("conditions") or []}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
