"""Messages and facts to send, made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.messages import Deciding, Message

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MESSAGE = Message(
    key="driftmon-7-0123456789ab",
    number="driftmon-7-0123456789ab.11",
    kind="opened",
    incident=7,
    collection="docs/tenant=acme",
    severity="critical",
    cause="model_query_side",
    confidence=0.9,
    title="critical drift in docs/tenant=acme: model query side",
    meaning="Queries are embedded by another model <or prefix> & so on.",
    next_step="Undo the push.",
    opened_at=NOON,
    updated_at=NOON + timedelta(hours=1),
    readings=(
        Deciding("canary.canary", "canary texts are embedded elsewhere", 0.059, 0.001),
        Deciding("era_recall.suite", "recall is 0.5", 0.5, 0.02, 1e-9),
    ),
    events=("2026-03-02 11:40 UTC model_push: embedder 2.1",),
    runbook="https://wiki.example.com/DriftDetected",
    page="https://driftmon.example.com/incidents/7",
)


def message(**changes: Any) -> Message:
    return replace(MESSAGE, **changes)


def later(**changes: Any) -> Message:
    """Return a later message of the same key."""
    return message(number=f"{MESSAGE.key}.12", first=False, **changes)


RESOLVED = later(kind="resolved", title="resolved: critical drift", resolved_at=NOON + timedelta(hours=2))
