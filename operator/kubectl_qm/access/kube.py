"""A real cluster: which paths hold what."""

from collections.abc import Iterator, Mapping
from urllib.parse import quote

from kubectl_qm.access.api_server import READ_TIMEOUT_S, ApiServer
from kubectl_qm.access.refusals import NOT_INSTALLED
from kubectl_qm.cluster import TRAINER_CONTAINER, Json, LogRequest
from kubectl_qm.errors import DeniedError, NotFoundError, NotInstalledError
from quartermaster.api.meta import API_VERSION, JOB_UID_LABEL

TRAINING_JOBS = "trainingjobs"
COMPUTE_POOLS = "computepools"
COMPUTE_QUEUES = "computequeues"
BUDGETS = "budgets"
NODE_OVERLAYS = "/apis/karpenter.sh/v1alpha1/nodeoverlays"
"""Said again, since the models take 0.1 s to import; a test holds them to `quartermaster.api`."""

NO_LEDGER = "the operator keeps no ledger: install the chart with ledger.enabled=true"
FOLLOW_TIMEOUT_S = 86_400
"""Between two lines of a followed log: silence is no fault."""


class KubernetesCluster:
    """Fits `cluster.Cluster`."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self._server = server
        self._namespace = namespace

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context."""
        return self._namespace

    def list_jobs(self, namespace: str | None) -> list[Json]:
        """TrainingJobs of a namespace, or of all with None."""
        return self._server.items(f"/apis/{API_VERSION}{_within(namespace)}/{TRAINING_JOBS}")

    def get_job(self, namespace: str, name: str) -> Json:
        """One TrainingJob."""
        path = f"/apis/{API_VERSION}{_within(namespace)}/{TRAINING_JOBS}/{_segment(name)}"
        return self._server.get(path)

    def list_pods(self, namespace: str, job_uid: str) -> list[Json]:
        """The worker pods of one TrainingJob; the uid alone tells it from others of its name."""
        selector = {"labelSelector": f"{JOB_UID_LABEL}={job_uid}"}
        return self._server.items(f"/api/v1{_within(namespace)}/pods", selector)

    def list_events(self, namespace: str, uid: str) -> list[Json]:
        """The events about one object."""
        selector = {"fieldSelector": f"involvedObject.uid={uid}"}
        return self._server.items(f"/api/v1{_within(namespace)}/events", selector)

    def list_pools(self) -> list[Json]:
        """ComputePools."""
        return self._server.items(f"/apis/{API_VERSION}/{COMPUTE_POOLS}")

    def list_queues(self) -> list[Json]:
        """ComputeQueues."""
        return self._server.items(f"/apis/{API_VERSION}/{COMPUTE_QUEUES}")

    def list_budgets(self, namespace: str | None) -> list[Json]:
        """Budgets of a namespace, or of all with None."""
        return self._server.items(f"/apis/{API_VERSION}{_within(namespace)}/{BUDGETS}")

    def list_nodes(self) -> list[Json]:
        """Nodes."""
        return self._server.items("/api/v1/nodes")

    def list_devices(self, plural: str) -> list[Json]:
        """A resource of Dynamic Resource Allocation; none where the cluster has not got it."""
        try:
            return self._server.items(f"/apis/resource.k8s.io/v1/{_segment(plural)}")
        except (NotFoundError, NotInstalledError, DeniedError):
            return []

    def list_namespaces(self) -> list[Json]:
        """Namespaces."""
        return self._server.items("/api/v1/namespaces")

    def list_every_pod(self) -> list[Json]:
        """The pods of all namespaces."""
        return self._server.items("/api/v1/pods")

    def list_overlays(self) -> list[Json]:
        """Karpenter's NodeOverlays; none where the cluster has no such resource."""
        try:
            return self._server.items(NODE_OVERLAYS)
        except NotInstalledError:
            return []

    def list_operators(self) -> list[Json]:
        """Deployments with the chart's label."""
        selector = {"labelSelector": "app.kubernetes.io/name=quartermaster"}
        return self._server.items("/apis/apps/v1/deployments", selector)

    def read_ledger(self, query: Mapping[str, str]) -> Json:
        """Sums of the operator's ledger, through the API server's proxy to its metrics port."""
        operators = self.list_operators()
        if not operators:
            raise NotInstalledError(NOT_INSTALLED)
        metadata = operators[0]["metadata"]
        service = f"{_segment(metadata['name'])}:metrics"
        path = f"/api/v1{_within(metadata['namespace'])}/services/{service}/proxy/ledger"
        try:
            return self._server.get(path, query)
        except NotInstalledError as error:
            raise NotFoundError(NO_LEDGER) from error

    def stream_log(self, request: LogRequest) -> Iterator[str]:
        """Lines of the trainer container's log as they arrive."""
        query: dict[str, str | int] = {"container": TRAINER_CONTAINER}
        query |= {
            flag: "true" for flag in ("follow", "previous", "timestamps") if getattr(request, flag)
        }
        if request.tail is not None:
            query["tailLines"] = request.tail
        path = f"/api/v1{_within(request.namespace)}/pods/{_segment(request.pod)}/log"
        timeout_s = FOLLOW_TIMEOUT_S if request.follow else READ_TIMEOUT_S
        return self._server.lines(path, query, timeout_s)


def _within(namespace: str | None) -> str:
    return "" if namespace is None else f"/namespaces/{_segment(namespace)}"


def _segment(name: str) -> str:
    """What the user typed, as one segment of a path: a slash in it must not lead elsewhere."""
    return quote(name, safe="")
