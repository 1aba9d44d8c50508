"""The fakes that tests use, and the adapters that the operator uses, fit the same ports."""

import inspect
from typing import Any

import pytest

from quartermaster.adapters.clock import SystemClock
from quartermaster.adapters.exporters.dcgm import DcgmCounters
from quartermaster.adapters.http import ProgressEndpoint
from quartermaster.adapters.ledger.occupancy import ClusterOccupancy
from quartermaster.adapters.ledger.store import SqlLedger
from quartermaster.adapters.metrics.telemetry import PrometheusTelemetry
from quartermaster.adapters.view import ClusterView
from quartermaster.adapters.writer import ClusterWriter
from quartermaster.app import Operator
from quartermaster.reconcile import ports
from quartermaster.reconcile.budgets.spending import JobSpending
from quartermaster.reconcile.budgets.verdicts import Verdicts
from tests.support.ledger import MemoryLedger, MemoryOccupancy
from tests.support.memory import (
    FakeClock,
    MemoryCluster,
    MemoryCounters,
    MemoryRecorder,
    MemoryReports,
    MemoryTelemetry,
)

FITS: list[tuple[type, type]] = [
    (ports.Clock, SystemClock),
    (ports.Clock, FakeClock),
    (ports.View, ClusterView),
    (ports.View, MemoryCluster),
    (ports.Writer, ClusterWriter),
    (ports.Writer, MemoryCluster),
    (ports.Recorder, Operator),
    (ports.Recorder, MemoryRecorder),
    (ports.Telemetry, PrometheusTelemetry),
    (ports.Telemetry, MemoryTelemetry),
    (ports.Reports, ProgressEndpoint),
    (ports.Reports, MemoryReports),
    (ports.Counters, DcgmCounters),
    (ports.Counters, MemoryCounters),
    (ports.Spending, JobSpending),
    (ports.Funding, Verdicts),
    (ports.Ledger, SqlLedger),
    (ports.Ledger, MemoryLedger),
    (ports.Occupancy, ClusterOccupancy),
    (ports.Occupancy, MemoryOccupancy),
]


def methods(port: type) -> dict[str, Any]:
    return {
        name: it for name, it in vars(port).items() if inspect.isfunction(it) and name[0] != "_"
    }


@pytest.mark.parametrize(("port", "adapter"), FITS, ids=lambda it: getattr(it, "__name__", str(it)))
def test_an_adapter_has_every_method_of_its_port_with_its_arguments(
    port: type, adapter: type
) -> None:
    assert methods(port)
    for name, wanted in methods(port).items():
        found = getattr(adapter, name)
        assert inspect.iscoroutinefunction(found) == inspect.iscoroutinefunction(wanted), name
        want = [(p.name, p.kind) for p in inspect.signature(wanted).parameters.values()]
        got = [(p.name, p.kind) for p in inspect.signature(found).parameters.values()]
        assert got == want, name


@pytest.mark.parametrize("fake", [MemoryCluster])
def test_the_fake_writes_nothing_that_the_port_does_not_know(fake: type) -> None:
    ours = {
        name
        for name, it in vars(fake).items()
        if inspect.iscoroutinefunction(it) and not name.startswith("_")
    }
    assert ours == set(methods(ports.Writer))
