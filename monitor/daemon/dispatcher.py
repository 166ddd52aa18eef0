"""Tells people: routes what was found to the notifiers and sees every delivery through, beside the tick."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from monitor.errors import EdgeError, StoreError
from monitor.messages import Delivery, Receipt
from monitor.notifiers.notice import Links, compose
from monitor.store import Store
from monitor.telling import Damping, Patience, Route

log = structlog.get_logger("driftmon")

POLL = 1.0
"""Seconds between two looks at what there is to tell."""
PAUSE = 5.0
"""Seconds to wait where the store does not answer."""
LEASE = timedelta(minutes=2)
"""A killed process' delivery is free after that; every notifier's time-out is below."""
EXPIRE = 600.0
"""Seconds between two looks for deliveries whose notifier is gone."""
STUCK = 180.0
"""Seconds that one attempt or one look may take before only a restart helps."""
ENDING = 5.0
"""Seconds that attempts under way are given to end when the process is told to stop."""


@dataclass(slots=True, eq=False)
class Courier:
    """One notifier's thread: a receiver that hangs keeps nobody else waiting."""

    route: Route
    store: Store
    links: Links
    patience: Patience
    stopwatch: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random
    lease: timedelta = LEASE
    busy_since: float | None = None
    _wanted: threading.Event = field(default_factory=threading.Event, repr=False)
    _stopped: threading.Event = field(default_factory=threading.Event, repr=False)

    def wake(self) -> None:
        """Say that there is something to send."""
        self._wanted.set()

    def stop(self) -> None:
        """Take up no further delivery."""
        self._stopped.set()
        self._wanted.set()

    def run(self) -> None:
        """Send whatever there is until stopped."""
        while not self._stopped.is_set():
            self._wanted.wait()
            self._wanted.clear()
            try:
                self._send_all()
            except StoreError as error:
                log.warning("the outbox does not answer", notifier=self.route.name, error=str(error))
                self._stopped.wait(PAUSE)
            except Exception:
                log.exception("telling failed unexpectedly", notifier=self.route.name)
                self._stopped.wait(PAUSE)

    def _send_all(self) -> None:
        sent = True
        while sent and not self._stopped.is_set():
            sent = self.send_next()

    def send_next(self) -> bool:
        """Send the next delivery that is due; return whether there was one. Raises `StoreError`."""
        delivery = self.store.claim_delivery(self.route.name, self.lease)
        if delivery is None:
            return False
        self.busy_since = self.stopwatch()
        try:
            receipt = self._attempt(delivery)
        finally:
            self.busy_since = None
        told = {
            "notifier": self.route.name,
            "incident": delivery.payload.get("incident"),
            "kind": delivery.kind,
            "attempt": delivery.attempts,
        }
        if receipt.result == "delivered":
            if self.store.delivered(delivery):
                log.info("told", **told, note=receipt.reason or None)
            return True
        if self.store.undelivered(delivery, receipt, self.patience, self.draw()):
            log.error("nobody was told", **told, error=receipt.reason, mend="driftmon outbox list --dead")
        else:
            log.warning("not told yet", **told, error=receipt.reason)
        return True

    def _attempt(self, delivery: Delivery) -> Receipt:
        try:
            return self.route.notifier.send(compose(delivery, self.links))
        except EdgeError as error:
            return Receipt("retry", str(error), in_doubt=True)
        except Exception as error:  # noqa: BLE001
            # A notifier of a third party may raise anything, and quote what it was given: no text of it is kept.
            log.warning(
                "a notifier failed unexpectedly", notifier=self.route.name, error=type(error).__name__
            )
            return Receipt("retry", f"{type(error).__name__} (a defect of the notifier)", in_doubt=True)


@dataclass(slots=True)
class Dispatcher:
    """Looks for what there is to tell, routes it, and wakes the couriers; any number of replicas may do so at once."""

    store: Store
    routes: tuple[Route, ...]
    links: Links = field(default_factory=Links)
    damping: Damping = field(default_factory=Damping)
    patience: Patience = field(default_factory=Patience)
    stopwatch: Callable[[], float] = time.monotonic
    lease: timedelta = LEASE
    couriers: dict[str, Courier] = field(init=False, repr=False)
    _looked: float = field(init=False, repr=False)
    _expired: float | None = field(default=None, repr=False)
    _adopted: bool = field(default=False, repr=False)
    _threads: list[threading.Thread] = field(default_factory=list, repr=False)
    _stopped: threading.Event = field(default_factory=threading.Event, repr=False)

    def __post_init__(self) -> None:
        self._looked = self.stopwatch()
        self.couriers = {
            route.name: Courier(
                route, self.store, self.links, self.patience, self.stopwatch, lease=self.lease
            )
            for route in self.routes
        }

    def start(self) -> None:
        """Begin to tell people, in threads of its own."""
        runs = [(self._run, "tell"), *((c.run, f"tell-{name}") for name, c in self.couriers.items())]
        for run, name in runs:
            thread = threading.Thread(target=run, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Take up nothing more; what is being sent ends by itself."""
        self._stopped.set()
        for courier in self.couriers.values():
            courier.stop()

    def join(self, seconds: float = ENDING) -> bool:
        """Stop, wait, and return whether all has ended; a delivery that has not is sent again after its lease."""
        self.stop()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return bool(self._threads) and not self._stopped.is_set()

    def hung(self) -> str | None:
        """Return why only a restart helps, or None; asks no database."""
        if not self.running:
            return None
        now = self.stopwatch()
        if now - self._looked > STUCK:
            return f"nothing has been looked for to tell people for {now - self._looked:.0f} s"
        for name, courier in self.couriers.items():
            since = courier.busy_since
            if since is not None and now - since > STUCK:
                return f"the notifier {name} has hung for {now - since:.0f} s, far beyond its time-out"
        return None

    def look(self) -> frozenset[str]:
        """Route what waits, and return the notifiers that have something to send. Raises `StoreError`."""
        if not self._adopted:
            self.store.adopt(self.routes, self.damping)
            self._adopted = True
        now = self.stopwatch()
        if self._expired is None or now - self._expired > EXPIRE:
            self.store.expire([route.name for route in self.routes], self.patience)
            self._expired = now
        waiting = self.store.waiting()
        while waiting.facts and not self._stopped.is_set():
            if not self.store.fan_out(self.routes, self.damping):
                break  # another replica has them
            waiting = self.store.waiting()
        return waiting.notifiers

    def _run(self) -> None:
        pause = 0.0
        while not self._stopped.wait(pause):
            pause = POLL
            try:
                for name in self.look():
                    if name in self.couriers:
                        self.couriers[name].wake()
            except StoreError as error:
                log.warning("the outbox does not answer", error=str(error))
                pause = PAUSE
            except Exception:
                log.exception("telling failed unexpectedly")
                pause = PAUSE
            finally:
                self._looked = self.stopwatch()
