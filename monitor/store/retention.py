"""Retention: old windows are rolled up before they are dropped, so that a year of them stays small.

What is kept of a collection, by the age of its windows::

    now ......... windows ......... hourly ................. daily
      as committed  |  rolled up to 1 h  |   rolled up to 1 d   |  nothing

Each step remembers in the table ``retention`` how far it has come, so an idle call asks one row per step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, Executable, bindparam, func, select

from monitor.store import disposal
from monitor.store.columns import UTCDateTime
from monitor.store.engine import insert_for, reading, writing
from monitor.store.ledger import lock
from monitor.store.models import CollectionRow, RetentionRow, WindowRow, unfinished
from monitor.store.planning import EPOCH, floor
from monitor.store.rollup import roll_up

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LIMIT = 48
"""Transactions of one call, if not told otherwise: a collection that was new to retention is done in some calls."""

_REACHED = (
    select(CollectionRow.collection, RetentionRow.step, RetentionRow.reached)
    .join(RetentionRow, RetentionRow.collection == CollectionRow.collection, isouter=True)
    .where(CollectionRow.collection == bindparam("collection"))
)
_MINE = (WindowRow.collection == bindparam("collection"), WindowRow.state == "done")
_NEWEST = select(func.max(WindowRow.start_at)).where(*_MINE)
_UNFINISHED = select(func.min(WindowRow.start_at)).where(_MINE[0], unfinished())
_NEXT = select(func.min(WindowRow.start_at)).where(
    *_MINE, WindowRow.start_at >= bindparam("first", type_=UTCDateTime())
)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is kept, counted from the end of a window, and of an incident from its resolution.

    ``windows`` is full resolution with every detail, ``hourly`` and ``daily`` what is rolled up; ``profiles`` are
    the largest part and go first at the daily resolution. ``rejected`` are examples of unusable log entries. Events
    are kept as long as incidents, which they stand beside.

    Raises
    ------
    ValueError
        When a time is not above 0 or a coarser resolution would end before a finer one.
    """

    windows: timedelta = timedelta(days=2)
    hourly: timedelta = timedelta(days=7)
    daily: timedelta = timedelta(days=400)
    profiles: timedelta = timedelta(days=90)
    rejected: timedelta = timedelta(days=7)
    parked: timedelta = timedelta(days=30)
    incidents: timedelta = timedelta(days=400)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for field in fields(self):
            age = getattr(self, field.name)
            if not isinstance(age, timedelta) or age <= timedelta(0):
                raise ValueError(f"retention.{field.name} is {age!r}; give a time above 0, such as 30d")
        for finer, coarser in (("windows", "hourly"), ("hourly", "daily"), ("windows", "profiles")):
            if getattr(self, coarser) < getattr(self, finer):
                raise ValueError(
                    f"retention.{coarser} ({getattr(self, coarser)}) is shorter than retention.{finer}"
                    f" ({getattr(self, finer)}); raise {coarser} or lower {finer}"
                )


@dataclass(frozen=True, slots=True)
class Retained:
    """What a call did, in rows; ``more`` tells that its limit ended it, so another call is worth while."""

    rolled_up: int = 0
    """Windows that went into a longer one."""
    deleted: int = 0
    parked: int = 0
    profiles: int = 0
    rejected: int = 0
    incidents: int = 0
    messages: int = 0
    events: int = 0
    silences: int = 0
    damaged: int = 0
    """Windows that stay as they are, because their profile cannot be read."""
    more: bool = False


Work = Callable[[Connection, str, datetime, datetime], tuple[Mapping[str, int], datetime | None]]
"""One transaction's work between two moments: what was done, and up to where; None for "not there yet"."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of retention: how old what it works on must be, to which grain, and its work."""

    name: str
    age: str
    """The field of the policy."""
    grain: timedelta
    work: Work
    settled: bool = True
    """Whether it works on done windows: then it ends before the first unfinished one, and the newest."""


def retain(engine: Engine, collection: str, policy: Retention, now: datetime, limit: int = LIMIT) -> Retained:
    """Roll up and drop what is old of a collection, in at most ``limit`` small transactions.

    Any number of replicas may call this at any time: each transaction holds the collection's lock and begins where
    the last one ended, so nothing is done twice and a kill costs the bucket in hand only. Unfinished windows, the
    newest done one, evidence and the watermark are never touched.
    """
    if now.tzinfo is None:
        raise ValueError(f"{now!r} has no time zone; the ledger takes aware times only")
    if limit < 1:
        raise ValueError(f"limit is {limit}; give at least 1 transaction")
    counts: Counter[str] = Counter()
    for step, target in _due(engine, collection, policy, now):
        while limit > 0:
            limit -= 1
            done, over = _advance(engine, collection, step, target)
            counts.update(done)
            if over:
                break
        else:
            return _retained(counts, more=True)
    return _retained(counts, more=False)


def _retained(counts: Mapping[str, Any], *, more: bool) -> Retained:
    return Retained(**counts, more=more)


def _due(engine: Engine, collection: str, policy: Retention, now: datetime) -> list[tuple[_Step, datetime]]:
    """Return the steps that have something to look at, and up to where."""
    with reading(engine) as connection:
        found = connection.execute(_REACHED, {"collection": collection}).all()
        if not found:
            return []
        reached = {row.step: row.reached for row in found}
        moment = now.astimezone(UTC)
        wanted = [(step, floor(moment - getattr(policy, step.age), step.grain)) for step in STEPS]
        due = [(step, target) for step, target in wanted if _before(reached.get(step.name), target)]
        if not any(step.settled for step, _ in due):
            return due
        horizon = _horizon(connection, collection)
    if horizon is None:  # no window is done: there is nothing for the steps that work on those
        return [(step, target) for step, target in due if not step.settled]
    capped = [
        (step, min(target, floor(horizon, step.grain)) if step.settled else target) for step, target in due
    ]
    return [(step, target) for step, target in capped if _before(reached.get(step.name), target)]


def _horizon(connection: Connection, collection: str) -> datetime | None:
    """Return the moment before which every window is settled; the newest done one stays after it."""
    named = {"collection": collection}
    newest = connection.execute(_NEWEST, named).scalar()
    waiting = connection.execute(_UNFINISHED, named).scalar()
    return newest if newest is None or waiting is None else min(newest, waiting)


def _advance(
    engine: Engine, collection: str, step: _Step, target: datetime
) -> tuple[Mapping[str, int], bool]:
    """Do a step's next bucket in one transaction; return what was done and whether the step is over."""
    with writing(engine) as connection:
        lock(connection, collection)
        rows = connection.execute(_REACHED, {"collection": collection})
        reached = {row.step: row.reached for row in rows}
        if not _before(reached.get(step.name), target):
            return {}, True  # another replica was here
        # What is rolled up to days is not looked at for hours again.
        since = max(reached.get(name, EPOCH) for name in (step.name, "day"))
        done, until = step.work(connection, collection, since, target)
        if until is not None:
            values = {"collection": collection, "step": step.name, "reached": until}
            connection.execute(_keep(engine.dialect.name), values)
        return done, until is not None and until >= target


def _roll(grain: timedelta) -> Work:
    """Return the work that rolls up the next bucket of that length."""

    def work(
        connection: Connection, collection: str, since: datetime, target: datetime
    ) -> tuple[Mapping[str, int], datetime | None]:
        first = connection.execute(_NEXT, {"collection": collection, "first": since}).scalar()
        if first is None or first >= target:
            return {}, target
        start = floor(first, grain)
        rolled_up, damaged = roll_up(connection, collection, start, start + grain)
        return {"rolled_up": rolled_up, "damaged": damaged}, start + grain

    return work


def _drop(batch: Callable[[Connection, str, datetime], Mapping[str, int]]) -> Work:
    """Return the work that drops the next batch of what lies before the target."""

    def work(
        connection: Connection,
        collection: str,
        since: datetime,  # noqa: ARG001 it looks for what is old, wherever it lies
        target: datetime,
    ) -> tuple[Mapping[str, int], datetime | None]:
        dropped = batch(connection, collection, target)
        return dropped, None if max(dropped.values()) >= disposal.BATCH else target

    return work


STEPS = (
    _Step("daily", "daily", DAY, _drop(disposal.drop_windows)),
    _Step("parked", "parked", DAY, _drop(disposal.drop_parked), settled=False),
    _Step("incidents", "incidents", DAY, _drop(disposal.drop_incidents), settled=False),
    _Step("silences", "incidents", DAY, _drop(disposal.drop_silences), settled=False),
    _Step("rejected", "rejected", HOUR, _drop(disposal.empty_rejected)),
    _Step("profiles", "profiles", DAY, _drop(disposal.drop_profiles)),
    # Days before hours: a long past is rolled up in one go.
    _Step("day", "hourly", DAY, _roll(DAY)),
    _Step("hour", "windows", HOUR, _roll(HOUR)),
)
"""In order: nothing is rolled up that is dropped anyway."""


@cache
def _keep(dialect: str) -> Executable:
    statement = insert_for(dialect, RetentionRow)
    return statement.on_conflict_do_update(
        index_elements=["collection", "step"], set_={"reached": statement.excluded.reached}
    )


def _before(reached: datetime | None, target: datetime) -> bool:
    return reached is None or reached < target
