"""Windows a second in the steady state: 1,000 records with vectors of 384 in the log, read, walked and committed.

A collection's Parquet files come one by one, each when its window is worked, as they do in life: files that lie there
from the start would be looked into for their times once by every process, which is no part of the steady state.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.torture.report import figure, main
from benchmarks.torture.servers import postgresql
from monitor.baseline.codec import pack
from monitor.config import Config
from monitor.daemon.collector import calm_collector
from monitor.daemon.work import Graph
from monitor.records import Window
from monitor.reference import take_baseline
from monitor.store import Store, schema
from monitor.wiring import wire
from tests.core_fakes.bench import keep_baseline
from tests.core_fakes.world import START

RECORDS, DIMENSION, HITS = 1000, 384, 10
QUIET = 4
HOUR = timedelta(hours=1)
BAR = 50.0
PROCESSES = 2
LOGS = ("SQLite", "Parquet", "Parquet (vectors as bytes)")


def run(scale: float = 1.0, logs: Sequence[str] = LOGS) -> list[dict[str, Any]]:
    """Return windows a second, and what the ledger takes of a window's time."""
    windows = max(6, round(40 * scale))
    found: list[dict[str, Any]] = []
    with TemporaryDirectory(prefix="driftmon-throughput-") as name, postgresql() as server:
        folder = Path(name)
        sources = _lay_down(folder, QUIET + windows)
        for number, kind in enumerate(logs):
            source = sources[kind]
            url = f"sqlite:///{folder}/store{number}.db"
            alone = _measure(folder, source, url, windows, 1)
            found += [
                figure(f"{kind} log, SQLite store, one process: CPU of a window", alone["cpu"], "ms"),
                figure("… of it claim, state and commit", alone["ledger"] / alone["cpu"] * 100, "%", 50),
                figure("… windows a second, one process", alone["rate"], "1/s"),
            ]
            both = _measure(folder, source, server.create(f"store{number}"), windows, PROCESSES)
            found += [
                figure(
                    f"{kind} log, PostgreSQL store, {PROCESSES} processes: CPU of a window", both["cpu"], "ms"
                ),
                figure("… of it claim, state and commit", both["ledger"] / both["cpu"] * 100, "%", 50),
                figure("… windows a second in all", both["rate"], "1/s", BAR, higher_is_better=True),
            ]
    return found


def _lay_down(folder: Path, windows: int) -> dict[str, dict[str, Any]]:
    """Write the same log as a SQLite table and as Parquet, vectors as lists and as bytes; return what reads them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(1)
    centres = rng.normal(size=(12, DIMENSION)).astype(np.float32)
    log = sqlite3.connect(folder / "log.db")
    log.execute("CREATE TABLE log (id TEXT, at TEXT, vector BLOB, hits TEXT, scores TEXT)")
    for number in range(windows):
        start = START + number * HOUR
        labels = rng.integers(0, len(centres), RECORDS)
        vectors = (centres[labels] + rng.normal(scale=0.5, size=(RECORDS, DIMENSION))).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        scores = np.sort(rng.normal(0.6, 0.1, size=(RECORDS, HITS)), axis=1)[:, ::-1]
        ids = [f"{number}-{i}" for i in range(RECORDS)]
        times = [start + timedelta(seconds=3.5 * i) for i in range(RECORDS)]
        hits = [[f"d{j}" for j in row] for row in rng.integers(0, 9999, size=(RECORDS, HITS))]
        log.executemany(
            "INSERT INTO log VALUES (?, ?, ?, ?, ?)",
            [
                (
                    ids[i],
                    f"{times[i]:%F %T}",
                    vectors[i].tobytes(),
                    json.dumps(hits[i]),
                    json.dumps(scores[i].tolist()),
                )
                for i in range(RECORDS)
            ],
        )
        columns = {
            "id": ids,
            "at": pa.array(times, pa.timestamp("us", tz="UTC")),
            "hits": hits,
            "scores": scores.tolist(),
        }
        logged = {
            "lists": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIMENSION),
            "bytes": pa.array([vector.tobytes() for vector in vectors], pa.binary()),
        }
        for form, column in logged.items():
            pq.write_table(pa.table({**columns, "vector": column}), folder / _file(form, start))
    log.execute("CREATE INDEX by_time ON log (at)")
    log.commit()
    log.close()
    return {
        "SQLite": {"type": "sql", "url": f"sqlite:///{folder}/log.db", "table": "log"},
        "Parquet": {"type": "file", "path": f"{folder}/{{collection}}/lists-*.parquet"},
        "Parquet (vectors as bytes)": {"type": "file", "path": f"{folder}/{{collection}}/bytes-*.parquet"},
    }


def _measure(
    folder: Path, source: dict[str, Any], url: str, windows: int, processes: int
) -> dict[str, float]:
    """Return milliseconds of CPU a window, those of the ledger, and windows a second in all."""
    schema.upgrade(url)
    names = [f"c{i}" for i in range(2 * processes)]
    settings = {"window": HOUR, "lateness": timedelta(0), "sample_size": RECORDS}
    own = {name: {**settings, "source": _of(source, name)} for name in names}
    deployment = wire(Config.model_validate({"collections": own}), folder)
    quiet = [Window(names[0], START + i * HOUR, START + (i + 1) * HOUR) for i in range(QUIET)]
    for name in names:
        shutil.rmtree(folder / name, ignore_errors=True)
        for window in quiet:
            _publish(folder, name, window.start)
    baseline = pack(take_baseline(deployment.collections[names[0]], quiet).baseline)
    with closing(Store.open(url)) as store:
        for name in names:
            keep_baseline(store, name, baseline, quiet)
            # The first window is worked before the clock starts: it loads what is loaded once.
            store.plan(name, HOUR, START + (QUIET + windows) * HOUR, timedelta(0), 1000, quiet[-1].end)
    workers = [_fork(deployment, url, names, folder) for _ in range(processes)]
    results = [_result(*worker) for worker in workers]
    worked = sum(r["windows"] for r in results)
    if worked != windows * len(names):
        raise RuntimeError(f"{worked} windows worked, {windows * len(names)} planned")
    first, last = min(r["began"] for r in results), max(r["ended"] for r in results)
    return {
        "cpu": sum(r["cpu"] for r in results) / worked * 1000,
        "ledger": sum(r["ledger"] for r in results) / worked * 1000,
        "rate": worked / (last - first),
    }


def _of(source: dict[str, Any], collection: str) -> dict[str, Any]:
    return {key: value.replace("{collection}", collection) for key, value in source.items()}


def _publish(folder: Path, collection: str, start: datetime) -> None:
    """Put the files of the window that starts so among those of the collection."""
    place = folder / collection
    place.mkdir(exist_ok=True)
    for form in ("lists", "bytes"):
        (place / _file(form, start)).hardlink_to(folder / _file(form, start))


def _file(form: str, start: datetime) -> str:
    return f"{form}-{start:%Y%m%dT%H}.parquet"


def _result(pid: int, reader: int) -> dict[str, float]:
    with os.fdopen(reader) as told:
        text = told.read()
    os.waitpid(pid, 0)
    result: dict[str, float] = json.loads(text)
    return result


def _fork(deployment: Any, url: str, names: list[str], folder: Path) -> tuple[int, int]:
    """Start a process that works windows until none is left; return its pid and where its figures can be read."""
    reader, writer = os.pipe()
    if pid := os.fork():
        os.close(writer)
        return pid, reader
    code = 1
    try:
        os.close(reader)
        with os.fdopen(writer, "w") as out:
            json.dump(_work(deployment, url, names, folder), out)
        code = 0
    finally:
        os._exit(code)


class _Timed:
    """A store whose every call is timed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            with self._watch():
                return call(*arguments, **named)

        return timed

    @contextmanager
    def _watch(self) -> Iterator[None]:
        began = time.process_time()
        try:
            yield
        finally:
            self.seconds += time.process_time() - began


def _work(deployment: Any, url: str, names: list[str], folder: Path) -> dict[str, float]:
    calm_collector()  # as the daemon does once, at its start: no part of the steady state
    store = _Timed(Store.open(url))
    graph = Graph(deployment, store)  # type: ignore[arg-type]
    began, cpu, worked = time.time(), time.process_time(), 0
    while (claim := store.claim(names, f"p{os.getpid()}", HOUR)) is not None:
        _publish(folder, claim.window.collection, claim.window.start)
        graph.work(claim)
        worked += 1
    return {
        "windows": worked,
        "cpu": time.process_time() - cpu,
        "ledger": store.seconds,
        "began": began,
        "ended": time.time(),
    }


if __name__ == "__main__":
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    main("torture-throughput", run)
