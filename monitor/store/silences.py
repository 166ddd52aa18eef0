"""Silences: spans of time in which nobody is to be told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, insert, select, update

from monitor.errors import ConfigError
from monitor.records import Silence
from monitor.store.columns import clock
from monitor.store.engine import insert_row, reading, writing
from monitor.store.models import AuditRow, SilenceRow


def add_silence(
    engine: Engine, collection: str, cause: str, starts_at: datetime, ends_at: datetime, by: str, reason: str
) -> Silence:
    """Keep a silence; ``""`` for collection or cause stands for all of them. Raises `ConfigError` on an empty span."""
    if ends_at <= starts_at:
        raise ConfigError("a silence ends after it begins; give a longer one")
    values = {
        "collection": collection,
        "cause": cause,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "created_by": by,
        "reason": reason,
    }
    with writing(engine) as connection:
        key = insert_row(connection, SilenceRow, values | {"created_at": clock()})
        entry = {"at": clock(), "actor": by, "action": "silence", "collection": collection}
        connection.execute(insert(AuditRow).values(**entry, subject=f"silence {key}", reason=reason))
    return Silence(key, collection, cause, starts_at, ends_at, by, reason)


def list_silences(engine: Engine, at: datetime) -> list[Silence]:
    """Return the silences that have not ended at a moment, also those to come, the first to end first."""
    query = select(SilenceRow.__table__).where(SilenceRow.ends_at > at).order_by(SilenceRow.ends_at)
    names = Silence.__slots__
    with reading(engine) as connection:
        return [Silence(*(getattr(row, name) for name in names)) for row in connection.execute(query)]


def end_silence(engine: Engine, identifier: int, by: str) -> None:
    """End a silence now; raises `ConfigError` when there is none of that number."""
    with writing(engine) as connection:
        row = connection.execute(
            select(SilenceRow.collection).where(SilenceRow.id == identifier)
        ).one_or_none()
        if row is None:
            raise ConfigError(f"no silence {identifier}; `driftmon silence list` shows those there are")
        connection.execute(update(SilenceRow).where(SilenceRow.id == identifier).values(ends_at=clock()))
        entry = {"at": clock(), "actor": by, "action": "end_silence", "collection": row.collection}
        connection.execute(insert(AuditRow).values(**entry, subject=f"silence {identifier}", reason=""))
