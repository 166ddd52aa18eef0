"""Baselines, who put them in use, and the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, insert, select, update

from monitor.errors import BaselineError
from monitor.records import BaselineInfo
from monitor.store.columns import clock
from monitor.store.engine import insert_row, reading, writing
from monitor.store.evidence import forget
from monitor.store.ledger import lock
from monitor.store.models import AuditRow, BaselineRow


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, when and why."""

    at: datetime
    actor: str
    action: str
    collection: str
    subject: str
    reason: str


def save_baseline(
    engine: Engine,
    collection: str,
    data: bytes,
    *,
    by: str,
    reason: str,
    start: datetime,
    end: datetime,
    model: str,
    meta: Mapping[str, Any],
    activate: bool,
) -> int:
    """Keep a packed baseline, put it in use if asked to, and return its number."""
    with writing(engine) as connection:
        values = {
            "collection": collection,
            "created_at": clock(),
            "created_by": by,
            "reason": reason,
            "span_start": start,
            "span_end": end,
            "active": False,
            "model": model,
            "meta": dict(meta),
            "data": data,
        }
        key = insert_row(connection, BaselineRow, values)
        _audit(connection, "save_baseline", by=by, collection=collection, key=key, reason=reason)
        if activate:
            _activate(connection, collection, key, by, reason)
        return key


def promote(engine: Engine, identifier: int, by: str, reason: str) -> None:
    """Compare with this baseline from now on: the old one is kept, the collection's evidence starts anew.

    Raises
    ------
    BaselineError
        When there is no such baseline.
    """
    with writing(engine) as connection:
        collection = connection.scalar(select(BaselineRow.collection).where(BaselineRow.id == identifier))
        if collection is None:
            raise _missing(identifier)
        _activate(connection, collection, identifier, by, reason)


def list_baselines(engine: Engine, collection: str | None = None) -> list[BaselineInfo]:
    """Return what is known of each baseline, newest first."""
    query = _infos().order_by(BaselineRow.id.desc())
    if collection is not None:
        query = query.where(BaselineRow.collection == collection)
    with reading(engine) as connection:
        return [_info(row) for row in connection.execute(query)]


def active_baseline(engine: Engine, collection: str) -> BaselineInfo | None:
    """Return the baseline in use, or None."""
    with reading(engine) as connection:
        query = _infos().where(BaselineRow.collection == collection, BaselineRow.active)
        row = connection.execute(query).one_or_none()
        return None if row is None else _info(row)


def baseline_data(engine: Engine, identifier: int) -> bytes:
    """Return a packed baseline; raises `BaselineError` when there is no such one."""
    with reading(engine) as connection:
        data = connection.scalar(select(BaselineRow.data).where(BaselineRow.id == identifier))
    if data is None:
        raise _missing(identifier)
    return bytes(data)


def list_audit(engine: Engine, collection: str) -> list[AuditEntry]:
    """Return a collection's audit log, oldest first."""
    columns = (getattr(AuditRow, name) for name in AuditEntry.__slots__)
    query = select(*columns).where(AuditRow.collection == collection).order_by(AuditRow.id)
    with reading(engine) as connection:
        return [AuditEntry(*row) for row in connection.execute(query)]


def _activate(connection: Connection, collection: str, identifier: int, by: str, reason: str) -> None:
    # The lock first: a commit that is under way ends before, or finds its baseline replaced.
    lock(connection, collection)
    mine = BaselineRow.collection == collection
    connection.execute(update(BaselineRow).where(mine, BaselineRow.active).values(active=False))
    connection.execute(update(BaselineRow).where(BaselineRow.id == identifier).values(active=True))
    forget(connection, collection)
    _audit(connection, "promote_baseline", by=by, collection=collection, key=identifier, reason=reason)


def _audit(connection: Connection, action: str, *, by: str, collection: str, key: int, reason: str) -> None:
    connection.execute(
        insert(AuditRow).values(
            at=clock(),
            actor=by,
            action=action,
            collection=collection,
            subject=f"baseline {key}",
            reason=reason,
        )
    )


def _infos() -> Select[Any]:
    return select(*(column for column in BaselineRow.__table__.columns if column.name != "data"))


def _info(row: Row[Any]) -> BaselineInfo:
    return BaselineInfo(
        id=row.id,
        collection=row.collection,
        created_at=row.created_at,
        created_by=row.created_by,
        reason=row.reason,
        start=row.span_start,
        end=row.span_end,
        active=row.active,
        model=row.model,
        meta=row.meta or {},
    )


def _missing(identifier: int) -> BaselineError:
    return BaselineError(f"no baseline {identifier}; `driftmon baseline list` shows those there are")
