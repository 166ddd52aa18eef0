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
from time import perf_counter
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


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return the size of both databases in the steady state: every tier full, rows made, rolled up and dropped."""
    baseline, outcomes = make_outcomes(12)
    policy = Retention()
    number = max(1, round(4 * scale))
    figures = [
        figure("a window's profile as committed", len(outcomes[-1].profile), "bytes"),
        figure("a window's readings", len(outcomes[-1].readings), "readings"),
        figure("a packed baseline", len(baseline), "bytes"),
    ]
    for name, opened in (("SQLite", open_sqlite()), ("PostgreSQL", start_postgres())):
        with opened as url:
            if url is None:
                continue
            year = Year(url, [f"c{i}" for i in range(number)], outcomes, policy)
            try:
                figures += year.measure(name, baseline)
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

    def __post_init__(self) -> None:
        """Open the database at this release's schema."""
        schema.upgrade(self.url)
        self.store = Store.open(self.url)

    def measure(self, engine: str, baseline: bytes) -> list[dict[str, Any]]:
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
        hours = end - self.policy.hourly - DAY
        quarters = end - self.policy.windows - 3 * DAY
        rolled = _as_rolled_up(self.outcomes)
        self.live(START, hours, DAY, rolled)
        self.live(hours, quarters, HOUR, rolled)
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
                    while self.store.retain(name, self.policy, now).more:
                        pass
            if self.url.startswith("postgresql"):
                self.tidy(now, length)

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


def _as_rolled_up(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return outcomes as they are after a roll-up: a merged profile, an effect for every reading, no detail."""
    profiles = [Profile.unpack(outcome.profile) for outcome in outcomes]
    merged = merge_all(profiles[0].basis, profiles).pack()
    return [
        replace(o, profile=merged, readings=tuple(replace(r, effect=r.shift, detail={}) for r in o.readings))
        for o in outcomes
    ]


if __name__ == "__main__":
    main("torture-size", run)
