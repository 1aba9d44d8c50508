"""Whether the operator itself is well."""

from dashboards.board import Board, Section
from dashboards.look import ALL, BAD, DOUBTFUL, GOOD, MUST_BE_ZERO
from dashboards.panels import BYTES, COUNT, SECONDS, Line, areas, bars, lines, number, yes_or_no
from dashboards.panels import words as label
from dashboards.promql import events, or_none, series

_RATE = "$__rate_interval"
_US = f"on (instance, job) {series('build_info')}"


def _slow(name: str, share: float) -> str:
    buckets = f"sum by (le) (rate({series(name)}_bucket[{_RATE}]))"
    return f"histogram_quantile({share}, {buckets})"


def _times(name: str) -> list[Line]:
    return [Line(_slow(name, 0.5), "half of them"), Line(_slow(name, 0.99), "99 % of them")]


_NUMBERS = (
    number(
        "Leaders",
        f"sum({series('leader')})",
        COUNT,
        "Must be 1: at 0 nothing is placed, at 2 look at the Lease and the clocks at once.",
        steps=((ALL, BAD), (1.0, GOOD), (2.0, BAD)),
    ),
    number(
        "Watches that are down",
        f"count({series('watch_up')} == 0) or vector(0)",
        COUNT,
        "Must be zero: the liveness probe restarts an operator that has lost one.",
        steps=MUST_BE_ZERO,
    ),
    number(
        "Jobs to look at",
        f"sum({series('work_queue_depth')})",
        COUNT,
        "The queue of passes: hundreds for minutes mean that the API server or the operator is "
        "slow.",
        steps=((100.0, DOUBTFUL), (1000.0, BAD)),
    ),
    yes_or_no(
        "Ledger reachable",
        f"max({series('ledger_up')})",
        "Whether costs are kept: if not, nothing is lost yet, but look at the database.",
    ),
    number(
        "Jobs without series",
        f"max({series('jobs_without_series')})",
        COUNT,
        "Jobs beyond the cap of series: the cheapest are in no table here; raise maxJobSeries.",
        steps=((1.0, DOUBTFUL),),
    ),
    label(
        "Version",
        f"max by (version) ({series('build_info')})",
        "version",
        "What runs; two of them for long is an update that hangs.",
    ),
)
_WORK = (
    lines(
        "Time of a pass over a job",
        _times("reconcile_seconds"),
        SECONDS,
        "A pass reads caches and writes what differs: above a second the API server is slow.",
        span=8,
    ),
    lines(
        "Passes per second",
        [Line(f"sum by (outcome) (rate({series('reconcile_seconds')}_count[{_RATE}]))",
              "{{outcome}}")],
        COUNT,
        "How much there is to do, and how much of it fails: failures are in the log, with the job.",
        span=8,
    ),
    lines(
        "Time of a decision",
        _times("placement_decision_seconds"),
        SECONDS,
        "How long one gang takes to place: it grows with the nodes and what waits.",
        span=8,
    ),
    areas(
        "Writes to the API server per second",
        [Line(f"sum by (resource) (rate({series('api_writes_total')}[{_RATE}]))", "{{resource}}")],
        COUNT,
        "What the operator writes: status writes are limited, so a burst of others is real work.",
    ),
    bars(
        "Requests that the API server refused",
        Line(or_none(events("code", "api_errors_total"), "code"), "{{code}}"),
        COUNT,
        "In the range shown: 409 and 404 are races that are tried again, 403 is a missing rule, "
        "429 and 5xx a server in trouble.",
        span=6,
    ),
    bars(
        "Progress reports",
        Line(events("status", "progress_reports_total"), "{{status}}"),
        COUNT,
        "Answers to workers in the range shown: 4xx is a worker with a wrong token or an old job.",
        span=6,
    ),
)  # fmt: skip
_WATCHES = (
    lines(
        "Since the newest event, by watch",
        [
            Line(
                f"time() - max by (resource) ({series('watch_last_event_timestamp_seconds')})",
                "{{resource}}",
            )
        ],
        SECONDS,
        "Nodes and pods report all the time: minutes of silence there are a watch that is dead.",
    ),
    lines(
        "Jobs to look at",
        [Line(f"sum({series('work_queue_depth')})", "jobs")],
        COUNT,
        "Whether the queue of passes drains: bursts are fine, a slope is not.",
    ),
)
_PROCESS = (
    lines(
        "Memory",
        [Line(f"process_resident_memory_bytes and {_US}", "{{instance}}")],
        BYTES,
        "Keep it well below the container's limit: it grows with jobs and nodes, not with time.",
        span=8,
    ),
    lines(
        "Processor",
        [Line(f"rate(process_cpu_seconds_total[{_RATE}]) and {_US}", "{{instance}}")],
        COUNT,
        "Cores in use: it is one thread, so near 1 it is as fast as it gets.",
        span=8,
    ),
    lines(
        "Open files",
        [Line(f"process_open_fds and {_US}", "{{instance}}")],
        COUNT,
        "Connections and files: a slope is a leak, tell us.",
        span=8,
    ),
)

HEALTH = Board(
    name="operator",
    title="Operator",
    question="Is the operator itself well?",
    sections=(
        Section("Now", _NUMBERS),
        Section("Work", _WORK),
        Section("Watches and queue", _WATCHES),
        Section("Process", _PROCESS),
    ),
    since="now-6h",
)
