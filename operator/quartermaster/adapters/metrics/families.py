"""Families of samples, as the table of metrics describes them."""

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from quartermaster.metrics import PREFIX, Metric


def gauge(metric: Metric) -> GaugeMetricFamily:
    """A family without samples yet."""
    return GaugeMetricFamily(PREFIX + metric.name, metric.help, labels=metric.labels)


def counter(metric: Metric) -> CounterMetricFamily:
    """A family without samples yet."""
    return CounterMetricFamily(PREFIX + metric.name, metric.help, labels=metric.labels)
