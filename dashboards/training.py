"""What binds the steps of the jobs that train."""

from dashboards.board import Board, Section, any_namespace
from dashboards.look import ALL, BAD, DOUBTFUL, GOOD, USEFUL_SHARE
from dashboards.panels import COUNT, SECONDS, SHARE, Column, Line, areas, bars, lines, number, rows
from dashboards.promql import NAMESPACES, else_none, of_jobs, ratio, series, with_info

_GPUS = of_jobs(series("job_gpus", NAMESPACES))
_STEP = of_jobs(series("job_step_seconds", NAMESPACES))
_FRACTION = series("job_step_fraction", NAMESPACES)
_BUSY = of_jobs(series("job_gpu_busy_ratio", NAMESPACES))
_BOUND = 'bound!=""'
_DONE = of_jobs(series("job_progress_ratio", NAMESPACES))
_FAILED = else_none(of_jobs(series("job_worker_restarts", NAMESPACES)), NAMESPACES)
_STEPPING = f"{_GPUS} and {_STEP}"
_GOODPUT = of_jobs(series("job_goodput_ratio", NAMESPACES))


def _part(name: str) -> str:
    return of_jobs(series("job_step_fraction", NAMESPACES, f'part="{name}"'))


def _of_gpus(part: str) -> str:
    """A part of the steps of all GPUs that take any."""
    return ratio(f"sum({_part(part)} * {_GPUS})", f"sum({_STEPPING})")


_NUMBERS = (
    number(
        "Jobs that run",
        f"sum({series('jobs', state='Running')})",
        COUNT,
        "In all namespaces: fewer than GPUs are held for means that some start or wait.",
    ),
    number(
        "GPUs that take steps",
        f"sum({_STEPPING})",
        COUNT,
        "GPUs of jobs that report their steps: the others run scripts that tell nothing.",
    ),
    number(
        "Computing",
        _of_gpus("compute"),
        SHARE,
        "Of the time of all GPUs that take steps: low, the two numbers beside it say what they "
        "wait for.",
    ),
    number(
        "Exchanging",
        _of_gpus("communication"),
        SHARE,
        "Waiting for gradients: from a third on, larger batches, fewer nodes or closer ones.",
        steps=((0.33, DOUBTFUL),),
    ),
    number(
        "Waiting for data",
        _of_gpus("data_wait"),
        SHARE,
        "Waiting for the next batch: from a tenth on, more loader workers or faster storage.",
        steps=((0.1, DOUBTFUL),),
    ),
    number(
        "Steps that count, of the cost",
        ratio(f"sum({_GOODPUT} * {of_jobs(series('job_cost_usd', NAMESPACES))})",
              f"sum({of_jobs(series('job_cost_usd', NAMESPACES))} and {_GOODPUT})"),
        SHARE,
        "Goodput of all jobs by what they cost: the rest is on the dashboard on waste.",
        steps=USEFUL_SHARE,
    ),
)  # fmt: skip
_TABLE = (
    rows(
        "Jobs that take steps",
        ("namespace", "job", "bound"),
        (
            Column("Waits for data", f"topk(50, {with_info(_part('data_wait'), 'bound')})", SHARE,
                   ((0.1, DOUBTFUL),)),
            Column("Exchanges", with_info(_part("communication"), "bound"), SHARE,
                   ((0.33, DOUBTFUL),)),
            Column("Computes", with_info(_part("compute"), "bound"), SHARE, gauge=True),
            Column("A step", with_info(_STEP, "bound"), SECONDS),
            Column("GPUs", f"{with_info(_GPUS, 'bound')} and on (namespace, job) {_STEP}"),
            Column("Done", f"{with_info(_DONE, 'bound')} and on (namespace, job) {_STEP}", SHARE,
                   gauge=True),
        ),
        "What binds each job: begin with the one with the most GPUs and the longest wait.",
    ),
)  # fmt: skip
_TIME = (
    areas(
        "GPUs by what binds their job",
        [
            Line(
                f"sum by (bound) ({with_info(_GPUS, 'bound', info=_BOUND)})",
                "{{bound}}",
            )
        ],
        COUNT,
        "Whether the cluster is short of compute, of links, or of data.",
    ),
    areas(
        "What the steps of all GPUs are made of",
        [
            Line(
                f"sum by (part) (max by (namespace, job, part) ({_FRACTION}) "
                f"* on (namespace, job) group_left () {_GPUS}) "
                f"/ on () group_left () sum({_STEPPING})",
                "{{part}}",
            )
        ],
        SHARE,
        "How that changes: a step up in communication is often a job that was spread over nodes.",
        top=1,
    ),
    lines(
        "Time of a step, the ten slowest",
        [Line(f"topk(10, {_STEP})", "{{namespace}}/{{job}}")],
        SECONDS,
        "A line that climbs is a job that gets slower: look at its node, its link and its data.",
    ),
    lines(
        "Steps done",
        [Line(f"topk(10, {_DONE} and {_GPUS})",
              "{{namespace}}/{{job}}")],
        SHARE,
        "A flat line of a job that runs is one that hangs, or lost what it had done.",
        top=1,
    ),
    bars(
        "GPUs' own word: busy",
        Line(f"bottomk(5, {_BUSY})", "{{namespace}}/{{job}}"),
        SHARE,
        "The five least busy by DCGM or NVML: below 5 % a job holds GPUs and does not use them.",
        steps=((ALL, BAD), (0.05, DOUBTFUL), (0.3, GOOD)),
    ),
    bars(
        "Steps that count, of the cost",
        Line(f"bottomk(5, {_GOODPUT})", "{{namespace}}/{{job}}"),
        SHARE,
        "The five jobs with the least goodput: start-up, lost steps and waiting eat the rest.",
        steps=USEFUL_SHARE,
    ),
    bars(
        "Workers that failed",
        Line(f"topk(5, {_FAILED})",
             "{{namespace}}/{{job}}"),
        COUNT,
        "The five with the most: each is a restart that costs; the logs say why, and "
        "spec.failurePolicy how many there may be.",
    ),
)  # fmt: skip

TRAINING = Board(
    name="training",
    title="Training",
    question="What binds the steps?",
    sections=(
        Section("Now", _NUMBERS),
        Section("Jobs", _TABLE),
        Section("Over time", _TIME),
    ),
    variables=(any_namespace("job_info", "job_cost_usd"),),
    since="now-6h",
)
