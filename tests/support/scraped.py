"""What Prometheus reads when it scrapes the operator."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from quartermaster.metrics import PREFIX, TABLE

Samples = dict[tuple[str, ...], float]
LABELS = {metric.name.removesuffix("_total"): metric.labels for metric in TABLE}


def families(text: bytes) -> list[Metric]:
    """The operator's own, without those that every process has."""
    found = text_string_to_metric_families(text.decode())
    return [family for family in found if family.name.startswith(PREFIX)]


def samples(text: bytes) -> Samples:
    """Values by the metric's name without its prefix and its labels' values, as in the table."""
    found: Samples = {}
    for family in families(text):
        for sample in family.samples:
            order = LABELS[family.name.removeprefix(PREFIX)]
            values = (sample.labels[label] for label in order)
            bound = (sample.labels["le"],) if "le" in sample.labels else ()
            key = (sample.name.removeprefix(PREFIX), *values, *bound)
            assert key not in found, key
            found[key] = sample.value
    return found


def collected(*collectors: Collector) -> Samples:
    """The samples of some collectors."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return samples(generate_latest(registry))


def named(found: Samples, names: Iterable[str]) -> Samples:
    """The samples of some metrics."""
    return {key: value for key, value in found.items() if key[0] in set(names)}
