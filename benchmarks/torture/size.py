"""A year of a thousand collections on disk: what the monitor's own database comes to under its retention."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

from benchmarks.torture.postgres_server import start_postgres
from benchmarks.torture.report import figure, main
from benchmarks.torture.typical import QUARTER, START, make_outcomes
from monitor.profile import Profile, merge_all
from monitor.records import Outcome
from monitor.store import Store, schema
from monitor.store.retention import DAY, HOUR, Retention

COLLECTIONS = 1000
BAR = 10.0
"""Gigabytes (of 10^9 bytes) that a thousand collections may come to."""
GB = 1e9
LEASE = timedelta(minutes=5)
LIVED = 5
"""Days that are lived through window by window, if not told otherwise; what is older is committed as rolled up."""


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return the size of both databases in the steady state: every tier full, rows made, rolled up and dropped."""
    return measure(max(1, round(4 * scale)), LIVED)


def measure(collections: int, days: int) -> list[dict[str, Any]]:
    """Return the figures of so many collections, of whose past the last ``days`` are lived window by window.

    With more days than `Retention.daily` has, nothing is committed as rolled up: what the short way is held against.
    """
    if collections < 1 or days < 1:
        raise ValueError(f"measure({collections}, {days}): give at least 1 collection and 1 day")
    baseline, outcomes = make_outcomes(DAY // QUARTER)
    policy = Retention()
    figures = [
        figure("a window's profile as committed", len(outcomes[-1].profile), "bytes"),
        figure("a window's readings", len(outcomes[-1].readings), "readings"),
        figure("a packed baseline", len(baseline), "bytes"),
    ]
    for name, opened in (("SQLite", open_sqlite()), ("PostgreSQL", start_postgres())):
        with opened as url:
            if url is None:
                continue
            year = Year(url, [f"c{i}" for i in range(collections)], outcomes, policy)
            try:
                figures += year.measure(name, baseline, days)
            finally:
                year.store.close()
    return figures


@contextmanager
def open_sqlite() -> Iterator[str]:
    """Yield the URL of a file that goes with its folder."""
    with TemporaryDirectory(prefix="driftmon-size-") as folder:
        yield f"sqlite:///{folder}/driftmon.db"


@dataclass
class Year:
    """Some collections' windows of more than a year, committed and retained as the clock goes on."""

    url: str
    names: Sequence[str]
    outcomes: Sequence[Outcome]
    policy: Retention
    baselines: dict[str, int] = field(default_factory=dict)
    committed: int = 0
    rolled_up: int = 0
    busy: float = 0.0
    """Seconds of this process's CPU in the calls that rolled up."""
    taken: float = 0.0
    """Seconds by the clock in the same calls."""

    def __post_init__(self) -> None:
        """Open the database at this release's schema."""
        schema.upgrade(self.url)
        self.store = Store.open(self.url)

    def measure(self, engine: str, baseline: bytes, days: int) -> list[dict[str, Any]]:
        """Return the figures of one engine."""
        empty = self.size()
        for name in self.names:
            self.baselines[name] = self.store.save_baseline(
                name,
                baseline,
                by="size",
                reason="size",
                start=START,
                end=START,
                model="m",
                meta={},
                activate=True,
            )
        # The long past is committed at the resolution it has by now, the newest days are really rolled up.
        end = START + self.policy.daily + 2 * DAY
        quarters = max(START, end - days * DAY)
        hours = max(START, min(quarters, end - self.policy.hourly - DAY))
        self.live(START, hours, DAY, _as_rolled_up(self.outcomes, DAY))
        self.live(hours, quarters, HOUR, _as_rolled_up(self.outcomes, HOUR))
        self.live(quarters, end, QUARTER, self.outcomes)
        idle = self.time_idle(end)
        grown = (self.size() - empty) / len(self.names)
        self.vacuum()
        left = (self.size() - empty) / len(self.names)
        each = {table: self.count(table) / len(self.names) for table in ("windows", "readings", "profiles")}
        asked = f"{engine}: 1,000 collections x 96 windows a day x 20 readings, a year"
        return [
            *(figure(f"{engine}: {table} kept of a collection", n, table) for table, n in each.items()),
            figure(f"{engine}: a call of retention with nothing to do", idle, "ms"),
            *self.figure_cost(engine),
            figure(asked, (empty + COLLECTIONS * grown) / GB, "GB", BAR),
            figure(f"{engine}: … after VACUUM", (empty + COLLECTIONS * left) / GB, "GB", BAR),
        ]

    def live(self, now: datetime, end: datetime, length: timedelta, outcomes: Sequence[Outcome]) -> None:
        """Let time pass: every window is committed when it is over, and retention runs four times a day."""
        while now < end:
            now += length
            for name in self.names:
                self.store.plan(name, length, now, timedelta(0), 1, now - length)
            while (claim := self.store.claim(self.names, "size", LEASE)) is not None:
                outcome = outcomes[self.committed % len(outcomes)]
                named = self.baselines[claim.window.collection]
                self.store.commit(claim, replace(outcome, window=claim.window, baseline_id=named))
                self.committed += 1
            if not (now - START) % timedelta(hours=6):
                for name in self.names:
                    while self.retain(name, now):
                        pass
            if self.url.startswith("postgresql"):
                self.tidy(now, length)

    def retain(self, name: str, now: datetime) -> bool:
        """Call retention once, take its time where it rolled up, and return whether there is more."""
        busy, taken = process_time(), perf_counter()
        done = self.store.retain(name, self.policy, now)
        if done.rolled_up:
            self.rolled_up += done.rolled_up
            self.busy += process_time() - busy
            self.taken += perf_counter() - taken
        return done.more

    def figure_cost(self, engine: str) -> list[dict[str, Any]]:
        """Return what one window costs to roll up; none where the lived days were too few for any."""
        if not self.rolled_up:
            return []
        each = 1000 / self.rolled_up
        return [
            figure(f"{engine}: CPU of the monitor per window rolled up", self.busy * each, "ms"),
            figure(f"{engine}: time per window rolled up", self.taken * each, "ms"),
        ]

    def tidy(self, now: datetime, length: timedelta) -> None:
        """Do what autovacuum would, whose clock is not ours: a table is due when a fifth of its rows is dead.

        Of the small tables that every window rewrites that is all the time; of the large ones once a day.
        """
        self.vacuum("collection_state, evidence")
        if not (now - START) % (30 * DAY if length == DAY else DAY):
            self.vacuum()

    def time_idle(self, now: datetime) -> float:
        """Return the median milliseconds of a call that finds nothing to do."""
        taken = []
        for _ in range(50):
            began = perf_counter()
            self.store.retain(self.names[0], self.policy, now)
            taken.append(1000 * (perf_counter() - began))
        return median(taken)

    def size(self) -> int:
        """Return how many bytes the database takes."""
        if self.url.startswith("postgresql"):
            return self._ask("SELECT pg_database_size(current_database())")
        self._ask("PRAGMA wal_checkpoint(TRUNCATE)")
        return Path(self.url.removeprefix("sqlite:///")).stat().st_size

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return self._ask(f"SELECT count(*) FROM {table}")  # noqa: S608 names of ours

    def vacuum(self, tables: str = "") -> None:
        """Run a plain VACUUM, which on PostgreSQL gives nothing back but lets space be used again."""
        if not self.url.startswith("postgresql"):
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as file:
                file.execute("VACUUM")
            return
        plain = self.store.engine.execution_options(isolation_level="AUTOCOMMIT")
        with plain.connect() as connection:
            connection.exec_driver_sql(f"VACUUM {tables}")

    def _ask(self, statement: str) -> int:
        with self.store.engine.connect() as connection:
            return int(connection.exec_driver_sql(statement).scalar_one())


def _as_rolled_up(outcomes: Sequence[Outcome], length: timedelta) -> list[Outcome]:
    """Return outcomes as they are after a roll-up: a merged profile, an effect for every reading, no detail."""
    profiles = [Profile.unpack(outcome.profile) for outcome in outcomes]
    number = length // QUARTER
    # As many windows as it has go into each: a sum of more fills more bits, and compresses less.
    runs = [profiles[i : i + number] for i in range(0, len(profiles), number)]
    merged = [merge_all(run[0].basis, run).pack() for run in runs]
    return [
        replace(
            o,
            profile=merged[i % len(merged)],
            readings=tuple(replace(r, effect=r.shift, detail={}) for r in o.readings),
        )
        for i, o in enumerate(outcomes)
    ]


if __name__ == "__main__":
    main("torture-size", run)
