"""The window ledger: each window is worked by one worker at a time, in order, until it is done or parked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Select, and_, or_, select, update
from sqlalchemy.orm import aliased

from monitor.errors import LeaseLostError
from monitor.records import Window
from monitor.store.columns import clean, clock
from monitor.store.engine import insert_into, writing
from monitor.store.models import CollectionRow, WindowRow, unfinished

CRASH_LIMIT = 10
"""Attempts after which a window whose worker vanished again is parked: it may be what kills them."""
ERROR_LENGTH = 2000
_CLAIMED = (
    "id",
    "collection",
    "start_at",
    "end_at",
    "state",
    "fence",
    "attempts",
    "worker",
    "backfill",
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A window that one worker may work on until its lease ends; the fence tells it from earlier claims."""

    window: Window
    window_id: int
    fence: int
    attempts: int
    backfill: bool


def claim(
    engine: Engine,
    collections: Sequence[str],
    worker: str,
    lease: timedelta,
    crash_limit: int = CRASH_LIMIT,
) -> Claim | None:
    """Claim the oldest window that is due, or return None.

    Per collection only the earliest unfinished window can be claimed, and only when nobody holds it, so a
    collection is worked serially and in order. A window whose lease ran out is claimed anew.
    """
    if not collections:
        return None
    with writing(engine) as connection:
        while (row := connection.execute(_due(collections)).one_or_none()) is not None:
            mine = update(WindowRow).where(WindowRow.id == row.id)
            if row.state == "running" and row.attempts >= crash_limit:
                error = (
                    f"its worker vanished in attempt {row.attempts} (killed? out of memory?): {row.worker}"
                )
                connection.execute(
                    mine.values(state="parked", last_error=error, lease_until=None, finished_at=clock())
                )
                continue
            taken = Claim(
                Window(row.collection, row.start_at, row.end_at),
                row.id,
                row.fence + 1,
                row.attempts + 1,
                row.backfill,
            )
            connection.execute(
                mine.values(
                    state="running",
                    fence=taken.fence,
                    attempts=taken.attempts,
                    worker=worker,
                    lease_until=clock(lease),
                    not_before=None,
                )
            )
            return taken
    return None


def renew(engine: Engine, claim: Claim, lease: timedelta) -> None:
    """Extend a claim from the database's present; raises `LeaseLostError` when it is no longer held."""
    with writing(engine) as connection:
        update_claimed(connection, claim, lease_until=clock(lease))


def release(engine: Engine, claim: Claim) -> None:
    """Give a window back untouched; the attempt does not count."""
    with writing(engine) as connection:
        update_claimed(
            connection,
            claim,
            state="planned",
            worker=None,
            lease_until=None,
            attempts=max(0, claim.attempts - 1),
        )


def fail(engine: Engine, claim: Claim, error: str, max_attempts: int, retry_in: timedelta) -> None:
    """Plan a failed window again, not before ``retry_in``, or park it after ``max_attempts``."""
    changes: dict[str, Any] = {"lease_until": None, "last_error": clean(error, ERROR_LENGTH)}
    if claim.attempts >= max_attempts:
        changes |= {"state": "parked", "finished_at": clock()}
    else:
        changes |= {"state": "planned", "not_before": clock(retry_in)}
    with writing(engine) as connection:
        update_claimed(connection, claim, **changes)


def update_claimed(connection: Connection, claim: Claim, **changes: Any) -> None:
    """Change the claimed window; raises `LeaseLostError` when another worker, or nobody, holds it now."""
    held = update(WindowRow).where(
        WindowRow.id == claim.window_id, WindowRow.fence == claim.fence, WindowRow.state == "running"
    )
    if connection.execute(held.values(**changes)).rowcount != 1:
        raise LeaseLostError(
            f"window {claim.window.start.isoformat()} of {claim.window.collection!r} is no longer held by"
            " this worker (its lease ran out and another one took over); this result is not kept"
        )


def lock(connection: Connection, collection: str) -> None:
    """Hold the collection's row until the transaction ends, making it first where it is new."""
    row = insert_into(connection, CollectionRow).values(collection=collection, updated_at=clock())
    connection.execute(row.on_conflict_do_nothing())
    connection.execute(
        select(CollectionRow.collection).where(CollectionRow.collection == collection).with_for_update()
    )


def _due(collections: Sequence[str]) -> Select[Any]:
    head = aliased(WindowRow)
    earliest = (
        select(head.id)
        .where(head.collection == CollectionRow.collection, unfinished(head))
        .order_by(head.start_at)
        .limit(1)
        .scalar_subquery()
    )
    heads = select(earliest).where(CollectionRow.collection.in_(collections))
    retryable = or_(WindowRow.not_before.is_(None), WindowRow.not_before <= clock())
    return (
        select(*(getattr(WindowRow, name) for name in _CLAIMED))
        .where(
            WindowRow.id.in_(heads),
            or_(
                and_(WindowRow.state == "planned", retryable),
                and_(WindowRow.state == "running", WindowRow.lease_until < clock()),
            ),
        )
        .order_by(WindowRow.end_at, WindowRow.collection)
        .limit(1)
        .with_for_update(skip_locked=True, of=WindowRow)
    )
