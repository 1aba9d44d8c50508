"""How fast the ledger takes entries and answers, with 1,000,000 of them, on SQLite.

Beside it a plain table of amounts in floating point, summed by SQLite over the same rows.
Run: make bench-ledger
"""

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random

from quartermaster.adapters.clock import SystemClock
from quartermaster.adapters.ledger.store import SqlLedger
from quartermaster.adapters.ledger.tables import microseconds
from quartermaster.decide.cost.ledger.pieces import cost
from quartermaster.domain.money.ledger import Entry, Kind, Machine, Owner, Part
from quartermaster.domain.money.spending import Dimension

BATCH = 1000
"""Entries a transaction [count]."""
NAMESPACES = 50
JOBS = 20_000
NODES = 1000
MONTH = (date(2026, 10, 1), date(2026, 11, 1))
INTRODUCTION = (
    f"`make bench-ledger`: {{:,}} entries of one month, {JOBS:,} jobs in {NAMESPACES} namespaces "
    f"on {NODES:,} nodes, SQLite in WAL mode with synchronous=FULL. Two cores, shared with other "
    "work."
)
REMARK = (
    "The ledger answers from sums by day that it keeps in the transaction of each entry; the float "
    "SUM goes over all rows of a table without an index."
)
BEGINNING = datetime(2026, 10, 1, tzinfo=UTC)


def entries(count: int, seed: int = 1) -> Iterator[Entry]:
    """A month of pods: an hour or so each, on one of 1,000 nodes, of one of 20,000 jobs."""
    random = Random(seed)  # noqa: S311 - no secret
    for number in range(count):
        job = random.randrange(JOBS)
        began = BEGINNING + timedelta(seconds=random.randrange(29 * 86_400))
        span = timedelta(microseconds=random.randrange(10**6, 7200 * 10**6))
        spot = job % 2 == 0
        yield Entry(
            id=f"pod-{number}/Useful",
            owner=Owner(Kind.JOB, f"team-{job % NAMESPACES}", f"job-{job}", f"uid-{job}", "queue"),
            machine=Machine(
                f"node-{random.randrange(NODES)}",
                "aws",
                "NVIDIA-H100-80GB-HBM3",
                capacity_type="Spot" if spot else "OnDemand",
            ),
            part=random.choice(list(Part)),
            began=began,
            ended=began + span,
            charged=span,
            gpus=Fraction(8),
            usd_per_hour=Fraction(random.randrange(10**9, 50 * 10**9), 10**9),
        )


async def measure(count: int, folder: Path) -> list[tuple[str, str]]:
    """Figures with what they are of."""
    ledger = SqlLedger(f"sqlite:///{folder}/ledger.db", SystemClock())
    plain = sqlite3.connect(folder / "plain.db")
    plain.execute("CREATE TABLE amounts (namespace TEXT, began INTEGER, usd REAL)")
    taken, exact, rows = 0.0, Fraction(0), []
    batch: list[Entry] = []
    for entry in entries(count):
        batch.append(entry)
        amount = cost(entry) or Fraction(0)
        exact += amount
        rows.append((entry.owner.namespace, microseconds(entry.began), float(amount)))
        if len(batch) == BATCH:
            started = time.perf_counter()
            await ledger.record(batch)
            taken += time.perf_counter() - started
            batch = []
    with plain:
        plain.executemany("INSERT INTO amounts VALUES (?, ?, ?)", rows)
    by_namespace = await _timed(lambda: ledger.spent(*MONTH, [Dimension.NAMESPACE]))
    by_job = await _timed(lambda: ledger.spent(*MONTH, [Dimension.JOB]))
    floating = await _timed(lambda: asyncio.to_thread(_float_sum, folder / "plain.db"))
    total = sum(
        (line.amounts.usd for line in await ledger.spent(*MONTH, [Dimension.NAMESPACE])),
        Fraction(0),
    )
    off = Fraction(sum(usd for _, usd in _float_sum(folder / "plain.db"))) - exact
    await ledger.close()
    plain.close()
    size = (folder / "ledger.db").stat().st_size / 2**20
    return [
        (f"entries recorded in a second, {BATCH} a transaction", f"{count / taken:,.0f}"),
        ("month by namespace, median of 9", f"{by_namespace * 1000:,.1f} ms"),
        ("month by job, median of 9", f"{by_job * 1000:,.0f} ms"),
        ("month by namespace, float SUM over the rows, median of 9", f"{floating * 1000:,.0f} ms"),
        ("ledger's sum less the exact one", f"{float(total - exact):g} USD"),
        ("float SUM less the exact one", f"{float(off):.2g} USD of {float(exact):,.0f}"),
        ("size of the file", f"{size:,.0f} MiB"),
    ]


def _float_sum(path: Path) -> list[tuple[str, float]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(
            "SELECT namespace, SUM(usd) FROM amounts WHERE began >= 0 GROUP BY namespace"
        ).fetchall()
    finally:
        connection.close()


async def _timed(ask: Callable[[], Awaitable[object]]) -> float:
    """The median [s]."""
    taken = []
    for _ in range(9):
        started = time.perf_counter()
        await ask()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/ledger.md"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measure(chosen.entries, Path(folder)))
    lines = [
        "# Ledger",
        "",
        INTRODUCTION.format(chosen.entries),
        "",
        "| what | figure |",
        "|---|---|",
        *(f"| {what} | {figure} |" for what, figure in figures),
        "",
        REMARK,
    ]
    chosen.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
