"""Which jobs a ledger knows: those of which it has entries, and those that it is told of."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Note the jobs of which there are entries."""
    op.create_table(
        "jobs",
        sa.Column("uid", sa.Text, primary_key=True),
        sa.Column("since", sa.BigInteger, nullable=False),
    )
    op.execute(
        "INSERT INTO jobs (uid, since) SELECT uid, MIN(began) FROM entries WHERE kind = 'Job'"
        " GROUP BY uid"
    )


def downgrade() -> None:
    """Forget them; what was recorded stays."""
    op.drop_table("jobs")
