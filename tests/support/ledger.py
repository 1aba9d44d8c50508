"""Entries of the ledger with defaults, and as strategies."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from quartermaster.adapters.ledger.tables import COLUMNS, FINE, amounts, day_text
from quartermaster.adapters.ledger.tables import daily_sums as summed
from quartermaster.decide.cost.ledger.pieces import within
from quartermaster.domain.money.ledger import Entry, Kind, Machine, Owner, Part
from quartermaster.domain.money.occupancy import Hold, Presence
from quartermaster.domain.money.spending import PART, PLACE, Amounts, Dimension, Line, Sums
from quartermaster.errors import LedgerError

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
JOB = Owner(Kind.JOB, "team-a", "digits", "uid-digits", "research")
NODE = Machine(
    "node-a", "aws", "NVIDIA-H100-80GB-HBM3", "p5.48xlarge", "us-east-1", "us-east-1a", "Spot"
)


def entry(id_: str = "pod-1/Useful", hours: float = 1, **changes: Any) -> Entry:
    """An hour of a job on eight GPUs, from noon."""
    span = timedelta(hours=hours)
    made = Entry(
        id=id_,
        owner=JOB,
        machine=NODE,
        part=Part.USEFUL,
        began=NOON,
        ended=NOON + span,
        charged=span,
        gpus=Fraction(8),
        usd_per_hour=Fraction("26.42"),
        on_demand_usd_per_hour=Fraction("55.04"),
        price_source="catalogue 2026-07-20",
    )
    return replace(made, **changes)


RATES = st.one_of(st.none(), st.integers(0, 10**14).map(lambda nano: Fraction(nano, 10**9)))


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Anything that may stand in the ledger."""
    began = NOON + timedelta(microseconds=draw(st.integers(0, 10**12)))
    span = draw(st.integers(0, 5 * 10**11))
    kind = draw(st.sampled_from(Kind))
    job = kind is Kind.JOB
    return Entry(
        id=f"pod-{draw(st.integers(0, 10**9))}",
        owner=Owner(
            kind,
            draw(st.sampled_from(["", "team-a", "team-b"])),
            draw(st.sampled_from(["", "digits", "vision"])),
            queue=draw(st.sampled_from(["", "research"])),
        ),
        machine=replace(
            NODE,
            node=draw(st.sampled_from(["node-a", "node-b"])),
            capacity_type=draw(st.sampled_from(["Spot", "OnDemand", ""])),
        ),
        part=draw(st.sampled_from(Part)) if job else None,
        began=began,
        ended=began + timedelta(microseconds=span),
        charged=timedelta(microseconds=draw(st.integers(0, span))),
        gpus=draw(st.fractions(0, 16, max_denominator=7)),
        usd_per_hour=draw(RATES),
        on_demand_usd_per_hour=draw(RATES),
    )


@dataclass
class MemoryLedger:
    """A ledger that lasts as long as the test, and can be away."""

    kept: dict[str, Entry] = field(default_factory=dict)
    cursors: dict[str, datetime] = field(default_factory=dict)
    jobs: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    """Jobs that are taken for known by whoever has not looked since the ledger was lost."""
    away: bool = False

    async def record(
        self, entries: Sequence[Entry], cursors: Mapping[str, datetime] | None = None
    ) -> None:
        self._reach()
        known = set(self.kept)
        for each in entries:
            if each.first not in known:
                self.kept.setdefault(each.id, each)
        self.cursors |= cursors or {}

    async def open(self) -> None:
        self._reach()
        self.seen.clear()

    async def book(
        self, job: str, before: Sequence[Entry], held: Sequence[Entry]
    ) -> Sequence[Entry]:
        self._reach()
        self.seen.clear()
        facts = {each.first.rpartition("/")[0] for each in held}
        standing = [it for it in self.kept.values() if it.id.rpartition("/")[0] in facts]
        if job not in self.jobs:
            await self.record(before)
            self.jobs.add(job)
        await self.record(held)
        return standing

    def knows(self, job: str) -> bool:
        return self.away or job in self.jobs | self.seen

    def lose(self) -> None:
        """The file is gone, and nobody has noticed; whoever writes next begins a new one."""
        self.seen = set(self.jobs)
        self.kept.clear()
        self.cursors.clear()
        self.jobs.clear()

    async def cursor(self, name: str) -> datetime | None:
        self._reach()
        return self.cursors.get(name)

    async def spent(self, since: date, until: date, by: Sequence[Dimension]) -> list[Line]:
        self._reach()
        return self._lines(since, until, by, list(self.kept.values()))

    async def entries(self, since: datetime, until: datetime) -> AsyncIterator[Entry]:
        self._reach()
        for each in sorted(self.kept.values(), key=lambda each: (each.ended, each.id)):
            piece = within(each, since, until)
            if piece is not None:
                yield piece

    async def forget(self, before: datetime) -> int:
        self._reach()
        raise NotImplementedError

    def sums(self) -> Sums:
        ever = (date(2000, 1, 1), date(2100, 1, 1))
        every = list(self.kept.values())
        jobs = [each for each in every if each.owner.kind is Kind.JOB]
        return Sums(
            {line.key: line.amounts for line in self._lines(*ever, PLACE, every)},
            {line.key: line.amounts for line in self._lines(*ever, PART, jobs)},
        )

    def _lines(
        self, since: date, until: date, by: Sequence[Dimension], entries: list[Entry]
    ) -> list[Line]:
        found: dict[tuple[str, ...], Amounts] = {}
        for (number, *rest), values in summed(entries).items():
            day = day_text(number)
            if since.isoformat() <= day < until.isoformat():
                told = dict(zip(FINE, rest, strict=True)) | {"day": day}
                key = tuple(told[COLUMNS[each]] for each in by)
                found[key] = found.get(key, Amounts()) + amounts(values)
        return [Line(key, found[key]) for key in sorted(found)]

    def _reach(self) -> None:
        if self.away:
            raise LedgerError("the ledger is away")


@dataclass
class MemoryOccupancy:
    """Nodes and pods as the test says."""

    presences: list[Presence] = field(default_factory=list)
    holds: dict[str, Hold] = field(default_factory=dict)

    def nodes(self) -> Iterable[Presence]:
        return list(self.presences)

    def pods(self) -> Mapping[str, Hold]:
        return dict(self.holds)
