"""How Alembic runs: on the connection of monitor.store.schema, or, for a developer, on DRIFTMON_DATABASE."""

from __future__ import annotations

import os
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection

from monitor.store.columns import CleanJSON, CleanText, UTCDateTime
from monitor.store.engine import open_engine
from monitor.store.models import Base

PLAIN_TYPES = {
    UTCDateTime: "sa.DateTime(timezone=True)",
    CleanText: "sa.Text()",
    CleanJSON: 'sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql")',
}


def name_plainly(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Write a drafted migration in plain types: it must not change when ours do."""
    return PLAIN_TYPES.get(type(item), False) if kind == "type" else False


def run(connection: Connection) -> None:
    """Run the migrations in one transaction; SQLite can, Alembic only has to be told."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        render_item=name_plainly,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with open_engine(os.environ["DRIFTMON_DATABASE"]).begin() as own:
        run(own)
