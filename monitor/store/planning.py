"""The plan of windows: every span of time gets one, once, whoever asks and whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from sqlalchemy import Connection, Engine, Executable, bindparam, insert, select, update

from monitor.store.columns import clock
from monitor.store.engine import insert_for, reading, writing
from monitor.store.ledger import lock
from monitor.store.models import AuditRow, CollectionRow, WindowRow

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WATERMARK = select(CollectionRow.watermark).where(CollectionRow.collection == bindparam("collection"))
_ADVANCE = update(CollectionRow).where(CollectionRow.collection == bindparam("of")).values(updated_at=clock())
_GAP = insert(AuditRow).values(at=clock(), actor="driftmon", action="gap")


def plan(
    engine: Engine,
    collection: str,
    length: timedelta,
    now: datetime,
    lateness: timedelta,
    max_backfill: int,
    first: datetime | None,
) -> int:
    """Plan every whole window from the watermark to ``now - lateness``; return how many are new.

    Of more than ``max_backfill`` windows the newest are planned, the others are told in the audit log as a
    gap. All but the newest are backfill: they are made up late and page nobody. Without a watermark the first
    window is the one at or after ``first``, or the latest whole one. Any number of replicas may call this at
    any time, and a clock that steps back plans nothing twice.
    """
    if length <= timedelta(0) or max_backfill < 1:
        raise ValueError(
            f"length must be above 0 and max_backfill at least 1, not {length} and {max_backfill}"
        )
    if now.tzinfo is None:
        raise ValueError(f"{now!r} has no time zone; the ledger takes aware times only")
    # In UTC first: arithmetic inside a zone follows its wall clock, which jumps twice a year.
    until = floor(now.astimezone(UTC) - lateness, length)
    origin = until - length if first is None else ceil(first, length)
    with reading(engine) as connection:  # nearly every call ends here, without a lock
        if until <= ceil(_watermark(connection, collection) or origin, length):
            return 0
    with writing(engine) as connection:
        lock(connection, collection)
        reached = _watermark(connection, collection) or origin
        start = ceil(reached, length)
        due = (until - start) // length
        if due < 1:
            return 0
        skipped = max(0, due - max_backfill)
        start += skipped * length
        if start > reached:
            why = f"{skipped} windows of {length} skipped: {due} were due, max_backfill is {max_backfill}"
            gap = {
                "collection": collection,
                "subject": f"{reached.isoformat()}/{start.isoformat()}",
                "reason": why if skipped else f"windows are {length} long now",
            }
            connection.execute(_GAP, gap)
        starts = [start + i * length for i in range(due - skipped)]
        rows = [
            {"collection": collection, "start_at": s, "end_at": s + length, "backfill": s + length < until}
            for s in starts
        ]
        connection.execute(_ADVANCE, {"of": collection, "watermark": until})
        statement = _insert(connection.dialect.name)
        return connection.execute(statement, rows, execution_options={"preserve_rowcount": True}).rowcount


def floor(moment: datetime, length: timedelta) -> datetime:
    """Return the last boundary of epoch-aligned windows at or before ``moment``, in UTC."""
    return EPOCH + (moment - EPOCH) // length * length


def ceil(moment: datetime, length: timedelta) -> datetime:
    """Return the first boundary of epoch-aligned windows at or after ``moment``, in UTC."""
    return EPOCH - (EPOCH - moment) // length * length


@cache
def _insert(dialect: str) -> Executable:
    return insert_for(dialect, WindowRow).values(state="planned", planned_at=clock()).on_conflict_do_nothing()


def _watermark(connection: Connection, collection: str) -> datetime | None:
    return connection.execute(_WATERMARK, {"collection": collection}).scalar()
