"""Writes the price lists that are shipped, from the data folder (QM_BENCH_DATA).

Only virtual machines with GPUs; of each machine the newest row. Facts are carried over as they
stand, with the day and the place that they come from. `make prices` runs it, and the reference page
has to be generated again after it.
"""

import csv
import os
import re
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from quartermaster.catalog.prices.rows import COLUMNS

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "operator/quartermaster/catalog/prices"
DATA = Path(os.environ.get("QM_BENCH_DATA", ROOT.parent / "shared/data")) / "prices"

AWS = "2026-07-20", "karpenter-provider-aws 1d927085"
GCP = "2026-08-03", "karpenter-provider-gcp 417f047b"
AZURE = "2026-06-18", "karpenter-provider-azure 352646f5"
"""The day of the prices, and the public project that carried them, with its commit."""
GPU_MAKERS = {"nvidia", "amd"}
AZURE_GPUS = re.compile(r"Standard_N[CDGV]\w*")
"""NM has video encoders and NP has FPGAs. Promotional prices have ended or will."""

Row = tuple[str, ...]


def lists() -> Iterator[tuple[str, list[Row]]]:
    """Name and rows of each list."""
    yield "aws.csv", sorted(_aws())
    yield "gcp.csv", sorted(_gcp())
    yield "azure.csv", sorted(_azure())


def written(rows: list[Row]) -> str:
    """A list as CSV."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *rows])
    return text.getvalue()


def _aws() -> Iterator[Row]:
    """On demand in us-east-1 alone, which is what is published there.

    The spot prices beside it are left out: they are a price of 2026 times a saving of 2025, and a
    bill must not rest on a product of two days.
    """
    for row in _read("aws_gpu.csv"):
        if row["manufacturer"] in GPU_MAKERS and row["on_demand_usd_hr"]:
            price = row["on_demand_usd_hr"]
            yield ("aws", row["instance_type"], row["region"], "OnDemand", price, *AWS)


def _gcp() -> Iterator[Row]:
    for row in _read("gcp_gpu.csv"):
        for column, capacity in (("on_demand_usd_hr", "OnDemand"), ("spot_usd_hr", "Spot")):
            if row[column]:
                price = row[column]
                yield ("gcp", row["instance_type"], row["region"], capacity, price, *GCP)


def _azure() -> Iterator[Row]:
    for row in _read("azure_gpu_ondemand.csv"):
        name = row["instance_type"].strip()
        if AZURE_GPUS.fullmatch(name) and not name.endswith("_Promo"):
            yield ("azure", name, row["region"], "OnDemand", row["on_demand_usd_hr"], *AZURE)


def _read(name: str) -> Iterator[dict[str, str]]:
    with (DATA / name).open(newline="") as file:
        yield from csv.DictReader(file)


def main() -> int:
    """Writes the lists; returns the exit status."""
    if not DATA.is_dir():
        print(f"{DATA} is not there: set QM_BENCH_DATA to the data folder", file=sys.stderr)
        return 1
    for name, rows in lists():
        (LISTS / name).write_text(written(rows))
        print(f"{name}: {len(rows)} prices")
    return 0


if __name__ == "__main__":
    sys.exit(main())
