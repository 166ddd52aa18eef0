"""The outbox as people look at it: what waits, what is dead, and what they do about it; and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from monitor.errors import ConfigError
from monitor.records import Backlog
from monitor.store.columns import clock
from monitor.store.engine import reading, writing
from monitor.store.fanout import PENDING, moment
from monitor.store.models import AuditRow, IncidentRow, NotificationCountRow, OutboxRow, SilenceRow

Wanted = Literal["waiting", "dead", "all"]
_WAITS = (OutboxRow.notifier.is_not(None), PENDING)
_IS_DEAD = OutboxRow.result == "dead"


@dataclass(frozen=True, slots=True)
class Letter:
    """One delivery: to whom, of what, how far it has come."""

    id: int
    notifier: str
    incident: int
    collection: str
    kind: str
    state: str
    """waiting, silenced, delivered, dead, dropped, superseded."""
    attempts: int
    created_at: datetime
    next_attempt_at: datetime
    last_error: str


@dataclass(frozen=True, slots=True)
class OutboxFigures:
    """What is exported of the outbox."""

    counts: Mapping[tuple[str, str], int]
    backlogs: Mapping[str, Backlog]
    silences: int


def list_letters(engine: Engine, wanted: Wanted = "waiting", limit: int = 100) -> list[Letter]:
    """Return the newest deliveries: those that wait or are dead, the dead ones, or all."""
    query = (
        select(OutboxRow.__table__, IncidentRow.collection)
        .join(IncidentRow, IncidentRow.id == OutboxRow.incident_id)
        .where(OutboxRow.notifier.is_not(None))
        .order_by(OutboxRow.id.desc())
        .limit(limit)
    )
    if wanted == "dead":
        query = query.where(_IS_DEAD)
    elif wanted == "waiting":
        query = query.where(or_(_IS_DEAD, PENDING))
    with reading(engine) as connection:
        return [
            Letter(
                row.id,
                row.notifier,
                row.incident_id,
                row.collection,
                row.kind,
                row.result or "waiting",
                row.attempts,
                row.created_at,
                row.next_attempt_at,
                row.last_error or "",
            )
            for row in connection.execute(query)
        ]


def replay(engine: Engine, identifiers: Sequence[int] | None, by: str) -> int:
    """Send dead deliveries again, all of them where none is named; return how many.

    Of the dead ones under one key and notifier only the newest goes out, and only where nothing newer has been dealt
    with: an opening that is sent after its resolution would stay open for ever.

    Raises
    ------
    ConfigError
        When a named one is not dead, or has been overtaken; nothing is sent again then.
    """
    newer = aliased(OutboxRow)
    overtaken = (
        select(newer.id)
        .where(
            newer.thread == OutboxRow.thread,
            newer.notifier == OutboxRow.notifier,
            newer.id > OutboxRow.id,
            newer.kind != "acknowledged",
        )
        .limit(1)
        .scalar_subquery()
    )
    with writing(engine) as connection:
        dead = select(OutboxRow.id, OutboxRow.incident_id, overtaken.label("newer")).where(_IS_DEAD)
        rows = _chosen(connection, dead, identifiers)
        for row in rows:
            if row.newer is not None and identifiers is not None:
                raise ConfigError(
                    f"delivery {row.id}: delivery {row.newer} of the same incident is newer; replay that one where it "
                    f"is dead, and end this one with `driftmon outbox drop {row.id}`"
                )
        ids = [row.id for row in rows if row.newer is None]
        anew = {
            "dead_at": None,
            "result": None,
            "first_attempt_at": None,
            "attempts": 0,
            "lease_until": None,
            "next_attempt_at": clock(),
        }
        connection.execute(update(OutboxRow).where(OutboxRow.id.in_(ids)).values(**anew))
        _note(connection, "replay_delivery", ids, by, "")
    return len(ids)


def drop(engine: Engine, identifiers: Sequence[int] | None, by: str, reason: str) -> int:
    """Give dead deliveries up, all of them where none is named; return how many. Raises `ConfigError`."""
    with writing(engine) as connection:
        dead = select(OutboxRow.id, OutboxRow.incident_id).where(_IS_DEAD)
        ids = [row.id for row in _chosen(connection, dead, identifiers)]
        connection.execute(update(OutboxRow).where(OutboxRow.id.in_(ids)).values(result="dropped"))
        _note(connection, "drop_delivery", ids, by, reason)
    return len(ids)


def load_figures(engine: Engine, at: datetime | None = None) -> OutboxFigures:
    """Return what is exported: counts since ever, what waits and is dead by notifier, and the silences that hold."""
    by_notifier = OutboxRow.notifier
    unsilenced = OutboxRow.result.is_(None)
    with reading(engine) as connection:
        now = moment(connection, at)
        counts = {
            (row.notifier, row.result): row.number
            for row in connection.execute(select(NotificationCountRow.__table__))
        }
        pending = select(by_notifier, func.count().label("number")).where(*_WAITS, unsilenced)
        waiting = {r.notifier: r.number for r in connection.execute(pending.group_by(by_notifier))}
        # What waits for its time is not late: a resolution that flapping holds back, or a silence's end.
        late = or_(OutboxRow.next_attempt_at <= now, OutboxRow.attempts > 0)
        oldest = select(
            by_notifier,
            func.min(func.coalesce(OutboxRow.first_attempt_at, OutboxRow.next_attempt_at)).label("since"),
        )
        since = {
            r.notifier: r.since
            for r in connection.execute(oldest.where(*_WAITS, unsilenced, late).group_by(by_notifier))
        }
        gone = select(by_notifier, func.count().label("number")).where(_IS_DEAD)
        dead = {r.notifier: r.number for r in connection.execute(gone.group_by(by_notifier))}
        silences = connection.execute(
            select(func.count()).where(SilenceRow.starts_at <= now, SilenceRow.ends_at > now)
        ).scalar_one()
    backlogs = {
        name: Backlog(
            waiting.get(name, 0),
            max(0.0, (now - since[name]).total_seconds()) if name in since else 0.0,
            dead.get(name, 0),
        )
        for name in {*waiting, *dead}
    }
    return OutboxFigures(counts, backlogs, silences)


def _chosen(connection: Connection, dead: Any, identifiers: Sequence[int] | None) -> list[Any]:
    if identifiers is None:
        return list(connection.execute(dead).all())
    rows = list(connection.execute(dead.where(OutboxRow.id.in_([*identifiers]))).all())
    missing = set(identifiers) - {row.id for row in rows}
    if missing:
        raise ConfigError(
            f"no dead delivery {min(missing)}; `driftmon outbox list --dead` shows those there are"
        )
    return rows


def _note(connection: Connection, action: str, ids: Sequence[int], by: str, reason: str) -> None:
    named = (
        select(OutboxRow.id, IncidentRow.collection)
        .join(IncidentRow, IncidentRow.id == OutboxRow.incident_id)
        .where(OutboxRow.id.in_([*ids]))
    )
    for row in connection.execute(named).all():
        connection.execute(
            insert(AuditRow).values(
                at=clock(),
                actor=by,
                action=action,
                collection=row.collection,
                subject=f"delivery {row.id}",
                reason=reason,
            )
        )
