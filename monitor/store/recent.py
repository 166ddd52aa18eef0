"""The profiles of a collection's latest windows, to be looked at together."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine, bindparam, select

from monitor.records import Window
from monitor.store.engine import reading
from monitor.store.models import ProfileRow, WindowRow

_RECENT = (
    select(WindowRow.start_at, WindowRow.end_at, ProfileRow.data)
    .join(ProfileRow, ProfileRow.window_id == WindowRow.id)
    .where(
        WindowRow.collection == bindparam("collection"),
        WindowRow.start_at >= bindparam("since"),
        WindowRow.start_at < bindparam("until"),
        WindowRow.state == "done",
        WindowRow.baseline_id == bindparam("baseline"),
        ProfileRow.resolution == 0,
    )
    .order_by(WindowRow.start_at)
)


class RecentProfile(NamedTuple):
    """A done window and its packed profile."""

    window: Window
    data: bytes


def recent_profiles(engine: Engine, window: Window, baseline_id: int, count: int) -> list[RecentProfile]:
    """Return the profiles of up to ``count`` windows just before this one that the same baseline judged.

    Windows that are not done, or whose profiles were rolled up already, are missing.
    """
    values = {
        "collection": window.collection,
        "since": window.start - count * window.length,
        "until": window.start,
        "baseline": baseline_id,
    }
    with reading(engine) as connection:
        rows = connection.execute(_RECENT, values).all()
    return [
        RecentProfile(Window(window.collection, row.start_at, row.end_at), bytes(row.data))
        for row in rows
        if row.end_at - row.start_at == window.length
    ]
