"""What is exported and shown, read from the store once per tick."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import get_args

from monitor.messages import Result
from monitor.records import Backlog, Snapshot
from monitor.store import Store
from monitor.wiring import Deployment


def take_snapshot(store: Store, deployment: Deployment, now: datetime) -> Snapshot:
    """Return everything that is exported, as the store has it now; raises `StoreError`."""
    statuses = store.statuses(deployment.families())
    figures = store.outbox_figures()
    names = [route.name for route in deployment.routes]
    return Snapshot(
        at=now,
        notifications={(n, r): 0 for n in names for r in get_args(Result)} | dict(figures.counts),
        backlogs={name: Backlog() for name in names} | dict(figures.backlogs),
        silences=figures.silences,
        collections=tuple(replace(s, log_threshold=deployment.thresholds[s.collection]) for s in statuses),
    )
