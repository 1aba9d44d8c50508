"""A look at the volume of the run, by a pod that lists files and ends."""

import json
import os
import subprocess
from typing import Any

from kubectl_qm.views import Job
from scripts.demo.errors import DemoError
from scripts.demo.place import NAMESPACE, Place

POD = "look"
_MOUNT = "/artifacts"
_LIST = r'cd "$0" && find . -type f -printf "%10s  %P\n" | sort -k2'


def run_folder(job: Job) -> tuple[str, str]:
    """Claim and folder of a run, from the address of its checkpoint or model.

    Raises:
        DemoError: The job does not say where its model is.
    """
    uri = job.result.model_uri if job.result else ""
    scheme, _, rest = uri.partition("://")
    claim, _, path = rest.partition("/")
    if scheme != "pvc" or not path:
        raise DemoError(f"the job does not say where its model is ({uri or 'no result'})")
    return claim, path.split("/model/", 1)[0]


def pod(image: str, claim: str, folder: str) -> dict[str, Any]:
    """A pod that lists a folder of a claim, allowed by the restricted Pod Security Standard."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": POD, "namespace": NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": POD,
                    "image": image,
                    "command": ["/bin/sh", "-c", _LIST, f"{_MOUNT}/{folder}"],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "v", "mountPath": _MOUNT, "readOnly": True}],
                }
            ],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}],
        },
    }


def listing(place: Place, job: Job) -> list[str]:
    """The files of a run, each with its size [bytes].

    Raises:
        DemoError: The pod did not end well.
    """
    claim, folder = run_folder(job)
    document = pod(place.image("operator"), claim, folder)
    gone = ("delete", "pod", POD, "-n", NAMESPACE, "--ignore-not-found", "--now")
    _kubectl(place, *gone)
    _kubectl(place, "create", "-f", "-", stdin=json.dumps(document))
    try:
        ended = "--for=jsonpath={.status.phase}=Succeeded"
        _kubectl(place, "wait", f"pod/{POD}", "-n", NAMESPACE, ended, "--timeout=60s")
        return _kubectl(place, "logs", POD, "-n", NAMESPACE).splitlines()
    finally:
        _kubectl(place, *gone)


def _kubectl(place: Place, *arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        place.kubectl(*arguments),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **place.environment},
    )
    if done.returncode != 0:
        words = " ".join(done.stderr.split())
        raise DemoError(f"the run's files cannot be listed: kubectl {arguments[0]}: {words}")
    return done.stdout
