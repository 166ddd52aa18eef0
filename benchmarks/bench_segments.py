"""Segments: what one read for all of them saves, and what a small tenant's own slice sees before the whole does.

A tenant of 5% of the traffic asks about wholly other things: those that the others asked about all along, or something
that nobody asked about before.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import tempfile
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from time import process_time

import numpy as np
from pydantic import SecretStr

from benchmarks.figures import Figures, rerun_steady
from monitor.config import Config
from monitor.pipeline import Collection, History, walk
from monitor.records import Record, Window
from monitor.reference import take_baseline
from monitor.reservoir import draw_sample
from monitor.segments import Slice
from monitor.sources.columns import ColumnMap
from monitor.sources.sliced import SegmentSource, SlicedLog
from monitor.sources.sql import SqlSource
from monitor.wiring import Deployment, slice_up, wire_detectors

SEED = 20_250_923
START = datetime.fromisoformat("2026-03-02T00:00+00:00")
QUARTER = timedelta(minutes=15)
D, TOPICS = 24, 8
SEGMENTS, SIZE, LOGGED = 50, 1000, 10_000
PER_WINDOW, QUIET, AFTER = 1000, 24, 24
KINDS = {"known": "it asks what others ask", "new": "it asks what nobody asked"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few runs")
    quick = parser.parse_args().quick
    runs = 2 if quick else 12
    figures = Figures("segments", SEED, runs, quick=quick)
    measure_reading(figures, 1 if quick else 5)
    for kind, meaning in KINDS.items():
        measure_power(figures, kind, meaning, runs)
    figures.write()


def measure_reading(figures: Figures, runs: int) -> None:
    """Time one window's samples of a collection and all its segments, read once and read by each."""
    with tempfile.TemporaryDirectory() as folder:
        _write_log(Path(folder) / "log.db")
        url = SecretStr(f"sqlite:///{folder}/log.db")
        columns: ColumnMap = {
            "id": "id",
            "at": "at",
            "text": "text",
            "hits": "hits",
            "segments": {"tenant": "tenant"},
        }
        source = SqlSource(url, "log", columns=columns)
        names = {f"t{i}": f"t{i}" for i in range(SEGMENTS)}
        span = START, START + QUARTER
        seconds: dict[str, list[float]] = {"alone": [], "once": [], "each": []}
        draw_sample(source.read(*span), SIZE)  # imports, and the file into the page cache
        for _ in range(runs):
            began = process_time()
            draw_sample(source.read(*span), SIZE)
            seconds["alone"].append(process_time() - began)
            log = SlicedLog(source, (Slice("tenant", names),), SIZE)
            began = process_time()
            for part in log.parts():
                log.sample(part, *span)
            seconds["once"].append(process_time() - began)
        began = process_time()
        for part in log.parts():
            draw_sample(SegmentSource(log, part).read(*span), SIZE)
        seconds["each"].append(process_time() - began)
        log = SlicedLog(source, log.slices, SIZE)
        tracemalloc.start()
        log.sample(log.parts()[0], *span)
        held = tracemalloc.get_traced_memory()[0] / 1e6
        tracemalloc.stop()
    name = f"a window of {LOGGED:,} records in SQLite, {SEGMENTS} segments"
    alone, once, each = (statistics.median(seconds[way]) for way in ("alone", "once", "each"))
    figures.add(f"{name}: the collection's sample alone", alone * 1e3, "ms")
    figures.add(f"{name}: all samples by one read, over that", once / alone, "x", 2.0)
    figures.add(f"{name}: all samples by a read each, over that", each / alone, "x")
    figures.add(f"{name}: memory held for segments that have not asked yet", held, "MB")


def _write_log(path: Path) -> None:
    rng = np.random.default_rng(SEED)
    hits = json.dumps([{"id": f"doc-{i}", "score": 0.5} for i in range(10)])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE log (id TEXT, at TEXT, text TEXT, hits TEXT, tenant TEXT)")
        for i in range(LOGGED):
            at = (START + timedelta(milliseconds=50 * i)).isoformat()
            row = (f"q{i}", at, "how do I do this " * 5, hits, f"t{rng.integers(SEGMENTS)}")
            connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?)", row)


@dataclass(frozen=True)
class Windows:
    """A log in memory, window by window."""

    records: list[list[Record]]

    def read(self, start: datetime, end: datetime) -> Iterator[Record]:
        return iter(self.records[(start - START) // (end - start)])

    def describe(self) -> str:
        return "a simulated log"


def measure_power(figures: Figures, kind: str, meaning: str, runs: int) -> None:
    """Count the windows until the tenant's segment, the whole and the rest are in drift."""
    told: dict[str, list[int]] = {}
    for run in range(runs):
        for name, window in _first_told(run, kind).items():
            told.setdefault(name, []).append(window)
    for name, windows in told.items():
        what = {"docs": "the collection", "docs/tenant=small": "the segment"}.get(name, "all others")
        where = f"5% of {PER_WINDOW} a window, {meaning}: {what}"
        seen = [w for w in windows if w <= AFTER]
        figures.add(f"{where}, told within {AFTER} windows", len(seen), "runs")
        if seen:
            figures.add(f"{where}, windows until told, median of those", statistics.median(seen), "windows")
            figures.add(f"{where}, earliest", min(seen), "windows")


def _first_told(run: int, kind: str) -> dict[str, int]:
    rng = np.random.default_rng([SEED, run, list(KINDS).index(kind)])
    log = Windows([_window(rng, number, kind) for number in range(QUIET + AFTER)])
    settings = {
        "window": "15m",
        "sample_size": PER_WINDOW,
        "source": {"type": "simulated"},
        "segments": {"by": "tenant", "values": ["small"], "rest": True},
    }
    config = Config.model_validate({"collections": {"docs": settings}})
    detectors = wire_detectors({}, index=False, suite=False, canaries=False)
    collection = Collection("docs", log, detectors, sample_size=PER_WINDOW)
    deployment = slice_up(Deployment(config, {"docs": collection}, {}), {})
    spans = [(START + i * QUARTER, START + (i + 1) * QUARTER) for i in range(QUIET + AFTER)]
    told = {}
    for name, each in deployment.collections.items():
        windows = [Window(name, *span) for span in spans]
        baseline = take_baseline(each, windows[:QUIET]).baseline
        history, told[name] = History(), AFTER + 1
        for number, window in enumerate(windows[QUIET:], 1):
            outcome = walk(window, each, baseline, 1, history, threshold=deployment.thresholds[name])
            history = History(outcome.evidence or ())
            if outcome.verdict.state == "drift":
                told[name] = number
                break
    return told


def _window(rng: np.random.Generator, number: int, kind: str) -> list[Record]:
    small = rng.random(PER_WINDOW) < 0.05
    topics = rng.integers(TOPICS, size=PER_WINDOW)
    half, drifted = TOPICS // 2, number >= QUIET
    own = rng.integers(half, size=int(small.sum()))
    topics[small] = own if not drifted else own + half if kind == "known" else TOPICS
    centres = np.random.default_rng(5).normal(size=(TOPICS + 1, D))
    vectors = centres[topics] / np.linalg.norm(centres[topics], axis=1, keepdims=True)
    vectors = (vectors + rng.normal(scale=0.12, size=vectors.shape)).astype(np.float32)
    start = START + number * QUARTER
    plain = Record("", start, hits=("d",))
    return [
        replace(
            plain,
            id=f"w{number}-{i}",
            vector=vectors[i],
            segments={"tenant": "small" if small[i] else "large"},
        )
        for i in range(PER_WINDOW)
    ]


if __name__ == "__main__":
    rerun_steady()
    main()
