"""Names that are part of the API: group, version, labels, annotations, finalizers, conditions."""

from enum import StrEnum

GROUP = "quartermaster.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

JOB_LABEL = f"{GROUP}/job-name"
"""On everything that belongs to a TrainingJob: the job's name."""
JOB_UID_LABEL = f"{GROUP}/job-uid"
"""The TrainingJob's uid, so that a later job of the same name never adopts the earlier's pods."""
QUEUE_LABEL = f"{GROUP}/queue"
"""On a TrainingJob: the ComputeQueue that it waits in."""
KUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""On a TrainingJob that Kueue queues: no queue of ours counts it, and none stops it."""

PLACEMENT_GATE = f"{GROUP}/placement"
"""The scheduling gate that a worker pod carries until its whole gang is placed."""

JOB_FINALIZER = f"{GROUP}/job"
"""On a TrainingJob: its pods are closed in the accounts before it goes."""
POD_FINALIZER = f"{GROUP}/accounting"
"""On a worker pod: its bind and release times are charged before it goes."""

PRICE_ANNOTATION = f"{GROUP}/usd-per-hour"
"""On a pod: the price of its share of the node when it was placed [USD/h], or `unknown`."""

DEVICES_ANNOTATION = f"{GROUP}/devices"
"""On a pod that gets devices by claims: `CLASS=COUNT`, since its requests do not tell."""

HELD_ANNOTATION = f"{GROUP}/held"
"""On a pod: of which machine it holds what, as it was when it was placed. In JSON."""

REPRICED_ANNOTATION = f"{GROUP}/repriced"
"""On a pod whose price has changed since: a JSON list of `[TIME, USD/h]`, the earliest first."""

NODE_PRICE_ANNOTATION = f"{GROUP}/usd-per-node-hour"
"""On a node: what it costs [USD/h], a decimal number that is not negative."""

PREEMPTED_ANNOTATION = f"{GROUP}/preempted"
"""On a TrainingJob that is stopped for another one, until that one has its places: who, why, when.

In JSON: `{"by": "NAMESPACE/NAME", "uid": ..., "why": ..., "at": ..., "places": {NODE:
WORKERS}}`; the places are where the other one is to go."""

RESIZE_ANNOTATION = f"{GROUP}/resize"
"""On a TrainingJob that goes on with other workers or on other nodes, until these have places.

In JSON: `{"workers": ..., "why": ..., "at": ..., "places": {NODE: WORKERS}, "avoids": [NODE]}`; the
places are kept for it, and the nodes to avoid are left."""

UNFUNDED_ANNOTATION = f"{GROUP}/unfunded"
"""On a TrainingJob that is stopped since its money is spent, until there is more.

In JSON: `{"by": "spec.budget" or "NAMESPACE/NAME", "why": ..., "at": ..., "amount": ..., "reserve":
...}`; the amount is the limit that it was stopped for, the reserve what has to be left to go on."""

WORKERS_ANNOTATION = f"{GROUP}/workers"
"""On a pod of an elastic TrainingJob: how many workers its gang has. The trainer's PET_NNODES."""

NODE_LOST = "NodeLost"
"""Reason of the disruption of a pod that was given up together with its node."""

FIELD_MANAGER = "quartermaster"
TOKEN_AUDIENCE_PREFIX = f"{GROUP}/"


class ConditionType(StrEnum):
    """What a TrainingJob's conditions can be about."""

    PLACED = "Placed"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    STALLED = "Stalled"
    PREEMPTED = "Preempted"
    RESIZING = "Resizing"
    FUNDED = "Funded"
    ON_TIME = "OnTime"
    COMPLETE = "Complete"
    FAILED = "Failed"


def token_audience(namespace: str, name: str) -> str:
    """The audience of the token by which one job's workers report their progress."""
    return f"{TOKEN_AUDIENCE_PREFIX}{namespace}/{name}"
