"""Runs the migrations on the connection that ``tocsin.projections.migrate`` hands over."""

from __future__ import annotations

from alembic import context

from tocsin.projections.tables import ADMINISTRATION, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_schemas=True,
    version_table_schema=ADMINISTRATION,
)
with context.begin_transaction():
    context.run_migrations()
