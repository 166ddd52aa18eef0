"""Incidents as people look back at them: the list, one in full, and who works on it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Engine, Row, Select, insert, or_, select, update

from monitor.errors import ConfigError
from monitor.records import Incident
from monitor.store.columns import clock
from monitor.store.engine import reading, writing
from monitor.store.incidents import to_incident
from monitor.store.models import AuditRow, IncidentRow, WindowRow


class PastIncident(NamedTuple):
    """An incident with what reports show beside it."""

    incident: Incident
    confidence: float
    announced_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str
    first_window: datetime | None
    """Start of the first window in drift, while that window is kept."""


def list_incidents(engine: Engine, collection: str, since: datetime, limit: int = 100) -> list[PastIncident]:
    """Return a collection's incidents that were open at or after ``since``, newest first."""
    still = or_(IncidentRow.resolved_at.is_(None), IncidentRow.resolved_at >= since)
    query = _incidents().where(IncidentRow.collection == collection, still)
    with reading(engine) as connection:
        found = connection.execute(query.order_by(IncidentRow.opened_at.desc()).limit(limit))
        return [_past(row) for row in found]


def load_incident(engine: Engine, identifier: int) -> PastIncident | None:
    """Return one incident, or None."""
    with reading(engine) as connection:
        row = connection.execute(_incidents().where(IncidentRow.id == identifier)).one_or_none()
        return None if row is None else _past(row)


def acknowledge(engine: Engine, identifier: int, by: str) -> Incident:
    """Note that somebody works on an incident; the first to say so stays. Raises `ConfigError` when it is not open."""
    mine = IncidentRow.id == identifier
    with writing(engine) as connection:
        row = connection.execute(select(IncidentRow.__table__).where(mine)).one_or_none()
        if row is None:
            raise ConfigError(f"no incident {identifier}; `driftmon status` shows those that are open")
        if row.resolved_at is not None:
            raise ConfigError(f"incident {identifier} is resolved: there is nothing to acknowledge")
        if row.acknowledged_at is None:
            connection.execute(
                update(IncidentRow).where(mine).values(acknowledged_at=clock(), acknowledged_by=by)
            )
            entry = {"at": clock(), "actor": by, "action": "acknowledge", "collection": row.collection}
            connection.execute(insert(AuditRow).values(**entry, subject=f"incident {identifier}", reason=""))
        return to_incident(row)


def _incidents() -> Select[Any]:
    return select(IncidentRow.__table__, WindowRow.start_at.label("first_window")).join(
        WindowRow, WindowRow.id == IncidentRow.opened_window, isouter=True
    )


def _past(row: Row[Any]) -> PastIncident:
    return PastIncident(
        to_incident(row),
        row.confidence,
        row.announced_at,
        row.acknowledged_at,
        row.acknowledged_by or "",
        row.first_window,
    )
