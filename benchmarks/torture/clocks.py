"""Time that misbehaves: a day's outage, clocks that jump, the two nights a year when a zone changes its offset.

The daemon, its store and its detectors are the real ones; only its clock is held here.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks.torture.report import figure, main
from monitor.store.engine import reading
from tests.core_fakes.bench import START, Bench, make_bench

HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
SEED = 1


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return the figures of all three."""
    with TemporaryDirectory(prefix="driftmon-clocks-") as folder:
        path = Path(folder)
        return [
            *_outage(path / "outage"),
            *_jumps(path / "jumps", scale),
            *_summer_time(path / "summer", scale),
        ]


def _outage(folder: Path) -> list[dict[str, Any]]:
    """A collection with hourly windows is not looked at for a day, in which its questions drift and come back."""
    found: list[dict[str, Any]] = []
    for name, most in (("96, the default", 96), ("10", 10)):
        place = folder / str(most)
        place.mkdir(parents=True)
        bench = make_bench(place, "docs", length=HOUR, max_backfill=most)
        for _ in range(6):
            bench.pass_windows(1)
            bench.tick()
        outage = bench.now
        bench.traffic["docs"].drift.append((outage + 4 * HOUR, outage + 30 * HOUR))
        bench.now += timedelta(days=1)
        bench.tick()
        made_up = bench.states("docs").get("done", 0) - 6
        pages = _outbox(bench)
        expected = min(24, most)
        found += [
            figure(
                f"24 h outage, max_backfill {name}: windows made up",
                made_up,
                "windows",
                expected,
                higher_is_better=True,
            ),
            # The newest of them is on time: it may speak, and what it says is about now.
            figure(
                "… and people told by windows that came late", len(pages) - _now(pages, bench), "messages", 0
            ),
        ]
        if most == 10:
            gaps = [entry for entry in bench.store.audit("docs") if entry.action == "gap"]
            found.append(
                figure("… gaps told in the audit log", len(gaps), "entries", 1, higher_is_better=True)
            )
        for _ in range(2):
            bench.pass_windows(1)
            bench.tick()
        opened = [p for p in _outbox(bench) if p["kind"] == "opened"]
        found.append(
            figure(
                "… messages too many or too few of the drift that still stands",
                abs(len(opened) - 1),
                "messages",
                0,
            )
        )
        bench.store.close()
    return found


def _now(messages: list[dict[str, Any]], bench: Bench) -> int:
    return sum(datetime.fromisoformat(m["window"]["end"]) >= bench.now for m in messages)


def _outbox(bench: Bench) -> list[dict[str, Any]]:
    with reading(bench.store.engine) as connection:
        rows = connection.exec_driver_sql("SELECT payload FROM outbox ORDER BY id").all()
    return [json.loads(row[0]) for row in rows]


def _jumps(folder: Path, scale: float) -> list[dict[str, Any]]:
    """The clock walks on, and now and then jumps an hour forward or back."""
    folder.mkdir()
    bench = make_bench(folder, "docs")
    rng = np.random.default_rng(SEED)
    jumps = 0
    steps = max(20, int(200 * scale))
    for _ in range(steps):
        bench.now += QUARTER
        if rng.random() < 0.3:
            jumps += 1
            bench.now += HOUR if rng.random() < 0.5 else -HOUR
        bench.tick()
    bench.tick()
    missing, double = _holes(bench, START + 24 * QUARTER)
    bench.store.close()
    return [
        figure("clock jumps of an hour, forward or back", jumps, "jumps"),
        figure("… windows missing", missing, "windows", 0),
        figure("… windows double", double, "windows", 0),
    ]


def _summer_time(folder: Path, scale: float) -> list[dict[str, Any]]:
    """The daemon's clock tells local time, through the nights of both changes of a year."""
    missing = double = windows = 0
    zone = ZoneInfo("Europe/Berlin")
    for number, change in enumerate(
        (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC))
    ):
        place = folder / str(number)
        place.mkdir(parents=True)
        bench = make_bench(place, "docs")
        first = change - timedelta(hours=12 * max(scale, 0.25))
        bench.now = first
        bench.tick()
        while bench.now.astimezone(UTC) < change + timedelta(hours=12 * max(scale, 0.25)):
            bench.now = (bench.now.astimezone(UTC) + QUARTER).astimezone(zone)
            bench.tick()
        with reading(bench.store.engine) as connection:
            oldest = connection.exec_driver_sql("SELECT min(start_at) FROM windows").scalar()
        lost, twice = _holes(bench, datetime.fromisoformat(str(oldest)).replace(tzinfo=UTC))
        missing, double = missing + lost, double + twice
        windows += bench.states("docs")["done"]
        bench.store.close()
    return [
        figure("changes of summer time in local time: windows", windows, "windows"),
        figure("… windows missing", missing, "windows", 0),
        figure("… windows double", double, "windows", 0),
    ]


def _holes(bench: Bench, first: datetime) -> tuple[int, int]:
    """Return how many quarters of the span no done window covers, and how many were covered or read twice.

    What retention has rolled up meanwhile covers several.
    """
    with reading(bench.store.engine) as connection:
        rows = connection.exec_driver_sql("SELECT start_at, end_at FROM windows WHERE state = 'done'").all()
    done: Counter[datetime] = Counter()
    for row in rows:
        start, end = (datetime.fromisoformat(str(value)).replace(tzinfo=UTC) for value in row)
        done.update(start + i * QUARTER for i in range((end - start) // QUARTER))
    expected = [first + i * QUARTER for i in range((max(done) - first) // QUARTER + 1)]
    read = Counter(start.astimezone(UTC) for start in bench.traffic["docs"].read_from)
    double = sum(n - 1 for n in done.values()) + sum(n - 1 for n in read.values())
    return sum(start not in done for start in expected), double


if __name__ == "__main__":
    main("torture-clocks", run, seed=SEED)
