"""What the end-to-end tests do to a cluster: apply jobs, wait, and break things."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.kubectl import ROOT, Kubectl
from tests.support.witness import Witness

Json = dict[str, Any]
KIND = "trainingjobs.quartermaster.dev"
SYSTEM = "quartermaster-system"
POLL_S = 0.5


@dataclass
class Stage:
    """One namespace of the cluster, and its witness."""

    kubectl: Kubectl
    namespace: str
    witness: Witness

    def apply(self, *documents: Json) -> None:
        text = "\n---\n".join(json.dumps(document) for document in documents)
        self.kubectl.out("-n", self.namespace, "apply", "-f", "-", stdin=text)

    def patch(self, name: str, spec: Json) -> subprocess.CompletedProcess[str]:
        body = json.dumps({"spec": spec})
        return self.kubectl.run(
            "-n", self.namespace, "patch", KIND, name, "--type=merge", "-p", body
        )

    def job(self, name: str) -> Json:
        done = self.kubectl.run("-n", self.namespace, "get", KIND, name, "-o", "json")
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def status(self, name: str) -> Json:
        status: Json = self.job(name).get("status") or {}
        return status

    def pods(self, name: str) -> list[Json]:
        selector = f"quartermaster.dev/job-name={name}"
        done = self.kubectl.run("-n", self.namespace, "get", "pods", "-l", selector, "-o", "json")
        items: list[Json] = json.loads(done.stdout)["items"] if done.returncode == 0 else []
        return items

    def delete_pod(self, name: str, index: int, *flags: str) -> str:
        """Delete a worker's living pod; returns its uid."""
        pod = self.living(name, index)
        self.kubectl.out(
            "-n", self.namespace, "delete", "pod", pod["metadata"]["name"], "--wait=false", *flags
        )
        return str(pod["metadata"]["uid"])

    def living(self, name: str, index: int) -> Json:
        """The pod of a worker that is neither over nor being deleted."""
        label = "batch.kubernetes.io/job-completion-index"
        for pod in self.pods(name):
            over = pod["status"].get("phase") in ("Succeeded", "Failed")
            leaving = over or "deletionTimestamp" in pod["metadata"]
            if pod["metadata"]["labels"][label] == str(index) and not leaving:
                return pod
        raise AssertionError(f"worker {index} of {name} has no living pod")

    def wait(self, name: str, wanted: Callable[[Json], bool], within_s: float, what: str) -> Json:
        """Wait until the job's status is as wanted."""
        end = time.monotonic() + within_s
        status: Json = {}
        while time.monotonic() < end:
            status = self.status(name)
            if wanted(status):
                return status
            time.sleep(POLL_S)
        told = f"{name}: not {what} within {within_s:.0f} s: {summary(status)}"
        raise AssertionError(f"{told}\n{self.last_words(name)}")

    def last_words(self, name: str) -> str:
        """The ends of its workers' logs, for the reader of a failed test."""
        selector = f"quartermaster.dev/job-name={name}"
        asked = ("logs", "-l", selector, "--prefix", "--tail=12", "--ignore-errors")
        done = self.kubectl.run("-n", self.namespace, *asked)
        return done.stdout or done.stderr

    def wait_for(self, name: str, state: str, within_s: float) -> Json:
        return self.wait(name, lambda s: s.get("state") == state, within_s, state)

    def kill_in_pod(self, uid: str, number: int = signal.SIGKILL) -> int:
        """Send a signal to the processes of a pod, as the machine's root can; returns how many."""
        killed = 0
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if f"pod{uid}" in (process / "cgroup").read_text():
                    command = (process / "cmdline").read_text()
                    if "busybox\0sleep\x002147483647" not in command:  # the sandbox itself
                        os.kill(int(process.name), number)
                        killed += 1
            except (FileNotFoundError, ProcessLookupError):
                continue
        return killed

    def kill_operator(self) -> None:
        """kill -9 of the operator's process: no warning, nothing is tidied up."""
        done = self.kubectl.out("-n", SYSTEM, "get", "pods", "-o", "json")
        uids = [pod["metadata"]["uid"] for pod in json.loads(done)["items"]]
        assert sum(self.kill_in_pod(uid) for uid in uids) > 0, "no operator to kill"

    def agrees_with_witness(self, name: str) -> None:
        """The job's total is what its pods' own times give, and no worker lived twice."""
        time.sleep(2)  # the witness may be a moment behind
        cost = self.status(name)["cost"]
        exact = self.witness.cost(name)
        assert exact > 0, "what costs nothing proves nothing"
        numerator, denominator = map(int, cost["accrued"].split("/"))
        assert exact.numerator * denominator == numerator * exact.denominator, (
            f"accrued {cost['accrued']}, by the pods' own times {exact}"
        )
        assert not self.witness.doubles, self.witness.doubles


def component(action: str, name: str) -> None:
    """Stop or start a component of the development cluster."""
    command = [sys.executable, "-m", "devcluster", action, name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def image(name: str) -> str:
    """The reference of an image that was built for the development cluster."""
    state = Path(os.environ.get("QM_STATE") or Path.home() / ".local/state/quartermaster")
    return str(json.loads((state / "images.json").read_text())[name])


def summary(status: Json) -> str:
    told = [f"{c['type']}={c['status']} {c['message']}" for c in status.get("conditions") or []]
    return f"{status.get('state')} {status.get('progress')} " + "; ".join(told)


def napping(seconds: str) -> str:
    """A script that sleeps, and ends at once when it is told to."""
    return f"trap 'exit 76' TERM; sleep {seconds} & wait $!"


def shell_job(name: str, script: str, **trainer: Any) -> Json:
    """A job whose workers run a shell script on one GPU each: starts in a second, and costs."""
    return {
        "apiVersion": "quartermaster.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name},
        "spec": {
            "trainer": {
                "image": image("busybox"),
                "command": ["sh", "-c", script],
                "workers": 2,
                "resourcesPerWorker": {"gpus": 1, "cpu": "10m", "memory": "32Mi"},
                **trainer,
            },
            "checkpoint": {"size": "100Mi"},
        },
    }


def digits_job(name: str, epochs: int, **spec: Any) -> Json:
    """A job that trains for real."""
    return {
        "apiVersion": "quartermaster.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name},
        "spec": {
            "model": {"factory": "qm_trainer.zoo:resnet", "args": {"numClasses": 10}},
            "dataset": {"uri": "builtin://digits"},
            "trainer": {
                "workers": 2,
                "epochs": epochs,
                "resourcesPerWorker": {"gpus": 1, "cpu": "900m", "memory": "2Gi"},
            },
            "checkpoint": {"size": "1Gi", "periodSeconds": 5},
            **spec,
        },
    }
