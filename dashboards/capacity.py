"""What there is, and why jobs wait."""

from dashboards.board import Board, Section, any_queue
from dashboards.look import BAD, DOUBTFUL, MUST_BE_ZERO
from dashboards.panels import COUNT, SECONDS, SHARE, Column, Line, areas, bars, lines, number, rows
from dashboards.promql import (
    QUEUES,
    events,
    of_jobs,
    or_none,
    quantile,
    ratio,
    series,
    with_info,
)

_THERE, _HELD = f"sum({series('pool_gpus')})", f"sum({series('pool_gpus_used')})"
_WAITING = with_info(
    of_jobs(series("job_waiting_seconds"), "reason"), "queue", info=QUEUES
)  # fmt: skip
_POOL = ("pool", "accelerator")


def _by_pool(name: str) -> str:
    return f"max by (pool, accelerator) ({series(name)})"


_NUMBERS = (
    number(
        "Jobs that wait",
        f"sum({series('waiting_jobs', QUEUES)}) or vector(0)",
        COUNT,
        "Jobs without a place: the table below says since when and why each waits.",
    ),
    number(
        "The longest wait",
        f"max({_WAITING}) or vector(0)",
        SECONDS,
        "Since when the oldest of them waits; from an hour on somebody will ask.",
        steps=((600.0, DOUBTFUL), (3600.0, BAD)),
    ),
    number(
        "GPUs that are free",
        f"{_THERE} - {_HELD}",
        COUNT,
        "Of ready nodes; free GPUs and waiting jobs together mean a quota, a model, or scattered "
        "GPUs.",
    ),
    number(
        "GPUs that are held",
        ratio(_HELD, _THERE),
        SHARE,
        "How full the cluster is: near 100 % jobs wait for one another, and a pool may grow.",
    ),
    number(
        "Nodes that are not ready",
        f"sum({series('pool_nodes', state='unready')}) or vector(0)",
        COUNT,
        "They are paid for and take no job: drain them or find out what ails them.",
        steps=((1.0, DOUBTFUL),),
    ),
    number(
        "Overcommitted nodes",
        f"max({series('overcommitted_nodes')})",
        COUNT,
        "Must be zero: else pods hold more GPUs than a node has, and their jobs will fail.",
        steps=MUST_BE_ZERO,
    ),
)
_WHY = (
    rows(
        "Why is my job waiting?",
        ("namespace", "job", "queue", "reason"),
        (
            Column(
                "Waits since",
                f"topk(50, {_WAITING})",
                SECONDS,
                ((600.0, DOUBTFUL), (3600.0, BAD)),
            ),
        ),
        "The reason of each; kubectl qm explain says in a sentence what would have to change.",
        span=14,
    ),
    areas(
        "Waiting jobs by reason",
        [Line(f"sum by (reason) ({series('waiting_jobs', QUEUES)})", "{{reason}}")],
        COUNT,
        "NoCapacity wants nodes, QuotaUsed a larger quota or patience, Unsatisfiable another "
        "request.",
        span=10,
    ),
)
_ROOM = (
    rows(
        "GPUs by pool and model",
        _POOL,
        (
            Column(
                "Held",
                f"{_by_pool('pool_gpus_used')} / ({_by_pool('pool_gpus')} > 0)",
                SHARE,
                gauge=True,
            ),
            Column("There", _by_pool("pool_gpus")),
            Column("Free", f"{_by_pool('pool_gpus')} - {_by_pool('pool_gpus_used')}"),
            Column("Free on one node", _by_pool("pool_largest_free_gpus")),
        ),
        "The last column is the largest worker that has room: far below what is free, GPUs are "
        "scattered.",
        span=14,
    ),
    lines(
        "GPUs that are held, by model",
        [
            Line(f"sum by (accelerator) ({series('pool_gpus_used')})", "{{accelerator}}"),
            Line(_THERE, "all that are there"),
        ],
        COUNT,
        "Which model is short: the one whose line stays up while jobs wait.",
        span=10,
    ),
    areas(
        "Nodes by pool",
        [
            Line(
                f"sum by (pool, capacity_type, state) ({series('pool_nodes')}) > 0",
                "{{pool}} {{capacity_type}} {{state}}",
            )
        ],
        COUNT,
        "What an autoscaler or a cloud has given and taken.",
    ),
    lines(
        "From its creation until a gang has its place",
        [
            Line(quantile(0.5, "gang_placed_seconds"), "half of them"),
            Line(quantile(0.95, "gang_placed_seconds"), "95 % of them"),
        ],
        SECONDS,
        "How long users wait: seconds where there is room, and the queue's length where there is "
        "none.",
    ),
)
_QUEUES = (
    lines(
        "Jobs that wait, by queue",
        [Line(f"max by (queue) ({series('queue_pending_jobs', QUEUES)})", "{{queue}}")],
        COUNT,
        "Whose queue is long: compare its share beside it before you raise a quota.",
        span=8,
    ),
    lines(
        "Share that each queue uses, by its weight",
        [Line(f"max by (queue) ({series('queue_fair_share_ratio', QUEUES)})", "{{queue}}")],
        COUNT,
        "Who is served next: the queue with the smallest number; far apart for long, weights do "
        "not fit.",
        span=8,
    ),
    lines(
        "GPUs by queue",
        [
            Line(
                f"sum by (queue) (max by (queue, accelerator) "
                f"({series('queue_gpus_used', QUEUES)}))",
                "{{queue}}",
            )
        ],
        COUNT,
        "What each queue holds, those below it among it.",
        span=8,
    ),
    bars(
        "What was decided",
        Line(events("answer", "placement_decision_seconds_count"), "{{answer}}"),
        COUNT,
        "Decisions in the range shown: a gang that waits is decided again at each chance, so a "
        "tall bar is one reason asked often.",
    ),
    bars(
        "Jobs that were resized",
        Line(or_none(events("direction", "resizes_total"), "direction"), "{{direction}}"),
        COUNT,
        "Elastic jobs that grew, shrank or moved in the range shown; each is a restart.",
    ),
    bars(
        "Jobs that were stopped for others",
        Line(or_none(events("reason", "preemptions_total"), "reason"), "{{reason}}"),
        COUNT,
        "Preemptions in the range shown: many are a sign that priorities or quotas fight each "
        "other.",
    ),
)

CAPACITY = Board(
    name="capacity",
    title="Capacity and placement",
    question="What is there, and why is my job waiting?",
    sections=(
        Section("Now", _NUMBERS),
        Section("Who waits", _WHY),
        Section("Room", _ROOM),
        Section("Queues", _QUEUES),
    ),
    variables=(any_queue(),),
)
