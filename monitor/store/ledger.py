"""The window ledger: each window is worked by one worker at a time, in order, until it is done or parked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Select, Update, and_, bindparam, or_, select, update
from sqlalchemy.orm import aliased

from monitor.errors import LeaseLostError
from monitor.records import Window
from monitor.store.columns import SECONDS, among_collections, clean, clock
from monitor.store.engine import insert_for, writing
from monitor.store.models import CollectionRow, WindowRow, unfinished

CRASH_LIMIT = 10
"""Attempts after which a window whose worker vanished again is parked: it may be what kills them."""
ERROR_LENGTH = 2000


def _earliest_due() -> Select[Any]:
    """Return the query for the window to claim; `collections` are its parameter."""
    head = aliased(WindowRow)
    earliest = (
        select(head.id)
        .where(head.collection == CollectionRow.collection, unfinished(head))
        .order_by(head.start_at)
        .limit(1)
        .scalar_subquery()
    )
    retryable = or_(WindowRow.not_before.is_(None), WindowRow.not_before <= clock())
    wanted = ("id", "collection", "start_at", "end_at", "state", "fence", "attempts", "worker", "backfill")
    return (
        select(*(getattr(WindowRow, name) for name in wanted))
        .join(CollectionRow, WindowRow.id == earliest)
        .where(
            among_collections(CollectionRow.collection),
            or_(
                and_(WindowRow.state == "planned", retryable),
                and_(WindowRow.state == "running", WindowRow.lease_until < clock()),
            ),
        )
        .order_by(WindowRow.end_at, WindowRow.collection)
        .limit(1)
        .with_for_update(skip_locked=True, of=WindowRow)
    )


# Statements are made once: making one takes Python longer than running it takes the database. What is given at
# execution and is no parameter below is set as the column of that name.
DUE = _earliest_due()
_CHOSEN = update(WindowRow).where(WindowRow.id == bindparam("chosen"))
_TAKE = _CHOSEN.values(state="running", lease_until=clock(SECONDS), not_before=None)
_PARK = _CHOSEN.values(state="parked", lease_until=None, finished_at=clock())
HELD = _CHOSEN.where(WindowRow.fence == bindparam("held_under"), WindowRow.state == "running")
_RENEW = HELD.values(lease_until=clock(SECONDS))
_RELEASE = HELD.values(state="planned", worker=None, lease_until=None)
_RETRY = HELD.values(state="planned", lease_until=None, not_before=clock(SECONDS))
_GIVE_UP = HELD.values(state="parked", lease_until=None, finished_at=clock())
_LOCK = (
    select(CollectionRow.collection)
    .where(CollectionRow.collection == bindparam("collection"))
    .with_for_update()
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
        while (row := connection.execute(DUE, {"collections": collections}).one_or_none()) is not None:
            if row.state == "running" and row.attempts >= crash_limit:
                error = (
                    f"its worker vanished in attempt {row.attempts} (killed? out of memory?): {row.worker}"
                )
                connection.execute(_PARK, {"chosen": row.id, "last_error": error})
                continue
            fence, attempts = row.fence + 1, row.attempts + 1
            mine = {"fence": fence, "attempts": attempts, "worker": worker}
            connection.execute(_TAKE, {"chosen": row.id, "seconds": lease.total_seconds(), **mine})
            window = Window(row.collection, row.start_at, row.end_at)
            return Claim(window, row.id, fence, attempts, row.backfill)
    return None


def renew(engine: Engine, claim: Claim, lease: timedelta) -> None:
    """Extend a claim from the database's present; raises `LeaseLostError` when it is no longer held."""
    with writing(engine) as connection:
        change_claimed(connection, claim, _RENEW, seconds=lease.total_seconds())


def release(engine: Engine, claim: Claim) -> None:
    """Give a window back untouched; the attempt does not count."""
    with writing(engine) as connection:
        change_claimed(connection, claim, _RELEASE, attempts=max(0, claim.attempts - 1))


def fail(engine: Engine, claim: Claim, error: str, max_attempts: int, retry_in: timedelta) -> None:
    """Plan a failed window again, not before ``retry_in``, or park it after ``max_attempts``."""
    told = clean(error, ERROR_LENGTH)
    with writing(engine) as connection:
        if claim.attempts >= max_attempts:
            change_claimed(connection, claim, _GIVE_UP, last_error=told)
        else:
            change_claimed(connection, claim, _RETRY, last_error=told, seconds=retry_in.total_seconds())


def change_claimed(connection: Connection, claim: Claim, change: Update, **values: Any) -> None:
    """Change the claimed window; raises `LeaseLostError` when another worker, or nobody, holds it now."""
    given = {"chosen": claim.window_id, "held_under": claim.fence, **values}
    if connection.execute(change, given).rowcount != 1:
        raise LeaseLostError(
            f"window {claim.window.start.isoformat()} of {claim.window.collection!r} is no longer held by"
            " this worker (its lease ran out and another one took over); this result is not kept"
        )


def lock(connection: Connection, collection: str) -> None:
    """Hold the collection's row until the transaction ends, making it first where it is new."""
    while connection.execute(_LOCK, {"collection": collection}).one_or_none() is None:
        row = insert_for(connection.dialect.name, CollectionRow).values(
            collection=collection, updated_at=clock()
        )
        connection.execute(row.on_conflict_do_nothing())
