"""A long past at a glance: every window's verdict, and the readings of as many windows as a chart can show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, select

from monitor.store.engine import reading
from monitor.store.models import ReadingRow, WindowRow
from monitor.store.status import LONGEST, PastWindow, readings_by_window, readings_where, to_verdict

EVEN = 360
"""Windows whose readings are read, evenly spread over the time."""
FIRED = 360
"""Windows in drift whose readings are read besides, the newest: none is left out for standing between two others."""
_COLUMNS = (
    WindowRow.id,
    WindowRow.start_at,
    WindowRow.end_at,
    WindowRow.baseline_id,
    WindowRow.verdict_state,
    WindowRow.severity,
    WindowRow.cause,
    WindowRow.verdict,
)


def load_outline(
    engine: Engine, collection: str, since: datetime, until: datetime, limit: int
) -> list[PastWindow]:
    """Return the newest ``limit`` done windows of ``[since, until)``, oldest first, most of them without readings.

    A hundred thousand readings take seconds to read and cannot be told apart on a screen: those of `EVEN` windows
    and of `FIRED` in drift are read, whatever the number of windows.
    """
    chosen = (
        select(*_COLUMNS)
        .where(
            WindowRow.collection == collection,
            WindowRow.state == "done",
            WindowRow.start_at > since - LONGEST,
            WindowRow.end_at > since,
            WindowRow.start_at < until,
        )
        .order_by(WindowRow.start_at.desc())
        .limit(limit)
    )
    with reading(engine) as connection:
        windows = connection.execute(chosen).all()[::-1]
        ids = _drawn(windows)
        rows = connection.execute(readings_where(ReadingRow.window_id.in_(ids))).all() if ids else []
    readings = readings_by_window(rows)
    return [
        PastWindow(w.start_at, w.end_at, w.baseline_id, to_verdict(w), readings.get(w.id, ()))
        for w in windows
    ]


def _drawn(windows: Sequence[Row[Any]]) -> list[int]:
    if len(windows) <= EVEN + FIRED:
        return [w.id for w in windows]
    # The newest is always among them: a page says what the latest reading is.
    even = {windows[-1 - i * len(windows) // EVEN].id for i in range(EVEN)}
    fired = [w.id for w in reversed(windows) if w.verdict_state == "drift" and w.id not in even]
    return sorted(even | set(fired[:FIRED]))
