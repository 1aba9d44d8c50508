"""A cluster in memory that fits `kubectl_qm.cluster.Cluster`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubectl_qm.cluster import Json, LogRequest
from kubectl_qm.errors import CommandError, DeniedError, NotFoundError


@dataclass
class MemoryCluster:
    """What was put in comes out; `refusal` makes every question fail."""

    jobs: list[Json] = field(default_factory=list)
    pods: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    pools: list[Json] = field(default_factory=list)
    queues: list[Json] = field(default_factory=list)
    budgets: list[Json] = field(default_factory=list)
    nodes: list[Json] = field(default_factory=list)
    devices: dict[str, list[Json]] = field(default_factory=dict)
    namespaces: list[Json] = field(default_factory=list)
    operators: list[Json] = field(default_factory=list)
    overlays: list[Json] = field(default_factory=list)
    logs: dict[str, Iterable[str]] = field(default_factory=dict)
    """By pod; the life before the last restart under `POD/previous`."""
    refusal: CommandError | None = None
    denied: frozenset[str] = frozenset()
    """Methods that the user may not use."""
    ledger: Json | None = None
    """What the operator's ledger answers; None: it keeps none."""
    ledger_queries: list[dict[str, str]] = field(default_factory=list)
    asked: list[LogRequest] = field(default_factory=list)
    on_get: Callable[[], Any] = lambda: None
    """Called before each reading of a job: lets a test move time on."""
    namespace: str = "team-a"

    def list_jobs(self, namespace: str | None) -> list[Json]:
        self._refuse()
        found = [job for job in self.jobs if namespace in {None, job["metadata"]["namespace"]}]
        return sorted(
            found, key=lambda job: (job["metadata"]["namespace"], job["metadata"]["name"])
        )

    def get_job(self, namespace: str, name: str) -> Json:
        self.on_get()
        for job in self.list_jobs(namespace):
            if job["metadata"]["name"] == name:
                return job
        raise NotFoundError(f'trainingjobs.quartermaster.dev "{name}" not found')

    def list_pods(self, namespace: str, job_uid: str) -> list[Json]:
        self._refuse("list_pods")
        label = "quartermaster.dev/job-uid"
        return [pod for pod in self.pods if pod["metadata"]["labels"][label] == job_uid]

    def list_events(self, namespace: str, uid: str) -> list[Json]:
        self._refuse("list_events")
        return [event for event in self.events if event["involvedObject"]["uid"] == uid]

    def list_pools(self) -> list[Json]:
        self._refuse()
        return sorted(self.pools, key=lambda pool: str(pool["metadata"]["name"]))

    def list_queues(self) -> list[Json]:
        self._refuse()
        return sorted(self.queues, key=lambda queue: str(queue["metadata"]["name"]))

    def list_devices(self, plural: str) -> list[Json]:
        self._refuse("list_devices")
        return self.devices.get(plural, [])

    def list_budgets(self, namespace: str | None) -> list[Json]:
        self._refuse()
        found = [one for one in self.budgets if namespace in {None, one["metadata"]["namespace"]}]
        return sorted(
            found, key=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"])
        )

    def list_nodes(self) -> list[Json]:
        self._refuse("list_nodes")
        return list(self.nodes)

    def list_namespaces(self) -> list[Json]:
        self._refuse("list_namespaces")
        return list(self.namespaces)

    def list_every_pod(self) -> list[Json]:
        self._refuse("list_every_pod")
        return list(self.pods)

    def list_overlays(self) -> list[Json]:
        self._refuse("list_overlays")
        return list(self.overlays)

    def read_ledger(self, query: Mapping[str, str]) -> Json:
        self._refuse("read_ledger")
        self.ledger_queries.append(dict(query))
        if self.ledger is None:
            raise NotFoundError("the operator keeps no ledger")
        return self.ledger

    def list_operators(self) -> list[Json]:
        self._refuse("list_operators")
        return list(self.operators)

    def stream_log(self, request: LogRequest) -> Iterator[str]:
        self._refuse()
        self.asked.append(request)
        key = f"{request.pod}/previous" if request.previous else request.pod
        if key not in self.logs:
            raise NotFoundError(f'pods "{request.pod}" not found')
        return self._lines(self.logs[key], request)

    def _lines(self, lines: Iterable[str], request: LogRequest) -> Iterator[str]:
        """Lines are kept as `TIME TEXT`, and lose their time unless it is asked for."""
        if request.tail is not None:
            kept = list(lines)
            lines = kept[len(kept) - min(request.tail, len(kept)) :]
        for line in lines:
            yield line if request.timestamps else line.partition(" ")[2]

    def _refuse(self, method: str = "") -> None:
        if method in self.denied:
            raise DeniedError(f"not allowed: {method}")
        if self.refusal is not None:
            raise self.refusal
