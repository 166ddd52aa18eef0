"""Rolls up and drops what is old, a little at every tick."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from monitor.judge.spans import longest
from monitor.store import Store
from monitor.store.retention import Retention
from monitor.wiring import Deployment

log = structlog.get_logger("driftmon")

LONGEST = 1.0
"""Seconds of a tick that retention may take; it is never in a hurry."""


@dataclass(slots=True)
class Retainer:
    """Goes round the collections; where a tick had no time left, the next one goes on."""

    stopwatch: Callable[[], float] = time.monotonic
    _next: int = field(default=0, repr=False)

    def retain(self, store: Store, deployment: Deployment, now: datetime) -> None:
        """Look after as many collections as there is time for; raises `StoreError`."""
        names = sorted(deployment.collections)
        began = self.stopwatch()
        for offset in range(len(names)):
            place = (self._next + offset) % len(names)
            if self.stopwatch() - began > LONGEST:
                self._next = place
                return
            name = names[place]
            spanned = longest(deployment.collections[name].spans)
            window = deployment.config.collections[name].window
            done = store.retain(name, reach_back(deployment.retention, spanned * window), now)
            if done.rolled_up or done.deleted or done.parked:
                log.debug("retained", collection=name, rolled_up=done.rolled_up, deleted=done.deleted)
            if done.damaged:
                log.warning(
                    "profiles cannot be read, their windows stay", collection=name, windows=done.damaged
                )


def reach_back(policy: Retention, back: timedelta) -> Retention:
    """Return the policy that leaves the windows of so much time as they are.

    A span is not measured on a part of its windows, and so never on 32 of half a day where a week is kept.
    """
    windows = max(policy.windows, back)
    return replace(
        policy,
        windows=windows,
        hourly=max(policy.hourly, windows),
        daily=max(policy.daily, windows),
        profiles=max(policy.profiles, windows),
    )
