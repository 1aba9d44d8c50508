"""The steps before the training, in order, for each kind of cluster."""

import json
import sys
from collections.abc import Iterator

from scripts.demo.place import (
    JOB,
    NAMESPACE,
    OPERATOR_NAMESPACE,
    RELEASE,
    ROOT,
    SPOT_JOB,
    Place,
)
from scripts.demo.steps import Step

KIND = "trainingjobs.quartermaster.dev"
JOB_STEPS = ("earlier", "job")
"""The steps that are about the job, and not about the operator."""
_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def preparation(place: Place) -> Iterator[Step]:
    """Cluster and images."""
    devcluster = (sys.executable, "-m", "devcluster", f"--cluster={place.cluster}")
    yield Step(
        "cluster",
        "Cluster",
        (*devcluster, "up"),
        "run `make cluster-status`, then `make cluster-down` and `make demo` again"
        if place.is_local
        else "put right what the message names, or take CLUSTER=local",
    )
    yield Step(
        "images",
        "Images",
        (*devcluster, "images"),
        "the log's last lines name the build step; `make images` tries again"
        if place.is_local
        else "put right what the message names; images are built with Docker here",
    )


def installation(place: Place) -> Iterator[Step]:
    """Namespaces, operator, prices, and the job; asks for the images, which must be there."""
    yield Step(
        "namespaces",
        "Namespaces",
        place.kubectl(
            *("apply", "--server-side", "--force-conflicts"),
            *("--field-manager=quartermaster-demo", "-f", "-"),
        ),
        "check that you may create namespaces: `kubectl auth can-i create namespaces`",
        stdin=json.dumps(_namespaces()),
        done=f"{OPERATOR_NAMESPACE} and {NAMESPACE}, both restricted",
    )
    yield Step(
        "operator",
        "Operator",
        place.helm(
            *("upgrade", "--install", RELEASE, str(ROOT / "helm" / "quartermaster")),
            *("--namespace", OPERATOR_NAMESPACE, "--wait", "--timeout", "180s", "--hide-notes"),
            *_images(place),
        ),
        f"see `kubectl -n {OPERATOR_NAMESPACE} describe pods`; if helm says that another operation "
        f"is in progress: `helm -n {OPERATOR_NAMESPACE} rollback {RELEASE}`",
        done=f"release {RELEASE} is deployed in {OPERATOR_NAMESPACE}",
    )
    if place.cluster != "existing":
        # The example's prices are for the labels of our own nodes; a real cluster has its own.
        yield Step(
            "prices",
            "Prices",
            place.kubectl("apply", "-f", str(ROOT / "examples" / "compute-pool.yaml")),
            "the message names the field that is wrong",
        )
    yield Step(
        "earlier",
        "Earlier run",
        place.kubectl(
            *("delete", KIND, JOB, SPOT_JOB, "-n", NAMESPACE),
            *("--ignore-not-found", "--timeout=120s"),
        ),
        f"see what holds it: `kubectl describe {KIND} {JOB} -n {NAMESPACE}`",
    )
    yield _applied(place, "job", "Job", "training-job.yaml")


def spot_scene(place: Place) -> Step:
    """The second job, which a spot node is taken away from."""
    return _applied(place, "spot-job", "Spot job", "spot-job.yaml")


def _applied(place: Place, name: str, title: str, example: str) -> Step:
    return Step(
        name,
        title,
        place.kubectl("apply", "-n", NAMESPACE, "-f", str(ROOT / "examples" / example)),
        "the message names the field that is wrong",
    )


def _namespaces() -> dict[str, object]:
    """Both namespaces, under the strictest Pod Security Standard."""
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": _RESTRICTED},
            }
            for name in (OPERATOR_NAMESPACE, NAMESPACE)
        ],
    }


def _images(place: Place) -> list[str]:
    repository, _, tag = place.image("operator").rpartition(":")
    values = {
        "image.repository": repository,
        "image.tag": tag,
        "trainer.image": place.image("trainer"),
    }
    return [f"--set-string={name}={value}" for name, value in values.items()]
