"""The threads that work windows: bounded in number, and none waits for a collection that is not its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from monitor.daemon.work import Graph
from monitor.errors import LeaseLostError, StoreError
from monitor.store import Claim

log = structlog.get_logger("driftmon")

LEASE = timedelta(minutes=2)
RENEW = 30.0
"""Seconds after which a window in work has its lease extended; a killed worker's windows are free after `LEASE`."""
PATIENCE = 5.0
"""Seconds after which a window gives its place away: what waits for a slow store is no longer in anybody's way."""
STRAGGLERS = 8
"""Slow windows beside each place, at most. With the places they bound memory: docs/reliability.md has the formula."""


@dataclass(slots=True, eq=False)
class Hand:
    """A window in work: whose claim, on which graph, since when, and what became of it."""

    claim: Claim
    graph: Graph
    since: float
    renewed: float
    slow: bool = False
    given_up: bool = False
    """Its time is over and its failure is told; the thread may still hang, and nothing can end a thread."""
    unsettled: str | None = None
    """What to tell the store of it as soon as that answers again."""

    @property
    def collection(self) -> str:
        """Whose window it is."""
        return self.claim.window.collection


@dataclass(slots=True)
class Crew:
    """Works due windows of different collections side by side until none is left.

    ``places`` windows are worked at once. One that takes longer than `PATIENCE` gives its place away and goes on
    beside the others. A collection whose last window did so takes no place from the start, and is admitted only
    while half of the room for such stragglers is free: no number of hanging stores keeps the others waiting.
    """

    graph: Graph
    worker: str
    places: int
    stopwatch: Callable[[], float] = time.monotonic
    trouble: str | None = None
    """Why the store could not be asked for work, the last time a thread tried."""
    ended: int = 0
    """Windows that have ended here, whatever became of them."""
    _threads: dict[threading.Thread, Hand | None] = field(default_factory=dict, repr=False)
    _hands: set[Hand] = field(default_factory=set, repr=False)
    _suspects: set[str] = field(default_factory=set, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _stopped: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def room(self) -> int:
        """How many slow windows there may be beside the places."""
        return STRAGGLERS * self.places

    def wake(self) -> None:
        """See to it that as many threads look for work as there are places."""
        with self._lock:
            while not self._stopped.is_set() and self._free_places() > 0:
                thread = threading.Thread(target=self._work_queue, name="window", daemon=True)
                self._threads[thread] = None
                thread.start()

    def notice(self) -> None:
        """Let windows that have become slow give their places away; asks no database and never waits."""
        now = self.stopwatch()
        with self._lock:
            slowed = [h for h in self._hands if not h.slow and now - h.since > PATIENCE]
            for hand in slowed:
                hand.slow = True
                self._suspects.add(hand.collection)
        if slowed:
            self.wake()

    def keep(self) -> None:
        """Extend the leases of windows in work, end those whose time is over, tell the store what it missed.

        Raises
        ------
        StoreError
            When the store is away; the next call goes on where this one ended.
        """
        now = self.stopwatch()
        with self._lock:
            hands = list(self._hands)
        for hand in hands:
            if hand.unsettled is not None:
                hand.graph.fail(hand.claim, hand.unsettled, now - hand.since)
                self._forget(hand)
                continue
            settings = hand.graph.deployment.config.collections[hand.collection]
            if hand.given_up:
                continue
            if now - hand.since > settings.timeout.total_seconds():
                hand.graph.fail(
                    hand.claim,
                    f"not done within {settings.timeout}; look at its log, embedder and index, or raise timeout",
                    now - hand.since,
                )
                hand.given_up = True
            elif now - hand.renewed > RENEW:
                self._renew(hand, now)

    def lost(self) -> str | None:
        """Return why only a restart helps, or None: threads that hang for good cannot be ended one by one."""
        with self._lock:
            hanging = sum(1 for h in self._hands if h.given_up)
        if hanging < self.room:
            return None
        return f"{hanging} windows hang in their edges long after their time-out; only a restart frees them"

    def paces(self) -> dict[str, int]:
        """Return how many windows are in work, by pace."""
        with self._lock:
            hanging = sum(1 for h in self._hands if h.given_up)
            slow = sum(1 for h in self._hands if h.slow and not h.given_up)
            return {"brisk": len(self._hands) - slow - hanging, "slow": slow, "hanging": hanging}

    def idle(self) -> bool:
        """Tell whether no thread is at work."""
        with self._lock:
            return not self._threads

    def stop(self) -> None:
        """Take up no further window."""
        self._stopped.set()

    def drain(self, seconds: float) -> bool:
        """Wait for the windows in work; return whether all ended in time."""
        self.stop()
        deadline = time.monotonic() + seconds
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def release(self) -> None:
        """Give back what is still in hand: whoever comes next need not wait for the lease."""
        with self._lock:
            hands = [hand for hand in self._hands if not hand.given_up]
        for hand in hands:
            with suppress(StoreError):
                hand.graph.store.release(hand.claim)

    def _renew(self, hand: Hand, now: float) -> None:
        try:
            hand.graph.store.renew(hand.claim, LEASE)
        except LeaseLostError:
            hand.given_up = True  # another worker has it; the commit of this one will be refused
        hand.renewed = now

    def _free_places(self) -> int:
        slow = sum(1 for h in self._threads.values() if h is not None and h.slow)
        brisk = len(self._threads) - slow
        return min(self.places - brisk, self.places + self.room - len(self._threads))

    def _work_queue(self) -> None:
        thread = threading.current_thread()
        try:
            more = True
            while more and not self._stopped.is_set():
                more = self._work_next(thread)
        except StoreError as error:
            self.trouble = str(error)
            log.warning("the store does not answer", error=str(error))
        except Exception as error:
            self.trouble = f"{type(error).__name__} while looking for work; see the log"
            log.exception("a worker failed unexpectedly")
        finally:
            with self._lock:
                self._threads.pop(thread, None)

    def _work_next(self, thread: threading.Thread) -> bool:
        """Work one window; return whether to look for another."""
        graph = self.graph
        with self._lock:
            if self._free_places() < 0:
                return False  # its place was given away while it was slow
            names = self._admitted(graph)
        claim = graph.store.claim(names, self.worker, LEASE)
        self.trouble = None
        if claim is None:
            return False
        now = self.stopwatch()
        with self._lock:
            hand = Hand(claim, graph, now, now, slow=claim.window.collection in self._suspects)
            self._hands.add(hand)
            self._threads[thread] = hand
        if hand.slow:
            self.wake()
        try:
            graph.work(claim)
        except StoreError as error:
            hand.unsettled = next(iter(getattr(error, "__notes__", ())), str(error))
            raise
        finally:
            with self._lock:
                self.ended += 1
                self._threads[thread] = None
                if self.stopwatch() - hand.since <= PATIENCE:
                    self._suspects.discard(hand.collection)
            if hand.unsettled is None:
                self._forget(hand)
        return True

    def _admitted(self, graph: Graph) -> list[str]:
        """Return the collections whose next window may be taken up now."""
        hanging = {h.collection for h in self._hands if h.given_up}
        slow = sum(1 for h in self._threads.values() if h is not None and h.slow)
        barred = hanging if slow < self.room // 2 else hanging | self._suspects
        return [name for name in sorted(graph.deployment.collections) if name not in barred]

    def _forget(self, hand: Hand) -> None:
        with self._lock:
            self._hands.discard(hand)
