"""The status page: the overview of many collections, a collection with a long past, what a page weighs."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from benchmarks.figures import Figures
from monitor.records import CollectionStatus, Evidence, Reading, Snapshot, Verdict
from monitor.store import Store
from monitor.web import summarize
from monitor.web.page import Visit, render_page
from monitor.web.pages import render_collection
from tests.core_fakes import past

COLLECTIONS = 500
READINGS = 20
WINDOWS = 5000


def snapshot() -> Snapshot:
    """Five hundred collections of twenty readings each."""
    readings = tuple(
        Reading(f"detector_{i}", "queries", 0.01, 400, log_p=-0.5, effect_floor=0.02) for i in range(READINGS)
    )
    status = CollectionStatus(
        collection="",
        window_end=past.NOW - timedelta(minutes=5),
        readings=readings,
        evidence=tuple(Evidence(r.detector, r.signal, 1.0) for r in readings),
        verdict=Verdict("quiet"),
        incidents=(),
        windows={"done": 12},
        sample_sizes={"queries": 400},
        baseline_id=7,
        baseline_model="bge-small",
        log_threshold=10.0,
        window_length=timedelta(minutes=15),
    )
    return Snapshot(past.NOW, tuple(replace(status, collection=f"docs-{i}") for i in range(COLLECTIONS)))


def median(work: Callable[[], object], runs: int) -> float:
    """Return the median wall seconds of some runs."""
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    runs = 3 if parser.parse_args().quick else 11
    figures = Figures("pages", seed=7, runs=runs, quick=runs < 11)
    taken, visit = snapshot(), Visit(links=True)
    page = render_page(summarize(taken), visit)  # the first run reads the templates
    overview = median(lambda: render_page(summarize(taken), visit), runs)
    figures.add(f"overview of {COLLECTIONS} collections x {READINGS} readings", overview, "s", 1.0)
    figures.add("its size", len(page) / 1024, "KB")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'driftmon.db'}"
        past.fill(url, WINDOWS)
        store = Store.open(url)
        desk = past.make_desk(store)

        def read() -> str:
            view = desk.collection(past.NAME, 90)
            assert view is not None
            assert view["windows_seen"] == WINDOWS
            return render_collection(view, visit, 90)

        size = len(read())
        figures.add(
            f"a collection with {WINDOWS} windows x {READINGS} readings", median(read, runs), "s", 2.0
        )
        figures.add("its size", size / 1024, "KB")
        incident = median(lambda: desk.incident(1, texts=False), runs)
        figures.add("an incident", incident, "s", 1.0)
        store.close()
    figures.write()


if __name__ == "__main__":
    main()
