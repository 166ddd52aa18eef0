"""kill -9 of real worker processes at each named step, three replicas at a time, on SQLite and PostgreSQL."""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sqlalchemy import text

from benchmarks.torture.report import figure, main
from benchmarks.torture.servers import postgresql
from benchmarks.torture.verify import Findings, check
from benchmarks.torture.worker import STEPS, Executioner, labour, prepare
from monitor.store import Store, schema
from monitor.store.engine import reading

REPLICAS = 3
COLLECTIONS = 20
LEASE = timedelta(seconds=1)
PATIENCE = 900.0
SEED = 7


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return the figures of both engines; 1,000 windows and at least 120 kills on each at full scale."""
    windows, kills = max(12, round(50 * scale)), max(len(STEPS), round(120 * scale))
    with TemporaryDirectory(prefix="driftmon-kills-") as name, postgresql() as server:
        folder = Path(name)
        found: list[dict[str, Any]] = []
        delivered = 0
        for kind, url in (
            ("SQLite", f"sqlite:///{folder}/tortured.db"),
            ("PostgreSQL", server.create("kills")),
        ):
            (folder / kind).mkdir()
            done, steps, findings = torture(url, folder / kind, windows, kills)
            delivered += done
            found += _figures(kind, COLLECTIONS * windows, done, steps, findings)
    found.append(figure("kills in all", delivered, "kills", 200 * min(1.0, scale), higher_is_better=True))
    return found


def _figures(kind: str, windows: int, done: int, steps: int, findings: Findings) -> list[dict[str, Any]]:
    return [
        figure(f"{kind}, {REPLICAS} workers: windows", windows, "windows"),
        figure("… killed with SIGKILL", done, "kills"),
        figure("… at so many of the named steps", steps, "steps", len(STEPS), higher_is_better=True),
        figure("… windows lost", findings.lost, "windows", 0),
        figure("… windows double", findings.double, "windows", 0),
        figure("… streams of wrong evidence", findings.wrong_evidence, "streams", 0),
        figure("… incidents that differ from a serial run", findings.wrong_incidents, "incidents", 0),
        figure("… messages too many or too few", findings.notifications, "messages", 0),
    ]


def torture(url: str, folder: Path, windows: int, kills: int) -> tuple[int, int, Findings]:
    """Return how many kills were delivered, at how many steps, and what was found afterwards."""
    schema.upgrade(url)
    with closing(Store.open(url)) as store:
        names, _ = prepare(store, COLLECTIONS)
    rng = np.random.default_rng(SEED)
    # Every step at least once, then at random; how often it is passed before the kill differs.
    orders = [*STEPS, *rng.choice(np.array(STEPS), size=max(0, kills - len(STEPS)))]
    rng.shuffle(orders)
    running: dict[int, str | None] = {}
    delivered: Counter[str] = Counter()
    deadline = time.monotonic() + PATIENCE
    number = 0
    while True:
        if len(running) < REPLICAS and (number < REPLICAS or _unfinished(url, windows)):
            step = str(orders.pop()) if orders else None
            count = int(rng.integers(1, 8 if step and step.endswith("statement") else 4))
            running[_fork(url, names, windows, f"w{number}", Executioner(step, count))] = step
            number += 1
            continue
        if not running:
            break
        pid, status = os.wait()
        step = running.pop(pid, None)
        if os.WIFSIGNALED(status):
            delivered[str(step)] += 1
        elif os.waitstatus_to_exitcode(status) != 0:
            raise RuntimeError(f"a worker ended with {os.waitstatus_to_exitcode(status)}; see its traceback")
        if time.monotonic() > deadline:
            raise TimeoutError(f"not done within {PATIENCE:g} s")
    return sum(delivered.values()), len(delivered), check(url, folder, COLLECTIONS, windows)


def _unfinished(url: str, windows: int) -> bool:
    with closing(Store.open(url)) as store, reading(store.engine) as connection:
        done = connection.execute(text("SELECT sum(windows_done) FROM collection_state")).scalar()
    return done != COLLECTIONS * windows


def _fork(url: str, names: list[str], windows: int, worker: str, executioner: Executioner) -> int:
    """Start a worker's process: a fork of this one, which has imported everything and opened nothing."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        labour(url, names, windows, LEASE, worker, executioner)
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main("torture-kills", run, seed=SEED)
