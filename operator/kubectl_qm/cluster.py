"""What the commands need of a cluster; `kube` fits it to a real one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Json = Mapping[str, Any]
"""A Kubernetes object as the API server sent it: an older plugin survives newer fields."""

TRAINER_CONTAINER = "trainer"
"""The container of a worker pod that trains."""


@dataclass(frozen=True, slots=True)
class LogRequest:
    """Which part of which pod's log."""

    namespace: str
    pod: str
    follow: bool = False
    """Go on with new lines until the container ends."""
    tail: int | None = None
    """Only the last lines [count]; None is all of them."""
    previous: bool = False
    """The container's life before the last restart."""
    timestamps: bool = False
    """Begin each line with its time in RFC 3339."""


class Cluster(Protocol):
    """A Kubernetes cluster with Quartermaster's resources.

    Every method raises `errors.UnreachableError` when the cluster does not answer, `DeniedError`
    when the user may not, `NotInstalledError` when the custom resources are missing.
    """

    @property
    def namespace(self) -> str:
        """The namespace that is meant when none is named."""
        ...

    def list_jobs(self, namespace: str | None) -> list[Json]:
        """TrainingJobs of a namespace, or of all with None, by namespace and name."""
        ...

    def get_job(self, namespace: str, name: str) -> Json:
        """One TrainingJob.

        Raises:
            NotFoundError: There is none of that name.
        """
        ...

    def list_pods(self, namespace: str, job_uid: str) -> list[Json]:
        """The worker pods of one TrainingJob."""
        ...

    def list_events(self, namespace: str, uid: str) -> list[Json]:
        """The events about one object."""
        ...

    def list_pools(self) -> list[Json]:
        """ComputePools, by name."""
        ...

    def list_queues(self) -> list[Json]:
        """ComputeQueues, by name."""
        ...

    def list_budgets(self, namespace: str | None) -> list[Json]:
        """Budgets of a namespace, or of all with None, by namespace and name."""
        ...

    def list_nodes(self) -> list[Json]:
        """Every node."""
        ...

    def list_devices(self, plural: str) -> list[Json]:
        """DeviceClasses, ResourceSlices or ResourceClaims; none where they cannot be seen."""
        ...

    def list_namespaces(self) -> list[Json]:
        """Every namespace."""
        ...

    def list_every_pod(self) -> list[Json]:
        """The pods of all namespaces, other people's too: they hold what is not free."""
        ...

    def list_overlays(self) -> list[Json]:
        """Karpenter's NodeOverlays; none where the cluster has no such resource."""
        ...

    def list_operators(self) -> list[Json]:
        """The Deployments of Quartermaster's operator."""
        ...

    def read_ledger(self, query: Mapping[str, str]) -> Json:
        """Sums of the operator's ledger, as its `/ledger` gives them.

        Raises:
            NotFoundError: No ledger is kept.
        """
        ...

    def stream_log(self, request: LogRequest) -> Iterator[str]:
        """Lines of the trainer container's log, without line ends, as they arrive.

        Raises:
            NotFoundError: The pod is gone, or its container has not started.
        """
        ...
