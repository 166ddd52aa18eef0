"""The long-running process: one tick plans and works windows, a watchdog watches the tick, signals end it politely."""

from __future__ import annotations

import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor as SchedulerThread
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from monitor.baseline import Baseline
from monitor.baseline.codec import unpack
from monitor.errors import BaselineError, DriftmonError, LeaseLostError, StoreError
from monitor.metrics import Exporter
from monitor.pipeline import History, walk
from monitor.records import Snapshot
from monitor.store import Claim, Store
from monitor.threads import worker_count
from monitor.web import Server, create_app, serve, summarize
from monitor.wiring import Deployment

log = structlog.get_logger("driftmon")

TICK = timedelta(seconds=15)
STUCK = timedelta(minutes=5)
"""A tick that is older than this fails liveness: a scheduler that says it runs is no proof."""
LEASE = timedelta(minutes=10)
MAX_ATTEMPTS = 5
DRAIN = 20.0
"""Seconds that a window in work is given to end when the process is told to stop; Kubernetes kills after 30."""
FRESH = 60.0
"""Seconds after which a long catch-up publishes what it has: metrics must not grow stale while windows are done."""


@dataclass(slots=True)
class Daemon:
    """Watches every collection of a deployment until it is told to stop."""

    deployment: Deployment
    store: Store
    tick_every: timedelta = TICK
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    exporter: Exporter = field(default_factory=Exporter)
    workers: int = field(default_factory=worker_count)
    stopwatch: Callable[[], float] = time.monotonic
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _ticked: float = field(init=False, repr=False)
    _published: float = field(default=-math.inf, repr=False)
    _snapshot: Snapshot | None = field(default=None, repr=False)
    _trouble: str | None = field(default="nothing has been read from the store yet", repr=False)
    _baselines: dict[int, Baseline] = field(default_factory=dict, repr=False)
    _lacking: set[str] = field(default_factory=set, repr=False)
    _held: dict[Claim, str] = field(default_factory=dict, repr=False)
    """The claims in hand, and what to say of each should the store be away when it ends."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self._ticked = self.stopwatch()

    @property
    def worker(self) -> str:
        """The process' name in the ledger."""
        return f"{socket.gethostname()}:{os.getpid()}"

    def run(self) -> bool:
        """Serve, tick, and block until SIGTERM or SIGINT; then drain, and return whether all work has ended."""
        host, port = self.deployment.config.web.address
        app = create_app(metrics=self.exporter.render, alive=self.alive, ready=self.ready, status=self.status)
        with self.store.exclusive():
            server = serve(app, host, port)
            scheduler = BackgroundScheduler(
                jobstores={"default": MemoryJobStore()},
                executors={"default": SchedulerThread(1)},
                timezone=UTC,
            )
            try:
                self._take_signals()
                scheduler.start()
                scheduler.add_job(
                    self.tick,
                    "interval",
                    seconds=self.tick_every.total_seconds(),
                    next_run_time=datetime.now(UTC),
                    max_instances=1,
                    coalesce=True,
                    misfire_grace_time=None,
                )
                log.info(
                    "started",
                    collections=len(self.deployment.collections),
                    url=server.url,
                    worker=self.worker,
                )
                self._stop.wait()
            finally:
                drained = self._drain(scheduler, server)
        return drained

    def stop(self) -> None:
        """Ask the daemon to end; safe from a signal handler and from any thread."""
        self._stop.set()

    def alive(self) -> str | None:
        """Return why this process should be restarted, or None; never asks the database."""
        age = self.stopwatch() - self._ticked
        limit = STUCK.total_seconds() + self.tick_every.total_seconds()
        return f"no tick has ended for {age:.0f} s (limit {limit:.0f} s)" if age > limit else None

    def ready(self) -> str | None:
        """Return why what this process shows is not true now, or None.

        A collection without a baseline is no reason: it is shown as such, and its baseline may be built at any time.
        """
        return self._trouble

    def status(self) -> dict[str, Any]:
        """Return what was last read from the store, for the status page; never asks the database."""
        return summarize(self._snapshot)

    def tick(self) -> None:
        """Plan what is due, work it, publish a snapshot; a failure is told and tried again at the next tick."""
        try:
            self._settle()
            self._plan()
            self._publish_if_due()
            self._work()
            self._publish()
        except StoreError as error:
            self._trouble = str(error)
            log.warning("tick failed", error=str(error))
        except Exception as error:
            self._trouble = f"{type(error).__name__} in the last tick; see the log"
            log.exception("tick failed")
        finally:
            self._ticked = self.stopwatch()

    def _settle(self) -> None:
        """Tell the store of windows that failed while it was away; their leases would block the next attempt."""
        for claim, error in list(self._held.items()):
            bound = log.bind(collection=claim.window.collection, window=claim.window.start.isoformat())
            self._fail(claim, error, bound)
            del self._held[claim]

    def _plan(self) -> None:
        now = self.clock()
        for name, settings in self.deployment.config.collections.items():
            info = self.store.active_baseline(name)
            if info is None:
                if name not in self._lacking:  # once, not at every tick
                    log.warning("no baseline", collection=name, mend=f"driftmon baseline build {name}")
                self._lacking.add(name)
                continue
            self._lacking.discard(name)
            planned = self.store.plan(
                name, settings.window, now, settings.lateness, settings.max_backfill, info.end
            )
            if planned:
                log.debug("planned", collection=name, windows=planned)

    def _work(self) -> None:
        """Work due windows, different collections in parallel, until none is left or the process is to end."""
        with ThreadPoolExecutor(self.workers, thread_name_prefix="window") as pool:
            for future in [pool.submit(self._work_queue) for _ in range(self.workers)]:
                future.result()

    def _work_queue(self) -> None:
        names = sorted(self.deployment.collections)
        while not self._stop.is_set():
            claim = self.store.claim(names, self.worker, LEASE)
            if claim is None:
                return
            self._ticked = self.stopwatch()  # a long catch-up is progress, not a stuck tick
            self.work_window(claim)
            self._publish_if_due()

    def work_window(self, claim: Claim) -> None:
        """Walk one claimed window and commit it; a failing edge costs this window an attempt and nothing else."""
        window = claim.window
        bound = log.bind(collection=window.collection, window=window.start.isoformat())
        self._held[claim] = "its worker ended in the middle of it"
        try:
            baseline_id, baseline = self._baseline(window.collection)
            state = self.store.state(window.collection)
            outcome = walk(
                window,
                self.deployment.collections[window.collection],
                baseline,
                baseline_id,
                History(state.evidence, state.corpus_seen),
                threshold=self.deployment.thresholds[window.collection],
            )
            self.store.commit(claim, outcome)
            verdict = outcome.verdict
            tell = bound.warning if verdict.state in ("drift", "invalid") else bound.info
            tell(
                "window done",
                state=verdict.state,
                cause=verdict.cause,
                severity=verdict.severity,
                records=outcome.sample.seen,
                seconds=round(outcome.duration, 3),
            )
        except LeaseLostError as error:
            bound.warning("window lost", error=str(error))
        except StoreError as error:
            self._held[claim] = str(error)
            raise
        except DriftmonError as error:
            self._fail(claim, str(error), bound)
        except Exception as error:  # noqa: BLE001 a poison window is parked with its error, it never ends the daemon
            bound.exception("window failed unexpectedly")
            self._fail(claim, f"{type(error).__name__} (a defect; see the log)", bound)
        del self._held[claim]

    def _fail(self, claim: Claim, error: str, bound: structlog.stdlib.BoundLogger) -> None:
        retry = timedelta(seconds=min(900.0, 15.0 * 2.0**claim.attempts))
        bound.error("window failed", error=error, attempt=claim.attempts, retry_in=str(retry))
        self._held[claim] = error
        try:
            self.store.fail(claim, error, MAX_ATTEMPTS, retry)
        except LeaseLostError as lost:
            bound.warning("window lost", error=str(lost))

    def _baseline(self, collection: str) -> tuple[int, Baseline]:
        info = self.store.active_baseline(collection)
        if info is None:
            raise BaselineError(
                f"collection {collection!r} has no baseline: run `driftmon baseline build {collection}`"
            )
        with self._lock:
            if info.id not in self._baselines:
                self._baselines = {i: b for i, b in self._baselines.items() if b.collection != collection} | {
                    info.id: unpack(self.store.baseline_data(info.id))
                }
            return info.id, self._baselines[info.id]

    def _publish_if_due(self) -> None:
        if self.stopwatch() - self._published >= FRESH:
            self._publish()

    def _publish(self) -> None:
        self._snapshot = take_snapshot(self.store, self.deployment, self.clock())
        self.exporter.publish(self._snapshot)
        self._published = self.stopwatch()
        self._trouble = None

    def _take_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        numbers = (signal.SIGTERM, signal.SIGINT)

        def stop(*_: object) -> None:
            self._stop.set()
            for number in numbers:  # who asks twice does not want to wait
                signal.signal(number, signal.SIG_DFL)

        for number in numbers:
            signal.signal(number, stop)

    def _drain(self, scheduler: BackgroundScheduler, server: Server) -> bool:
        log.info("stopping", deadline_seconds=DRAIN)
        self._stop.set()
        worker = threading.Thread(target=scheduler.shutdown, kwargs={"wait": True}, daemon=True)
        worker.start()
        worker.join(DRAIN)
        drained = not worker.is_alive()
        for claim in list(self._held):  # whoever comes next need not wait for the lease
            with suppress(StoreError):
                self.store.release(claim)
        server.stop()
        log.info("stopped", drained=drained)
        return drained


def take_snapshot(store: Store, deployment: Deployment, now: datetime) -> Snapshot:
    """Return everything that is exported, as the store has it now."""
    statuses = store.statuses(sorted(deployment.collections))
    return Snapshot(
        at=now,
        collections=tuple(replace(s, log_threshold=deployment.thresholds[s.collection]) for s in statuses),
    )
