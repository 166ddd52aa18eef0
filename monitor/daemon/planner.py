"""Plans the windows that are due, and asks the store only when one can be."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import structlog

from monitor.store import Store
from monitor.store.planning import floor
from monitor.wiring import Deployment

log = structlog.get_logger("driftmon")


@dataclass(slots=True)
class Planner:
    """Remembers up to where each collection is planned; that is kept in the store as well, and only there for good."""

    _planned: dict[str, datetime] = field(default_factory=dict, repr=False)
    _lacking: set[str] = field(default_factory=set, repr=False)

    def plan(self, store: Store, deployment: Deployment, now: datetime) -> None:
        """Plan every collection that has a baseline up to ``now``; raises `StoreError`."""
        for name, settings in deployment.config.collections.items():
            due = floor(now - settings.lateness, settings.window)
            if self._planned.get(name) == due:
                continue
            info = store.active_baseline(name)
            if info is None:
                if name not in self._lacking:  # once, not at every tick
                    log.warning("no baseline", collection=name, mend=f"driftmon baseline build {name}")
                self._lacking.add(name)
                continue
            self._lacking.discard(name)
            windows = store.plan(
                name, settings.window, now, settings.lateness, settings.max_backfill, info.end
            )
            self._planned[name] = due
            if windows:
                log.debug("planned", collection=name, windows=windows)
