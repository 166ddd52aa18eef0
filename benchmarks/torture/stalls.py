"""SIGSTOP of a worker past its lease, SIGCONT when another has done its window: the late commit must be refused."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.torture.report import figure, main
from benchmarks.torture.servers import postgresql
from benchmarks.torture.verify import compare, serial
from benchmarks.torture.worker import HOUR, NOON, Executioner, outcome_of, prepare
from monitor.errors import LeaseLostError
from monitor.store import Claim, Store, schema

LEASE = timedelta(seconds=0.5)
AT_ONCE = 10
"""Workers that are stopped at the same time, each in a collection of its own."""
REFUSED, KEPT = 70, 71
"""Exit codes of a stopped worker: how its late commit ended."""


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return the figures of both engines, 30 stalls on each at full scale."""
    rounds = max(1, round(3 * scale))
    found: list[dict[str, Any]] = []
    refused = 0
    with TemporaryDirectory(prefix="driftmon-stalls-") as name, postgresql() as server:
        folder = Path(name)
        for kind, url in (
            ("SQLite", f"sqlite:///{folder}/stalled.db"),
            ("PostgreSQL", server.create("stalls")),
        ):
            (folder / kind).mkdir()
            late, kept, wrong = torture(url, folder / kind, rounds)
            refused += late
            found += [
                figure(f"{kind}: workers stopped past their lease", rounds * AT_ONCE, "stalls"),
                figure("… late commits refused", late, "commits", rounds * AT_ONCE, higher_is_better=True),
                figure("… late commits kept", kept, "commits", 0),
                figure("… windows lost, double, or with wrong evidence", wrong, "windows", 0),
            ]
    found.append(
        figure("stalls in all, late commits refused", refused, "commits", 50 * scale, higher_is_better=True)
    )
    return found


def torture(url: str, folder: Path, rounds: int) -> tuple[int, int, int]:
    """Return how many late commits were refused, how many were kept, and what is wrong in the store afterwards."""
    schema.upgrade(url)
    with closing(Store.open(url)) as store:
        names, baseline = prepare(store, AT_ONCE)
    codes: list[int] = []
    for number in range(1, rounds + 1):
        with closing(Store.open(url)) as store:
            for name in names:
                store.plan(name, HOUR, NOON + number * HOUR, timedelta(0), 1000, NOON)
        # Forked while nothing is open here: a connection must not live in two processes.
        stopped = [_fork(url, name, baseline) for name in names]
        for pid in stopped:
            os.waitpid(pid, os.WUNTRACED)
        _take_over(url, names, baseline)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    if odd := [code for code in codes if code not in (REFUSED, KEPT)]:
        raise RuntimeError(f"workers ended with {sorted(set(odd))}; see their tracebacks")
    with closing(serial(folder, AT_ONCE, rounds)) as expected, closing(Store.open(url)) as store:
        wrong = compare(store, expected, AT_ONCE, rounds).total
    return codes.count(REFUSED), codes.count(KEPT), wrong


def _take_over(url: str, names: list[str], baseline: int) -> None:
    """Do the stopped workers' windows as soon as their leases have run out."""
    left = set(names)
    deadline = time.monotonic() + 60
    with closing(Store.open(url)) as store:
        while left:
            claim = store.claim(sorted(left), "second", timedelta(minutes=1))
            if claim is None:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"never free: {sorted(left)}")
                time.sleep(0.02)
                continue
            _commit(store, claim, baseline)
            left.discard(claim.window.collection)


def _commit(store: Store, claim: Claim, baseline: int) -> None:
    info = store.active_baseline(claim.window.collection)
    evidence = store.state(claim.window.collection).evidence
    store.commit(claim, outcome_of(claim.window, evidence, info.id if info else baseline))


def _fork(url: str, name: str, baseline: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        store = Store.open(url)
        claim = store.claim([name], "first", LEASE)
        if claim is None:
            os._exit(2)
        executioner = Executioner("walk.after", 1, lambda: os.kill(os.getpid(), signal.SIGSTOP))
        executioner.passed("walk.after")
        try:
            _commit(store, claim, baseline)
            code = KEPT
        except LeaseLostError:
            code = REFUSED
    finally:
        os._exit(code)


if __name__ == "__main__":
    main("torture-stalls", run)
