"""The store as the rest of the program sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from monitor.messages import Delivery, Receipt
from monitor.records import BaselineInfo, CollectionStatus, Incident, Outcome, Silence, Window
from monitor.store import (
    baselines,
    evidence,
    fanout,
    incident_log,
    ledger,
    letters,
    outbox,
    outcomes,
    planning,
    recent,
    retention,
    schema,
    silences,
    status,
)
from monitor.store.baselines import AuditEntry
from monitor.store.engine import database_file, describe, open_engine
from monitor.store.evidence import CollectionState
from monitor.store.ledger import CRASH_LIMIT, Claim
from monitor.store.letters import Letter, OutboxFigures, Wanted
from monitor.store.lock import hold
from monitor.store.outbox import Waiting
from monitor.store.recent import RecentProfile
from monitor.store.retention import Retained, Retention
from monitor.store.status import PastWindow, WindowError
from monitor.telling import Damping, Patience, Route


@dataclass(frozen=True, slots=True)
class Store:
    """One database: the window ledger, baselines, incidents, and what is known of each collection.

    Every method but `retain` is one transaction; all are safe from many threads and (on PostgreSQL) many
    replicas, and raise `StoreError` when the database fails.
    """

    engine: Engine = field(repr=False)

    @classmethod
    def open(cls, url: str) -> Store:
        """Open a database; nothing is connected yet, except that one in memory gets its schema."""
        engine = open_engine(url)
        if engine.dialect.name == "sqlite" and database_file(engine.url) is None:
            schema.upgrade(engine)
        return cls(engine)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @property
    def name(self) -> str:
        """What may be said of the database: engine, place and name, no secrets."""
        return describe(self.engine.url)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Be the only daemon on a SQLite file until left; on PostgreSQL any number of replicas may run.

        Raises
        ------
        StoreError
            When another daemon is on the file; the message names its pid.
        """
        file = database_file(self.engine.url)
        if file is None:
            yield
            return
        with hold(file):
            yield

    def plan(
        self,
        collection: str,
        length: timedelta,
        now: datetime,
        lateness: timedelta,
        max_backfill: int,
        first: datetime | None,
    ) -> int:
        """Plan the windows that are due; see :func:`monitor.store.planning.plan`."""
        return planning.plan(self.engine, collection, length, now, lateness, max_backfill, first)

    def claim(
        self, collections: Sequence[str], worker: str, lease: timedelta, crash_limit: int = CRASH_LIMIT
    ) -> Claim | None:
        """Claim the oldest due window; see :func:`monitor.store.ledger.claim`."""
        return ledger.claim(self.engine, collections, worker, lease, crash_limit)

    def renew(self, claim: Claim, lease: timedelta) -> None:
        """Extend a claim; raises `LeaseLostError`."""
        ledger.renew(self.engine, claim, lease)

    def release(self, claim: Claim) -> None:
        """Give a window back untouched; raises `LeaseLostError`."""
        ledger.release(self.engine, claim)

    def fail(self, claim: Claim, error: str, max_attempts: int, retry_in: timedelta) -> None:
        """Plan a failed window again, or park it; raises `LeaseLostError`."""
        ledger.fail(self.engine, claim, error, max_attempts, retry_in)

    def commit(self, claim: Claim, outcome: Outcome) -> None:
        """Keep an outcome as one piece or not at all; see :func:`monitor.store.outcomes.commit`."""
        outcomes.commit(self.engine, claim, outcome)

    def state(self, collection: str) -> CollectionState:
        """Return what earlier windows left behind for the next one."""
        return evidence.load_state(self.engine, collection)

    def recent_profiles(self, window: Window, baseline_id: int, count: int) -> list[RecentProfile]:
        """Return the packed profiles of up to ``count`` windows before this one, of the same baseline."""
        return recent.recent_profiles(self.engine, window, baseline_id, count)

    def save_baseline(
        self,
        collection: str,
        data: bytes,
        *,
        by: str,
        reason: str,
        start: datetime,
        end: datetime,
        model: str,
        meta: Mapping[str, Any],
        activate: bool,
    ) -> int:
        """Keep a packed baseline and return its number."""
        return baselines.save_baseline(
            self.engine,
            collection,
            data,
            by=by,
            reason=reason,
            start=start,
            end=end,
            model=model,
            meta=meta,
            activate=activate,
        )

    def baselines(self, collection: str | None = None) -> list[BaselineInfo]:
        """Return what is known of each baseline, newest first."""
        return baselines.list_baselines(self.engine, collection)

    def baseline_data(self, identifier: int) -> bytes:
        """Return a packed baseline; raises `BaselineError` when there is none of that number."""
        return baselines.baseline_data(self.engine, identifier)

    def active_baseline(self, collection: str) -> BaselineInfo | None:
        """Return the baseline in use, or None."""
        return baselines.active_baseline(self.engine, collection)

    def promote(self, identifier: int, by: str, reason: str) -> None:
        """Put a baseline in use and start evidence anew; raises `BaselineError` when there is no such one."""
        baselines.promote(self.engine, identifier, by, reason)

    def audit(self, collection: str) -> list[AuditEntry]:
        """Return who did what to a collection, oldest first."""
        return baselines.list_audit(self.engine, collection)

    def statuses(self, collections: Sequence[str]) -> tuple[CollectionStatus, ...]:
        """Return the present of each collection; the caller fills in ``log_threshold``."""
        return status.load_statuses(self.engine, collections)

    def history(
        self, collection: str, since: datetime, until: datetime, limit: int = 1000
    ) -> list[PastWindow]:
        """Return the newest ``limit`` done windows that start in ``[since, until)``, oldest first."""
        return status.load_history(self.engine, collection, since, until, limit)

    def add_silence(
        self, collection: str, cause: str, starts_at: datetime, ends_at: datetime, by: str, reason: str
    ) -> Silence:
        """Keep a span of time in which nobody is to be told."""
        return silences.add_silence(self.engine, collection, cause, starts_at, ends_at, by, reason)

    def silences(self, at: datetime) -> list[Silence]:
        """Return the silences that have not ended at a moment."""
        return silences.list_silences(self.engine, at)

    def end_silence(self, identifier: int, by: str) -> None:
        """End a silence now."""
        silences.end_silence(self.engine, identifier, by)

    def acknowledge(self, identifier: int, by: str) -> Incident:
        """Note that somebody works on an incident; see :func:`monitor.store.incident_log.acknowledge`."""
        return incident_log.acknowledge(self.engine, identifier, by)

    def waiting(self) -> Waiting:
        """Return whether there is anything to route or to send; it takes no lock."""
        return outbox.look(self.engine)

    def fan_out(self, routes: Sequence[Route], damping: Damping, at: datetime | None = None) -> bool:
        """Give facts to the notifiers that are to hear them; see :func:`monitor.store.fanout.fan_out`."""
        return fanout.fan_out(self.engine, routes, damping, at)

    def adopt(self, routes: Sequence[Route], damping: Damping, at: datetime | None = None) -> None:
        """Tell notifiers that are new of what stands; see :func:`monitor.store.fanout.adopt`."""
        fanout.adopt(self.engine, routes, damping, at)

    def expire(self, names: Sequence[str], patience: Patience, at: datetime | None = None) -> int:
        """Let deliveries die that wait for a notifier that is gone; see :func:`monitor.store.outbox.expire`."""
        return outbox.expire(self.engine, names, patience, at)

    def claim_delivery(self, notifier: str, lease: timedelta, at: datetime | None = None) -> Delivery | None:
        """Claim a notifier's next delivery; see :func:`monitor.store.outbox.claim`."""
        return outbox.claim(self.engine, notifier, lease, at)

    def delivered(self, delivery: Delivery, at: datetime | None = None) -> bool:
        """Note that a delivery has reached its receiver; return whether the claim still held."""
        return outbox.delivered(self.engine, delivery, at)

    def undelivered(
        self,
        delivery: Delivery,
        receipt: Receipt,
        patience: Patience,
        draw: float,
        at: datetime | None = None,
    ) -> bool:
        """Put a delivery off or let it die; see :func:`monitor.store.outbox.failed`."""
        return outbox.failed(self.engine, delivery, receipt, patience, draw, at)

    def letters(self, wanted: Wanted = "waiting", limit: int = 100) -> list[Letter]:
        """Return the newest deliveries, for people."""
        return letters.list_letters(self.engine, wanted, limit)

    def replay(self, identifiers: Sequence[int] | None, by: str) -> int:
        """Send dead deliveries again; see :func:`monitor.store.letters.replay`."""
        return letters.replay(self.engine, identifiers, by)

    def drop(self, identifiers: Sequence[int] | None, by: str, reason: str) -> int:
        """Give dead deliveries up; see :func:`monitor.store.letters.drop`."""
        return letters.drop(self.engine, identifiers, by, reason)

    def outbox_figures(self, at: datetime | None = None) -> OutboxFigures:
        """Return what is exported of the outbox."""
        return letters.load_figures(self.engine, at)

    def retain(
        self, collection: str, policy: Retention, now: datetime, limit: int = retention.LIMIT
    ) -> Retained:
        """Roll up and drop what is old, in several small transactions; see :func:`monitor.store.retention.retain`."""
        return retention.retain(self.engine, collection, policy, now, limit)

    def window_errors(self, collection: str, limit: int = 100) -> list[WindowError]:
        """Return the windows that failed and are not done, oldest first."""
        return status.load_errors(self.engine, collection, limit)
