"""Runs the steps on the connection that it is given; Alembic loads this file by its path."""

from alembic import context

from quartermaster.adapters.ledger.tables import METADATA


def migrate() -> None:
    """Bring the tables to what they should be, in the transaction that the connection is in."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=METADATA)
    context.run_migrations()


migrate()
