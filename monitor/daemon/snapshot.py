"""What is exported and shown, read from the store once per tick."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from monitor.records import Snapshot
from monitor.store import Store
from monitor.wiring import Deployment


def take_snapshot(store: Store, deployment: Deployment, now: datetime) -> Snapshot:
    """Return everything that is exported, as the store has it now; raises `StoreError`."""
    statuses = store.statuses(deployment.families())
    return Snapshot(
        at=now,
        collections=tuple(replace(s, log_threshold=deployment.thresholds[s.collection]) for s in statuses),
    )
