"""Runs migrations on the connection `gate.store.migrate` hands over, inside its transaction."""

from alembic import context
from sqlalchemy import Connection

from gate.store.tables import metadata

connection: Connection = context.config.attributes["connection"]

context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters a table by copying it
    transactional_ddl=True,  # SQLite too: our engine begins transactions itself
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
