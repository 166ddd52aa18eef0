"""Many workers, one ledger: each window exactly once, in order, whoever dies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from monitor.store import Store

if TYPE_CHECKING:
    from tests.store.conftest import Docs

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEASE = timedelta(minutes=5)
SCRIPT = Path(__file__).with_name("worker.py")
WINDOWS = 50


@pytest.fixture(scope="module")
def worker() -> ModuleType:
    spec = spec_from_file_location("worker", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def process(url: str, name: str, lease: float, *rest: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(SCRIPT), name, str(lease), *rest]
    environment = {**os.environ, "DRIFTMON_DATABASE": url}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def prepare(docs: Docs, worker: ModuleType) -> None:
    """Plan 200 windows over four collections, each with a baseline."""
    for name in worker.COLLECTIONS:
        docs.plan(WINDOWS, name)
        docs.save(name)


def every_window_is_done_once(store: Store, docs: Docs, worker: ModuleType) -> None:
    assert docs.query("SELECT count(*) FROM windows WHERE state = 'done'") == [4 * WINDOWS]
    assert docs.query("SELECT count(*) FROM windows WHERE state <> 'done'") == [0]
    assert docs.query("SELECT count(*) FROM profiles") == [4 * WINDOWS]
    for name in worker.COLLECTIONS:
        # Each walk adds one to what it read: a window lost, doubled or out of turn would show.
        assert [e.log_e for e in store.state(name).evidence] == [float(WINDOWS)]


def test_threads_share_200_windows(store: Store, docs: Docs, worker: ModuleType) -> None:
    prepare(docs, worker)
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(worker.drain, store, f"t{i}", LEASE) for i in range(2)]
        shares = [future.result() for future in futures]
    assert sum(shares) == 4 * WINDOWS
    assert min(shares) > 0
    every_window_is_done_once(store, docs, worker)
    assert set(docs.query("SELECT fence FROM windows")) == {1}


def test_processes_share_200_windows(store: Store, url: str, docs: Docs, worker: ModuleType) -> None:
    prepare(docs, worker)
    with ExitStack() as stack:
        workers = [stack.enter_context(process(url, f"p{i}", 300)) for i in range(2)]
        shares = [int(w.communicate(timeout=60)[0]) for w in workers]
    assert sum(shares) == 4 * WINDOWS
    every_window_is_done_once(store, docs, worker)
    assert set(docs.query("SELECT fence FROM windows")) == {1}


def test_the_window_of_a_killed_worker_is_done_by_another(
    store: Store, url: str, docs: Docs, worker: ModuleType
) -> None:
    prepare(docs, worker)
    with process(url, "victim", 0.3, "stall") as victim:
        assert victim.stdout is not None
        held = int(victim.stdout.readline())
        victim.kill()
        assert victim.wait(10) == -9
    assert docs.query("SELECT state, worker FROM windows WHERE id = :id", id=held) == [("running", "victim")]
    assert worker.drain(store, "heir", LEASE) == 4 * WINDOWS
    every_window_is_done_once(store, docs, worker)
    assert docs.query("SELECT fence, worker FROM windows WHERE id = :id", id=held) == [(2, "heir")]


def test_replicas_plan_each_window_once(store: Store, docs: Docs) -> None:
    def plan(_: int) -> int:
        return sum(store.plan("docs", HOUR, NOON + i * HOUR, timedelta(0), 5, NOON) for i in range(40))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(plan, range(4))) == 39
    assert docs.query("SELECT count(*), count(DISTINCT start_at) FROM windows") == [(39, 39)]


def test_a_promotion_beside_commits_leaves_no_evidence_of_the_old_baseline(
    store: Store, docs: Docs, worker: ModuleType
) -> None:
    prepare(docs, worker)
    with ThreadPoolExecutor(1) as pool:
        drained = pool.submit(worker.drain, store, "w", LEASE)
        for _ in range(10):
            new = docs.save("c3")
        assert drained.result() == 4 * WINDOWS
    spoken = docs.query("SELECT count(*) FROM windows WHERE baseline_id = :new", new=new)
    assert [e.log_e for e in store.state("c3").evidence] == [float(n) for n in spoken if n]
