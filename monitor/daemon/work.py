"""One claimed window: walked, and committed or told to have failed."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from structlog.contextvars import bound_contextvars

from monitor.baseline import Baseline
from monitor.baseline.codec import unpack
from monitor.daemon.tracing import Tracer, no_tracer
from monitor.errors import BaselineError, DriftmonError, LeaseLostError, StoreError
from monitor.judge.spans import Past
from monitor.pipeline import History, walk
from monitor.profile import Profile
from monitor.records import Outcome, Window
from monitor.store import Claim, Store
from monitor.store.evidence import CollectionState
from monitor.wiring import Deployment

log = structlog.get_logger("driftmon")

MAX_ATTEMPTS = 5
BASELINES = 256
"""Baselines kept in memory, 1 to 2 MB each; of more collections those used last."""
FIRST_PAUSE, LONGEST_PAUSE = 15.0, 900.0
"""Seconds: a failed window waits twice the first, then twice as long each time, up to the longest."""


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Everything that windows are worked with: a deployment and its store. A reload makes a new one.

    A window ends on the graph that it was claimed on, whatever is loaded meanwhile.
    """

    deployment: Deployment
    store: Store
    tracer: Tracer = no_tracer
    _baselines: dict[str, tuple[int, Baseline]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def work(self, claim: Claim) -> None:
        """Walk the window and commit it; a failing edge costs it an attempt and nothing else.

        Raises
        ------
        StoreError
            When the store is away: nothing can be kept then, not even the failure.
        """
        window, begun = claim.window, time.monotonic()
        with (
            bound_contextvars(collection=window.collection, window=window.start.isoformat()),
            self.tracer("window", collection=window.collection, window=window.start.isoformat()),
        ):
            try:
                outcome = self._walk(claim)
                with self.tracer("commit"):
                    self.store.commit(claim, outcome)
            except LeaseLostError as error:
                log.warning("window lost", error=str(error))
            except StoreError:
                raise
            except DriftmonError as error:
                self.fail(claim, str(error), time.monotonic() - begun)
            except Exception as error:
                # A poison window is parked with its error, it never ends the daemon.
                log.exception("window failed unexpectedly")
                self.fail(claim, f"{type(error).__name__} (a defect; see the log)", time.monotonic() - begun)
            else:
                _tell(outcome)

    def fail(self, claim: Claim, error: str, seconds: float) -> None:
        """Plan the window again, or park it after its last attempt; raises `StoreError` when the store is away.

        ``seconds`` is how long the attempt took.
        """
        retry = timedelta(seconds=min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**claim.attempts))
        log.error(
            "window failed",
            collection=claim.window.collection,
            window=claim.window.start.isoformat(),
            error=error,
            attempt=claim.attempts,
            seconds=round(seconds, 3),
            retry_in=str(retry),
        )
        try:
            self.store.fail(claim, error, MAX_ATTEMPTS, retry)
        except LeaseLostError as lost:
            log.warning("window lost", error=str(lost))
        except StoreError as away:
            away.add_note(error)  # what is to be told of the window when the store is back
            raise

    def _walk(self, claim: Claim) -> Outcome:
        name = claim.window.collection
        state = self.store.state(name)
        if state.baseline_id is None:
            raise BaselineError(f"collection {name!r} has no baseline: run `driftmon baseline build {name}`")
        return walk(
            claim.window,
            self.deployment.collections[name],
            self._baseline(name, state.baseline_id),
            state.baseline_id,
            history_of(self.store, claim.window, state),
            threshold=self.deployment.thresholds[name],
            backfill=claim.backfill,
        )

    def _baseline(self, collection: str, identifier: int) -> Baseline:
        with self._lock:
            known = self._baselines.pop(collection, None)
        if known is None or known[0] != identifier:
            # Outside the lock: a large baseline that is slow to load holds up its own collection only.
            known = identifier, unpack(self.store.baseline_data(identifier))
        with self._lock:
            # The newest is last; the first is the one that was not used for longest.
            self._baselines[collection] = known
            while len(self._baselines) > BASELINES:
                del self._baselines[next(iter(self._baselines))]
        return known[1]


def history_of(store: Store, window: Window, state: CollectionState) -> History:
    """Return what earlier windows left behind; their profiles are read when a span asks for them."""

    def recent(count: int) -> list[Past]:
        if state.baseline_id is None:
            return []
        kept = store.recent_profiles(window, state.baseline_id, count)
        return [Past(r.window, Profile.unpack(r.data)) for r in kept]

    return History(state.evidence, state.corpus_seen, recent, state.ingest)


def _tell(outcome: Outcome) -> None:
    verdict = outcome.verdict
    tell = log.warning if verdict.state in ("drift", "invalid") else log.info
    tell(
        "window done",
        state=verdict.state,
        cause=verdict.cause,
        severity=verdict.severity,
        records=outcome.sample.seen,
        seconds=round(outcome.duration, 3),
    )
