"""Jobs of two teams on the development cluster, so that dashboards have something to show."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devcluster.command import run
from devcluster.errors import CommandError

Json = dict[str, Any]

KIND = "trainingjobs.quartermaster.dev"
VISION, SPEECH = "vision", "speech"
SPOT_NODE = "qm-spot"
NOTICE = "aws-node-termination-handler/spot-itn"
"""The taint by which AWS's node termination handler says that a spot node goes."""
GPUS = ("Tesla-T4", "NVIDIA-A10G")
BUDGETS: Mapping[str, str] = {VISION: "0.06", SPEECH: "0.25"}
"""A day's, in USD: small enough for minutes to show."""
_GROUP = {"apiVersion": "quartermaster.dev/v1alpha1"}
_PATIENCE_S = 300.0
SEEN_S = 12.0
"""Until what happened was scraped twice [s]."""
LATER_S = 45.0
"""Until a run that goes on has something to show [s]."""


@dataclass(frozen=True, slots=True)
class Round:
    """What happened in one, and when [seconds since 1970]."""

    job: str
    """The one that lost its node, in the namespace `vision`."""
    began: float
    busy: float
    """When two jobs ran and one waited."""
    again: float
    """When the one that lost its node had gone on for a while."""


@dataclass(frozen=True, slots=True)
class Teams:
    """Two namespaces with a queue and a Budget each."""

    environment: Mapping[str, str]
    """For kubectl."""

    def set_up(self) -> None:
        """Make them, or leave them."""
        for team, amount in BUDGETS.items():
            self._kubectl("create", "namespace", team, may_fail=True)
            queue = {"kind": "ComputeQueue", "metadata": {"name": team}, "spec": _QUOTA}
            spec = {"amount": amount, "period": "Day", "thresholds": _THRESHOLDS}
            budget = {"kind": "Budget", "metadata": {"name": "day"}, "spec": spec}
            self._apply(team, _GROUP | queue, _GROUP | budget)

    def clear_away(self) -> None:
        """Delete them, their jobs first."""
        for team in BUDGETS:
            self._kubectl("-n", team, "delete", KIND, "--all", "--timeout=60s", may_fail=True)
            self._kubectl("delete", "namespace", team, "--wait=false", may_fail=True)
            self._kubectl("delete", "computequeues.quartermaster.dev", team, may_fail=True)

    def round(self, number: int) -> Round:
        """A job that loses its spot node, one on demand, and one that waits for both nodes.

        Raises:
            SystemExit: One of them does not get on.
        """
        spot, steady, wide = f"resnet-{number}", f"tagger-{number}", f"both-nodes-{number}"
        began = time.time()
        self._apply(VISION, _job(spot, VISION, 220, {"objective": "Cost"}))
        self._apply(SPEECH, _job(steady, SPEECH, 60, {"capacityType": "OnDemand"}))
        self._await(VISION, spot, "at step 40", lambda status: _step(status) > 40)
        self._apply(SPEECH, _job(wide, SPEECH, 12, {}, workers=2))
        time.sleep(SEEN_S)
        busy = time.time()
        notice = f"{NOTICE}={int(time.time())}:NoSchedule"
        self._kubectl("taint", "node", SPOT_NODE, notice, "--overwrite")
        try:
            self._await(VISION, spot, "off its node", _interrupted)
        finally:
            self._kubectl("taint", "node", SPOT_NODE, f"{NOTICE}:NoSchedule-")
        self._await(VISION, spot, "training again", _goes_on)
        time.sleep(LATER_S)
        again = time.time()
        for team, name in ((SPEECH, steady), (VISION, spot), (SPEECH, wide)):
            self._await(team, name, "complete", lambda status: status.get("state") == "Complete")
        return Round(spot, began, busy, again)

    def _await(self, team: str, name: str, what: str, done: Any) -> None:
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            asked = ("-n", team, "get", KIND, name, "-o", "json")
            if done(json.loads(self._kubectl(*asked)).get("status") or {}):
                return
            time.sleep(1)
        raise SystemExit(f"error: {team}/{name} is not {what} after {_PATIENCE_S:.0f} s")

    def _apply(self, team: str, *documents: Json) -> None:
        text = "\n---\n".join(json.dumps(document) for document in documents)
        self._kubectl("-n", team, "apply", "-f", "-", stdin=text)

    def _kubectl(self, *arguments: str, stdin: str | None = None, may_fail: bool = False) -> str:
        try:
            return run(["kubectl", *arguments], env=self.environment, stdin=stdin)
        except CommandError:
            if not may_fail:
                raise
            return ""


_QUOTA = {"nominalQuota": [{"accelerator": gpu, "gpus": 8} for gpu in GPUS]}
_THRESHOLDS = [{"percent": percent, "action": "Notify"} for percent in (50, 90)]


def _job(name: str, queue: str, epochs: int, placement: Json, *, workers: int = 1) -> Json:
    return _GROUP | {
        "kind": "TrainingJob",
        "metadata": {"name": name, "labels": {"quartermaster.dev/queue": queue}},
        "spec": {
            "model": {"factory": "qm_trainer.zoo:resnet", "args": {"numClasses": 10}},
            "dataset": {"uri": "builtin://digits"},
            "trainer": {
                "workers": workers,
                "epochs": epochs,
                "resourcesPerWorker": {"gpus": 1, "cpu": "900m", "memory": "2Gi"},
            },
            "placement": placement,
            "checkpoint": {"size": "1Gi", "periodSeconds": 5},
        },
    }


def _step(status: Json) -> int:
    return int((status.get("progress") or {}).get("step", 0))


def _goes_on(status: Json) -> bool:
    return _interrupted(status) and status.get("state") == "Running"


def _interrupted(status: Json) -> bool:
    return int((status.get("goodput") or {}).get("interruptions", 0)) > 0
