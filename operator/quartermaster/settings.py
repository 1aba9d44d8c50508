"""The operator's settings, read once from the environment by the composition root."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set; each field is the environment variable `QM_` + its name."""

    namespace: str = "quartermaster-system"
    """Where the operator itself lives; its lease is here."""
    pod_name: str = "quartermaster-local"
    """Who it is in the election; a container that restarts in its pod keeps its lease."""
    trainer_image: str = "quartermaster/trainer:latest"
    """Image of workers whose job names none."""
    progress_url: str = "http://quartermaster.quartermaster-system.svc:8080/v1/progress"
    """Where workers post their progress."""
    http_port: int = 8080
    """Progress, /healthz and /readyz."""
    metrics_port: int = 9090
    """/metrics."""
    log_level: str = "info"
    """debug, info, warning or error."""
    lease_name: str = "quartermaster"
    """The Lease that the leader holds."""
    leader_election: bool = True
    """Off only where exactly one operator runs for certain, such as on a developer's machine."""
    status_interval_seconds: float = 2.0
    """Least time between two status writes of one job, terminal states excepted [s]."""
    concurrency: int = 16
    """Jobs that are reconciled at the same time [count]."""
    partial_gang_seconds: float = 120.0
    """A gang that could be placed only in part gives its nodes back after this time [s]."""
    preemption_claim_seconds: float = 180.0
    """A stopped job waits for the one that it made room for at most this long [s]."""
    queue_half_life_seconds: float = 86_400.0
    """What a queue used this long ago counts half in its share [s]; 0 counts only what runs."""
    peer_grace_seconds: float = 30.0
    """A worker of a former gang is stopped when its replaced peer has run for this time [s]."""
    elastic_round_seconds: float = 30.0
    """Least time between two looks at how many workers elastic jobs have [s]."""
    unschedulable_seconds: float = 15.0
    """A placed worker that the scheduler refuses for this time is placed anew [s]."""
    dcgm: str = ""
    """Addresses of DCGM exporters, or of a Prometheus's /federate, with commas between them.

    Empty, as it is by default: GPU counters are not read."""
    ledger_url: str = field(default="", repr=False)
    """Where the ledger is kept: sqlite:////path/to/file or postgresql://user:password@host/name.

    Empty, as it is by default: no ledger is kept. It may hold a password and is never printed."""
    ledger_retention_days: int = 400
    """Single entries older than this are dropped, their sums are kept [days]; 0 keeps all."""

    max_job_series: int = 2000
    """So many jobs have metrics of their own, the costliest of those that are not over [count]."""
    price_catalog: str = ""
    """A list of prices that goes before ours: the path of a CSV file, or its http(s) URL.

    Empty, as it is by default: our own is the only one."""
    price_catalog_hours: float = 6.0
    """It is read at the start, and then again after this time [h]."""

    def dcgm_addresses(self) -> tuple[str, ...]:
        """The addresses one by one."""
        return tuple(word for part in self.dcgm.split(",") if (word := part.strip()))


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings, with what the environment says.

    Raises:
        ValueError: A number is not one; the message names the variable.
    """
    given: dict[str, object] = {}
    defaults = Settings()
    for name in Settings.__dataclass_fields__:
        variable = f"QM_{name.upper()}"
        if variable in environment:
            given[name] = _parsed(variable, environment[variable], getattr(defaults, name))
    return Settings(**given)  # type: ignore[arg-type]  # each value has the type of its default


def _parsed(variable: str, text: str, default: object) -> object:
    try:
        if isinstance(default, bool):
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if isinstance(default, int):
            return int(text)
        if isinstance(default, float):
            return float(text)
    except (KeyError, ValueError):
        wanted = "true or false" if isinstance(default, bool) else "a number"
        raise ValueError(f"{variable}={text!r} is not {wanted}") from None
    return text
