"""An operator over the cluster in memory: it can die at any write and begin anew."""

from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction

from quartermaster.adapters.scene import KNOWN
from quartermaster.api.training_job_status import Condition, State, TrainingJobStatus
from quartermaster.decide.profile.hardware import Hardware
from quartermaster.errors import ClusterError
from quartermaster.reconcile.budgets import keeper
from quartermaster.reconcile.budgets.keeper import BudgetKeeper
from quartermaster.reconcile.budgets.spending import JobSpending
from quartermaster.reconcile.budgets.verdicts import Verdicts
from quartermaster.reconcile.cycle import PlacementCycle, Surroundings
from quartermaster.reconcile.spot import keeper as spot
from quartermaster.reconcile.spot.keeper import SpotKeeper
from quartermaster.reconcile.training_job import TrainingJobReconciler
from quartermaster.reconcile.world import World
from quartermaster.settings import Settings
from tests.support.ledger import MemoryLedger
from tests.support.memory import (
    CrashError,
    MemoryCluster,
    MemoryCounters,
    MemoryRecorder,
    MemoryReports,
    MemoryTelemetry,
)

ROUNDS = 40


@dataclass
class Operation:
    """One operator after the other over one cluster."""

    cluster: MemoryCluster = field(default_factory=MemoryCluster)
    settings: Settings = field(default_factory=Settings)
    recorder: MemoryRecorder = field(default_factory=MemoryRecorder)
    telemetry: MemoryTelemetry = field(default_factory=MemoryTelemetry)
    reports: MemoryReports = field(default_factory=MemoryReports)
    counters: MemoryCounters = field(default_factory=MemoryCounters)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    failures: int = 0
    hardware: Hardware = KNOWN

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A new process: nothing is remembered but what the cluster holds."""
        around = self.cluster, self.cluster, self.telemetry, self.cluster.clock
        self.spot = SpotKeeper(
            spot.Surroundings(*around, self.reports, self.hardware), changed=lambda uid: None
        )
        self.cycle = PlacementCycle(
            Surroundings(*around, self.spot, self.hardware),
            settings=self.settings,
            changed=lambda uid: None,
        )
        world = World(
            view=self.cluster,
            writer=self.cluster,
            recorder=self.recorder,
            reports=self.reports,
            telemetry=self.telemetry,
            clock=self.cluster.clock,
            settings=self.settings,
            ledger=self.ledger,
            decisions=self.cycle.decisions,
            counters=self.counters,
            funding=Verdicts(self.cluster, self.cluster.clock),
            spot=self.spot,
        )
        self.reconciler = TrainingJobReconciler(world)
        self.keeper = BudgetKeeper(
            keeper.Surroundings(
                self.cluster,
                self.cluster,
                self.recorder,
                JobSpending(self.cluster, self.cluster),
                self.cluster.clock,
            ),
            changed=lambda uid: None,
        )

    async def once(self, uid: str = "uid-job") -> float | None:
        return await self.reconciler(uid)

    async def drive(self, *uids: str) -> None:
        """Controllers, placement and passes until nothing is written any more."""
        for _ in range(ROUNDS):
            before = len(self.cluster.writes)
            self.cluster.controllers()
            try:
                await self.keeper.once()
                await self.spot.once()
                await self.cycle.once()
                for uid in uids or ("uid-job",):
                    await self.reconciler(uid)
            except ClusterError:
                self.failures += 1
                continue
            except CrashError:
                self.failures += 1
                self.begin()
                continue
            self.cluster.controllers()
            if len(self.cluster.writes) == before:
                return
        raise AssertionError(f"no rest after {ROUNDS} rounds: {self.cluster.writes[-8:]}")

    def status(self, uid: str = "uid-job") -> TrainingJobStatus:
        return self.cluster.records[uid].status

    def state(self, uid: str = "uid-job") -> State | None:
        return self.status(uid).state

    def condition(self, kind: str, uid: str = "uid-job") -> Condition:
        return next(c for c in self.status(uid).conditions if c.type == kind)

    def accrued(self, uid: str = "uid-job") -> Fraction:
        cost = self.status(uid).cost
        return Fraction(cost.accrued) if cost is not None else Fraction(0)

    def owed(self, uid: str = "uid-job") -> Fraction:
        """What the pods' own times come to, counted without the product's accounts [USD]."""
        total = Fraction(0)
        for pod in self.cluster.ever(uid):
            if pod.bound is None or not pod.over:
                continue
            end = pod.ended or pod.disrupted
            assert end is not None
            assert pod.usd_per_hour is not None
            microseconds = (end - pod.bound) // timedelta(microseconds=1)
            total += pod.usd_per_hour * Fraction(microseconds, 3_600_000_000)
        return total
