"""The first tables: entries, their sums, and how far accounts have come."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_MONEY = ("nano", "rest", "on_demand_nano", "on_demand_rest")
_TIMES = ("held_ms", "gpu_ms", "unpriced_ms")
_COARSE = (
    "kind", "namespace", "queue", "pool", "accelerator", "capacity_type", "part",
)  # fmt: skip
_FINE = (*_COARSE, "name", "node")


def upgrade() -> None:
    """Create them."""
    text, number = sa.Text, sa.BigInteger
    op.create_table(
        "entries",
        sa.Column("id", text, primary_key=True),
        *(
            sa.Column(name, text, nullable=False)
            for name in (
                "kind", "namespace", "name", "uid", "queue", "node", "pool", "accelerator",
                "instance_type", "region", "zone", "capacity_type", "part",
            )
        ),
        *(sa.Column(name, number, nullable=False) for name in ("began", "ended", "charged")),
        sa.Column("gpus", text, nullable=False),
        sa.Column("rate_nano", number),
        sa.Column("on_demand_rate_nano", number),
        sa.Column("price_source", text, nullable=False),
    )  # fmt: skip
    op.create_index("entries_by_end", "entries", ["ended", "id"])
    for table, dimensions in (("daily", _COARSE), ("daily_by_holder", _FINE)):
        op.create_table(
            table,
            sa.Column("day", number, primary_key=True, autoincrement=False),
            *(sa.Column(name, text, primary_key=True) for name in dimensions),
            *(sa.Column(name, number, nullable=False) for name in (*_MONEY, *_TIMES)),
        )
    op.create_table(
        "cursors",
        sa.Column("name", text, primary_key=True),
        sa.Column("moment", number, nullable=False),
    )


def downgrade() -> None:
    """Drop them, with everything that was recorded."""
    for table in ("entries", "daily", "daily_by_holder", "cursors"):
        op.drop_table(table)
