"""The few shapes of PromQL that the dashboards are made of."""

from quartermaster.metrics import PREFIX

NAMESPACES = 'namespace=~"$namespace"'
"""The namespaces that the reader has chosen."""
QUEUES = 'queue=~"$queue"'
"""The queues that the reader has chosen."""
ONE_JOB = 'namespace="$namespace",job="$job"'
"""The job that the reader has chosen."""
HOURS_PER_MONTH = 730
"""Of a mean month, as clouds reckon it [h]."""
_PLACE = "kind, namespace, pool, gpu_model, capacity_type"


def series(name: str, *matchers: str, **equal: str) -> str:
    """A selector of one of our metrics, named without its prefix.

    Args:
        name: As in `metrics.TABLE`, with the suffix of a histogram's series where there is one.
        matchers: What its labels have to be.
        equal: Labels, and the one value that each has to have.
    """
    chosen = ",".join((*matchers, *(f'{label}="{value}"' for label, value in equal.items())))
    return f"{PREFIX}{name}{{{chosen}}}" if chosen else PREFIX + name


def of_jobs(selector: str, *labels: str) -> str:
    """A series a job: what its operator was called when it was scraped is of no interest.

    Args:
        selector: Series with the labels `namespace` and `job`.
        labels: Further ones to keep.
    """
    return f"max by ({', '.join(('namespace', 'job', *labels))}) ({selector})"


def else_none(jobs: str, *matchers: str) -> str:
    """Series of jobs, and zero for each job that has a cost and no such series.

    Args:
        jobs: Series with `namespace` and `job` and no more.
        matchers: Which jobs.
    """
    return f"{jobs} or {of_jobs(series('job_cost_usd', *matchers))} * 0"


def with_info(jobs: str, *labels: str, info: str = "") -> str:
    """Series of jobs that are not over, with labels of their `job_info`.

    Args:
        jobs: Series with `namespace` and `job` and no more.
        labels: Which labels to add.
        info: What these jobs' `job_info` has to be.
    """
    told = of_jobs(series("job_info", *([info] if info else [])), *labels)
    # Two operators may tell a job differently while one takes over; a join wants one answer.
    facts = f"topk by (namespace, job) (1, {told})"
    return f"{jobs} * on (namespace, job) group_left ({', '.join(labels)}) {facts}"


def without_blank(expression: str, label: str) -> str:
    """Series of which the one without a value of the label is called `none`."""
    return f'label_replace({expression}, "{label}", "none", "{label}", "^$")'


def or_none(expression: str, label: str) -> str:
    """Series, or one that is zero where there are none, for a panel that would be empty."""
    return f'({expression}) or on () label_replace(vector(0), "{label}", "none", "", "")'


def integral(rate: str) -> str:
    """What a rate an hour comes to in the range that is shown.

    The ledger's counters are exact and late: a pod is entered when it is over, a node when its
    hour is. The live rate is neither, and what was not scraped is not guessed.
    """
    return f"sum_over_time(({rate})[$__range:$__interval]) * $__interval_ms / 3600000"


def ledger(by: str, name: str, *matchers: str) -> str:
    """Sums of a counter of the ledger, since that began.

    Two operators may be scraped while one takes over from the other: both read one ledger.

    Args:
        by: Labels to keep, with commas; empty for one sum.
        name: One of the counters by place.
        matchers: What its labels have to be.
    """
    return f"sum by ({by}) (max by ({_PLACE}) ({series(name, *matchers)}))"


def parts(by: str, *matchers: str) -> str:
    """What the jobs' money that entered the ledger in the range shown went into.

    The sum is taken first, since a namespace that appears is an increase of the sum.
    """
    once = f"max by (namespace, part) ({series('cost_parts_usd_total', *matchers)})"
    return f"increase((sum by ({by}) ({once}))[$__range:$__interval])"


def events(by: str, name: str, *matchers: str) -> str:
    """How often something happened in the range shown.

    A counter with labels begins at its first event, which `increase` alone does not see; and
    what that draws out to the ends of the range is no event.
    """
    selector = series(name, *matchers)
    grown = f"sum by ({by}) (increase({selector}[$__range]))"
    begun = f"sum by ({by}) (min_over_time({selector}[$__range]) unless {selector} offset $__range)"
    return f"round(({grown} + {begun}) or {grown} or {begun})"


def quantile(share: float, name: str, *labels: str) -> str:
    """A quantile of a histogram in the range that is shown.

    Args:
        share: Which, from 0 to 1.
        name: The histogram.
        labels: Labels to keep.
    """
    buckets = f"sum by ({', '.join(('le', *labels))}) (increase({series(name)}_bucket[$__range]))"
    return f"histogram_quantile({share}, {buckets})"


def ratio(part: str, whole: str) -> str:
    """One over another; nothing where the whole is nothing."""
    return f"({part}) / ({whole} > 0)"
