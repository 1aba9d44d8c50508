"""An independent witness of what happened to a namespace's pods, kept by `kubectl get --watch`.

It knows nothing of the operator: from the pods' own times it tells what a job has to cost, and
whether two pods ever lived for one worker.
"""

import json
import os
import subprocess
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

Json = dict[str, Any]

INDEX = "batch.kubernetes.io/job-completion-index"
PRICE = "quartermaster.dev/usd-per-hour"
REWRITTEN = timedelta(seconds=5)
"""A kubelet that comes back and rejects a pod writes its conditions anew, so much later."""


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@dataclass
class Witness:
    """The last state of each pod that was ever seen, and every double life."""

    program: str
    kubeconfig: Path
    namespace: str
    pods: dict[str, Json] = field(default_factory=dict)
    doubles: list[str] = field(default_factory=list)
    _gone: set[str] = field(default_factory=set)
    _process: subprocess.Popen[str] | None = None
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: bool = False

    def start(self) -> None:
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped = True
        if self._process is not None:
            self._process.terminate()
        if self._thread is not None:
            self._thread.join(10)

    def _follow(self) -> None:
        """Watch until stopped; begun anew when the API server goes away."""
        command = [self.program, "-n", self.namespace, "get", "pods", "--watch", "-o", "json"]
        while not self._stopped:
            self._process = subprocess.Popen(
                [*command, "--output-watch-events"],
                env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert self._process.stdout is not None
            with self._process.stdout as stream:
                for line in stream:
                    event = json.loads(line)
                    self._see(event["type"], event["object"])
            self._process.wait()

    def _see(self, kind: str, pod: Json) -> None:
        with self._lock:
            uid = pod["metadata"]["uid"]
            self.pods[uid] = pod
            if kind == "DELETED":
                self._gone.add(uid)
            self._look_for_doubles()

    def _look_for_doubles(self) -> None:
        living: dict[tuple[str, str], str] = {}
        for uid, pod in self.pods.items():
            if uid in self._gone or not runs(pod):
                continue
            labels = pod["metadata"]["labels"]
            worker = (labels["quartermaster.dev/job-uid"], labels[INDEX])
            if worker in living:
                other = self.pods[living[worker]]
                self.doubles.append(f"worker {worker[1]} twice: {told(other)}; {told(pod)}")
            living[worker] = uid

    def cost(self, job: str) -> Fraction:
        """What a job's pods cost by their own times and prices [USD]."""
        with self._lock:
            mine = [
                pod
                for pod in self.pods.values()
                if pod["metadata"]["labels"].get("quartermaster.dev/job-name") == job
            ]
        return sum((charge(pod) for pod in mine), Fraction(0))


def runs(pod: Json) -> bool:
    """Whether the pod's container runs, as far as the API server knows.

    A pod that was given up with its node is over, whatever its kubelet said last; the Job
    controller keeps it until its replacement is there.
    """
    if pod["status"].get("phase") in ("Succeeded", "Failed"):
        return False
    statuses = pod["status"].get("containerStatuses") or []
    return any("running" in (status.get("state") or {}) for status in statuses)


def told(pod: Json) -> str:
    """A pod's state in a line, for the reader of a failed test."""
    metadata, status = pod["metadata"], pod["status"]
    states = [s.get("state") for s in status.get("containerStatuses") or []]
    held = ", ".join(metadata.get("finalizers") or []) or "nothing"
    return (
        f"{metadata['name']} on {pod['spec'].get('nodeName')}, {status.get('phase')} "
        f"{status.get('reason', '')} {states}, made {metadata['creationTimestamp']}, "
        f"deleted {metadata.get('deletionTimestamp')}, held by {held}"
    )


def charge(pod: Json) -> Fraction:
    """Price times time from bind to release [USD]; nothing for a pod that was never bound."""
    conditions = {c["type"]: c for c in pod["status"].get("conditions") or []}
    bound = conditions.get("PodScheduled") or {}
    if bound.get("status") != "True":
        return Fraction(0)
    rate = Fraction(pod["metadata"]["annotations"][PRICE])
    began = moment(bound["lastTransitionTime"])
    taken_in = pod["status"].get("startTime")
    if taken_in is not None and began - moment(taken_in) > REWRITTEN:
        began = moment(taken_in)
    spent = released(pod, conditions) - began
    return rate * int(spent.total_seconds()) / 3600


def released(pod: Json, conditions: dict[str, Json]) -> datetime:
    lost = conditions.get("DisruptionTarget") or {}
    if lost.get("reason") == "NodeLost":
        # Given up with its node: what a kubelet that comes back says later changes no bill.
        return moment(lost["lastTransitionTime"])
    for status in pod["status"].get("containerStatuses") or []:
        ended = (status.get("state") or {}).get("terminated") or {}
        if ended.get("finishedAt"):
            return moment(ended["finishedAt"])
    if conditions.get("DisruptionTarget"):
        return moment(conditions["DisruptionTarget"]["lastTransitionTime"])
    return moment(pod["metadata"]["deletionTimestamp"])
