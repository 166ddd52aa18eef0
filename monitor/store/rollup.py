"""One bucket of windows rolled up: neighbours of one baseline become one window, their profiles and readings one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from monitor.profile import Profile, merge_all
from monitor.store.columns import BigKey
from monitor.store.incidents import RANK
from monitor.store.models import IncidentRow, ProfileRow, ReadingRow, WindowRow
from monitor.store.outcomes import EXAMPLES, REASONS

LARGEST = 2**31 - 1
"""What an integer column holds: a day of a very busy collection is shown as this rather than refused."""
OK, INVALID = 0, 2
_STATES = ("quiet", "insufficient", "invalid", "drift")
_BUCKET = (
    select(WindowRow.__table__, ProfileRow.data.label("profile"))
    .join(ProfileRow, (ProfileRow.window_id == WindowRow.id) & (ProfileRow.resolution == 0), isouter=True)
    .where(
        WindowRow.collection == bindparam("collection"),
        WindowRow.state == "done",
        WindowRow.start_at >= bindparam("first"),
        WindowRow.start_at < bindparam("last"),
    )
    .order_by(WindowRow.start_at)
)
_IDS = bindparam("ids", type_=BigKey, expanding=True)
_READINGS = select(ReadingRow.__table__).where(ReadingRow.window_id.in_(_IDS)).order_by(ReadingRow.window_id)
_DROP_READINGS = delete(ReadingRow).where(ReadingRow.window_id.in_(_IDS))
_DROP_DETAILS = (
    update(ReadingRow)
    .where(ReadingRow.window_id.in_(_IDS), ReadingRow.detail.is_not(None))
    .values(detail=None)
)
_DROP_WINDOWS = delete(WindowRow).where(WindowRow.id.in_(_IDS))
_KEEP_READINGS = insert(ReadingRow)
_KEEP_PROFILE = update(ProfileRow).where(
    ProfileRow.window_id == bindparam("kept"), ProfileRow.resolution == 0
)
_KEEP_WINDOW = update(WindowRow).where(WindowRow.id == bindparam("kept"))
_POINT = update(IncidentRow).where(IncidentRow.opened_window.in_(_IDS))


@dataclass(frozen=True, slots=True)
class _Part:
    """A window of the bucket with its profile; ``damaged`` tells that there is one that cannot be read."""

    row: Row[Any]
    profile: Profile | None
    damaged: bool

    def continues_as(self, after: _Part) -> bool:
        """Whether ``after`` begins where this one ends and was measured alike, so that the two can be one."""
        return (
            self.row.end_at == after.row.start_at
            and self.row.baseline_id == after.row.baseline_id
            and not (self.damaged or after.damaged)
            and _alike(self.profile, after.profile)
        )


def roll_up(connection: Connection, collection: str, start: datetime, end: datetime) -> tuple[int, int]:
    """Make one window of each run of done windows in ``[start, end)``; the collection's lock is held.

    A run is contiguous, of one baseline, and of profiles that merge; where one cannot be read its window stays
    as it is. Details of readings are dropped. Return how many windows went into another, and how many stayed
    for a damaged profile.
    """
    rows = connection.execute(_BUCKET, {"collection": collection, "first": start, "last": end}).all()
    parts = [_part(row) for row in rows]
    runs: list[list[_Part]] = []
    for part in parts:
        # A window that is longer than the bucket has its own resolution.
        whole = part.row.end_at <= end
        if runs and whole and runs[-1][-1].continues_as(part):
            runs[-1].append(part)
        else:
            runs.append([part])
    single = [run[0].row.id for run in runs if len(run) == 1]
    if single:
        connection.execute(_DROP_DETAILS, {"ids": single})
    for run in runs:
        if len(run) > 1:
            _merge(connection, run)
    return len(parts) - len(runs), sum(part.damaged for part in parts)


def _merge(connection: Connection, run: Sequence[_Part]) -> None:
    rows = [part.row for part in run]
    kept, ids = rows[0].id, [row.id for row in rows]
    readings = merge_readings(kept, connection.execute(_READINGS, {"ids": ids}))
    connection.execute(_DROP_READINGS, {"ids": ids})
    if readings:
        connection.execute(_KEEP_READINGS, readings)
    profiles = [part.profile for part in run if part.profile is not None]
    if profiles:
        merged = merge_all(profiles[0].basis, profiles)
        connection.execute(_KEEP_PROFILE, {"kept": kept, "data": merged.pack()})
    connection.execute(_KEEP_WINDOW, {"kept": kept, **merge_windows(rows)})
    connection.execute(_POINT, {"ids": ids[1:], "opened_window": kept})
    connection.execute(_DROP_WINDOWS, {"ids": ids[1:]})


def merge_windows(rows: Sequence[Row[Any]]) -> dict[str, Any]:
    """Return what the first of the windows becomes: the whole span, and the worst of their verdicts."""
    worst = max(rows, key=_badness)
    return {
        "end_at": rows[-1].end_at,
        "finished_at": max((row.finished_at for row in rows if row.finished_at is not None), default=None),
        "backfill": all(row.backfill for row in rows),
        "verdict_state": worst.verdict_state,
        "severity": worst.severity,
        "cause": worst.cause,
        "verdict": worst.verdict,
        "sample_seen": _total(row.sample_seen for row in rows),
        "sample_size": _total(row.sample_size for row in rows),
        "rejected": merge_rejected([row.rejected for row in rows if row.rejected]),
        "duration_s": sum(row.duration_s or 0.0 for row in rows),
    }


def merge_readings(window_id: int, rows: Iterable[Row[Any]]) -> list[dict[str, Any]]:
    """Return one reading per stream: n summed, the value its weighted mean, log_p and effect the most telling.

    Where any reading is ok only those have a say; the others hold no value. What was held against the floor is
    kept as the effect, so that a peak outlives the mean.
    """
    streams: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        streams[row.stream_id].append(row)
    merged = []
    for stream, each in sorted(streams.items()):
        said = [row for row in each if row.status == OK] or each
        weight = sum(row.n for row in said)
        weights = [row.n / weight if weight > 0 else 1 / len(said) for row in said]
        merged.append(
            {
                "window_id": window_id,
                "stream_id": stream,
                "n": _total(row.n for row in each),
                "value": sum(w * row.value for w, row in zip(weights, said, strict=True)),
                "log_p": min((row.log_p for row in said if row.log_p is not None), default=None),
                "effect": max(row.value if row.effect is None else row.effect for row in said),
                "status": max(row.status for row in said),
                "detail": None,
            }
        )
    return merged


def merge_rejected(each: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the counts of rejected entries together, with the first examples; None for nothing."""
    if not each:
        return None
    counts: dict[str, int] = defaultdict(int)
    for one in each:
        for reason, number in one.get("counts", {}).items():
            counts[reason] += number
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:REASONS]
    examples = [example for one in each for example in one.get("examples", ())]
    return {
        "duplicates": sum(one.get("duplicates", 0) for one in each),
        "counts": dict(most),
        "examples": examples[:EXAMPLES],
    }


def _part(row: Row[Any]) -> _Part:
    if row.profile is None:
        return _Part(row, None, damaged=False)
    try:
        return _Part(row, Profile.unpack(row.profile), damaged=False)
    except ValueError:
        return _Part(row, None, damaged=True)


def _alike(left: Profile | None, right: Profile | None) -> bool:
    if left is None or right is None:
        return left is right
    if left.basis != right.basis:
        return False
    pairs = ((left.counts, right.counts), (left.sums, right.sums))
    return all(a[name].shape == b[name].shape for a, b in pairs for name in a.keys() & b.keys())


def _badness(row: Row[Any]) -> tuple[int, int, float]:
    causes = (row.verdict or {}).get("causes") or [{}]
    state = _STATES.index(row.verdict_state) if row.verdict_state in _STATES else 0
    return RANK.get(row.severity, 0), state, causes[0].get("confidence", 0.0)


def _total(numbers: Iterable[int | None]) -> int:
    return min(sum(number or 0 for number in numbers), LARGEST)
