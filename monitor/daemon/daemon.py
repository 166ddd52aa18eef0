"""The process: one tick plans, keeps and publishes; probes, reload and the end. Windows are the crew's."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor as SchedulerThread
from apscheduler.job import Job
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from monitor.daemon.collector import calm_collector
from monitor.daemon.crew import Crew
from monitor.daemon.desk import StoreDesk
from monitor.daemon.dispatcher import ENDING, Dispatcher
from monitor.daemon.planner import Planner
from monitor.daemon.reload import FileWatch
from monitor.daemon.retainer import Retainer
from monitor.daemon.serving import Front
from monitor.daemon.signals import Signals
from monitor.daemon.snapshot import take_snapshot
from monitor.daemon.tracing import Tracing, open_tracing, traced
from monitor.daemon.work import Graph
from monitor.errors import DriftmonError, StoreError
from monitor.metrics import Exporter
from monitor.notifiers.notice import Links
from monitor.records import Snapshot
from monitor.store import Store
from monitor.store.schema import require_current
from monitor.telling import Damping, Patience
from monitor.threads import worker_count
from monitor.web import summarize
from monitor.wiring import Deployment, slice_up, with_frozen_segments

log = structlog.get_logger("driftmon")

TICK = timedelta(seconds=15)
STUCK = timedelta(minutes=2)
"""A tick that is older than this fails liveness: a scheduler that says it runs is no proof."""
NOTICE = 1.0
"""Seconds between two looks at which windows have become slow, and at whether a reload is asked for."""
DRAIN = 18.0
"""Seconds that windows in work are given to end when the process is told to stop; Kubernetes kills after 30."""
RELEASE = 5.0
"""Seconds that giving the remaining windows back may take; the store may be away just then."""


@dataclass(slots=True)
class Daemon:
    """Watches every collection of a deployment until it is told to stop.

    ``load`` builds the deployment anew from its files, for SIGHUP and for files that changed; without it there is
    no reloading.
    """

    deployment: Deployment
    store: Store
    load: Callable[[], Deployment] | None = None
    tick_every: timedelta = TICK
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    exporter: Exporter = field(default_factory=Exporter)
    workers: int | None = None
    stopwatch: Callable[[], float] = time.monotonic
    signals: Signals = field(default_factory=Signals, repr=False)
    crew: Crew = field(init=False, repr=False)
    front: Front = field(init=False, repr=False)
    dispatcher: Dispatcher = field(init=False, repr=False)
    _watch: FileWatch = field(init=False, repr=False)
    _tracing: Tracing = field(init=False, repr=False)
    _resources: ExitStack = field(default_factory=ExitStack, repr=False)
    """What the present store holds: its lock, and the store itself where a reload opened it."""
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _ticked: float = field(init=False, repr=False)
    _noticed: float = field(init=False, repr=False)
    _snapshot: Snapshot | None = field(default=None, repr=False)
    _trouble: str | None = field(default="nothing has been read from the store yet", repr=False)
    _config_ok: bool = field(default=True, repr=False)
    _config_read_at: datetime = field(init=False, repr=False)
    _planner: Planner = field(default_factory=Planner, repr=False)
    _retainer: Retainer = field(init=False, repr=False)
    _shown: int = field(default=0, repr=False)
    """How many windows had ended when the snapshot was read."""

    def __post_init__(self) -> None:
        self._ticked = self._noticed = self.stopwatch()
        self._config_read_at = self.clock()
        self._retainer = Retainer(self.stopwatch)
        self._watch = FileWatch(self.deployment.files)
        self._tracing = open_tracing(self.deployment.config.tracing)
        desk = StoreDesk(lambda: self.store, lambda: self.deployment, self.clock)
        self.front = Front(self.exporter.render, self.alive, self.ready, self.status, desk)
        self.dispatcher = self._teller()
        self.crew = Crew(self._graph(), self.worker, self._places(), stopwatch=self.stopwatch)

    @property
    def worker(self) -> str:
        """The process' name in the ledger."""
        return f"{socket.gethostname()}:{os.getpid()}"

    def run(self) -> bool:
        """Serve, tick, and block until SIGTERM or SIGINT; then drain, and return whether all work has ended."""
        self._resources.enter_context(self.store.exclusive())
        calm_collector()
        with self._resources:
            self.front.open(self.deployment.config.web)
            scheduler = BackgroundScheduler(
                jobstores={"default": MemoryJobStore()},
                executors={"default": SchedulerThread(1)},
                timezone=UTC,
            )
            try:
                self.signals.take()
                self.dispatcher.start()
                scheduler.start()
                job = scheduler.add_job(
                    self.tick,
                    "interval",
                    seconds=self.tick_every.total_seconds(),
                    next_run_time=datetime.now(UTC),
                    max_instances=1,
                    coalesce=True,
                    misfire_grace_time=None,
                )
                threading.Thread(target=self._notice, args=(job,), name="notice", daemon=True).start()
                log.info(
                    "started",
                    collections=len(self.deployment.collections),
                    url=self.front.url,
                    worker=self.worker,
                )
                self.signals.wait_for_end()
            finally:
                drained = self._drain(scheduler)
        return drained

    def stop(self) -> None:
        """Ask the daemon to end; safe from any thread."""
        self.signals.end()
        self._stop.set()
        self.crew.stop()

    def alive(self) -> str | None:
        """Return why this process should be restarted, or None; never asks the database."""
        now, limit = self.stopwatch(), (STUCK + self.tick_every).total_seconds()
        for what, age in (("tick", now - self._ticked), ("look at the crew", now - self._noticed)):
            if age > limit:
                return f"no {what} has ended for {age:.0f} s (limit {limit:.0f} s)"
        return self.crew.lost() or self.dispatcher.hung()

    def ready(self) -> str | None:
        """Return why what this process shows is not true now, or None.

        A collection without a baseline is no reason: it is shown as such, and its baseline may be built at any time.
        """
        return self._trouble or self.crew.trouble

    def status(self) -> dict[str, Any]:
        """Return what was last read from the store, for the status page; never asks the database."""
        return {**summarize(self._snapshot), "trouble": self._trouble if self._snapshot else None}

    def tick(self) -> None:
        """Plan what is due, keep what is in work, publish a snapshot; a failure is told and tried again."""
        try:
            self._reload_if_asked()
            self._look_for_segments()
            self.crew.keep()
            self._planner.plan(self.store, self.deployment, self.clock())
            self.crew.wake()
            self._publish()
            self._retainer.retain(self.store, self.deployment, self.clock())
        except StoreError as error:
            self._trouble = str(error)
            log.warning("tick failed", error=str(error))
        except Exception as error:
            self._trouble = f"{type(error).__name__} in the last tick; see the log"
            log.exception("tick failed")
        finally:
            self._ticked = self.stopwatch()

    def reload(self) -> bool:
        """Build everything anew from the configuration, or keep the old; return whether it is the new."""
        if self.load is None:
            log.warning("nothing to reload: this daemon was not started from a file")
            return False
        try:
            deployment = self.load()
            self._rebuild(deployment)
        except DriftmonError as error:
            self._config_ok = False
            log.error("configuration refused, the old one stays", error=str(error))  # noqa: TRY400 told in plain words
        except Exception:
            self._config_ok = False
            log.exception("configuration refused, the old one stays")
        else:
            self._config_ok, self._config_read_at = True, self.clock()
            self._watch.watch(deployment.files)
            log.info("configuration reloaded", collections=len(deployment.collections))
        return self._config_ok

    def _reload_if_asked(self) -> None:
        asked, changed = self.signals.reload_asked, self._watch.changed()
        if changed and self.load is not None:
            log.info("files changed", files=[str(file) for file in changed])
        if asked or (changed and self.load is not None):
            self.signals.reload_asked = False
            self.reload()

    def _look_for_segments(self) -> None:
        """Take up the segments that a baseline has named since; raises `StoreError`."""
        deployment = with_frozen_segments(self.deployment, self.store)
        if deployment is not self.deployment:
            self.deployment = deployment
            self.crew.graph = self._graph()
            log.info("segments changed", collections=len(deployment.collections))

    def _rebuild(self, deployment: Deployment) -> None:
        """Take up a deployment; what may fail comes first, and leaves everything as it was."""
        old, new = self.deployment.config, deployment.config
        with ExitStack() as undo:
            store = self.store
            if new.database != old.database:
                store = Store.open(new.database.get_secret_value())
                undo.callback(store.close)
                require_current(store.engine)
                undo.enter_context(store.exclusive())
            tracing = self._tracing if new.tracing == old.tracing else open_tracing(new.tracing)
            self.front.move(new.web)
            opened = undo.pop_all()
        if tracing is not self._tracing:
            self._tracing.close()
        if store is not self.store:
            # Windows in work end on the store they were claimed in; its pool opens what they still need.
            self._resources.close()
            self._resources.push(opened)
            log.info("database changed", database=store.name)
        # The segments known so far, until the next look: for no moment the budget is shared by fewer streams.
        kept = {n: f for n, f in self.deployment.frozen.items() if n in deployment.collections}
        self.deployment = slice_up(deployment, kept) if kept else deployment
        self.store, self._tracing = store, tracing
        self._planner = Planner()
        self._tell_anew()
        self.crew.graph, self.crew.places = self._graph(), self._places()

    def _teller(self) -> Dispatcher:
        config = self.deployment.config
        return Dispatcher(
            self.store,
            self.deployment.routes,
            Links(config.links.runbook, config.links.page),
            Damping(config.delivery.reopen_within, config.delivery.openings),
            Patience(config.delivery.give_up_after),
            self.stopwatch,
        )

    def _tell_anew(self) -> None:
        """Tell people by the new configuration; what the old one is sending just now ends by itself."""
        running = self.dispatcher.running
        self.dispatcher.stop()
        self.dispatcher = self._teller()
        if running:
            self.dispatcher.start()

    def _graph(self) -> Graph:
        trace = self._tracing.tracer
        collections = {name: traced(c, trace) for name, c in self.deployment.collections.items()}
        return Graph(replace(self.deployment, collections=collections), self.store, trace)

    def _places(self) -> int:
        return self.workers or self.deployment.config.workers or worker_count()

    def _publish(self) -> None:
        ended = self.crew.ended
        self._snapshot = replace(
            take_snapshot(self.store, self.deployment, self.clock()),
            config_ok=self._config_ok,
            config_read_at=self._config_read_at,
            in_work=self.crew.paces(),
        )
        self.exporter.max_series = self.deployment.config.metrics.max_series
        self.exporter.publish(self._snapshot)
        self._shown = ended
        self._trouble = None

    def _notice(self, job: Job) -> None:
        """Look after the crew between ticks; bring the tick forward for a reload, and to show what is done."""
        while not self._stop.wait(NOTICE):
            self.crew.notice()
            self._noticed = self.stopwatch()
            if self.signals.reload_asked or (self.crew.idle() and self.crew.ended != self._shown):
                job.modify(next_run_time=datetime.now(UTC))

    def _drain(self, scheduler: BackgroundScheduler) -> bool:
        log.info("stopping", deadline_seconds=DRAIN)
        self.stop()
        self.dispatcher.stop()
        ending = threading.Thread(target=scheduler.shutdown, kwargs={"wait": True}, daemon=True)
        started = time.monotonic()
        ending.start()
        drained = self.crew.drain(DRAIN)
        ending.join(max(0.0, DRAIN - (time.monotonic() - started)))
        drained = drained and not ending.is_alive()
        giving_back = threading.Thread(target=self.crew.release, daemon=True)
        giving_back.start()
        giving_back.join(RELEASE)
        # It was told to stop at the beginning: what it is sending has had its time meanwhile.
        self.dispatcher.join(max(0.0, ENDING - (time.monotonic() - started)))
        self.front.close()
        self._tracing.close()
        log.info("stopped", drained=drained)
        return drained
