"""What was done to the service before a drift began, in sentences."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from monitor.records import Event, EventKind

LOOKED_BACK = timedelta(days=1)
"""What lies longer before the first window in drift is not told beside it."""
KINDS: dict[EventKind, str] = {
    "deploy": "a deploy",
    "reindex": "a re-indexing",
    "model_push": "a model push",
    "other": "a change",
}


def tell_events(events: Sequence[Event], first: datetime, until: datetime) -> tuple[str, ...]:
    """Return a sentence for each event near a drift, the nearest to its beginning first.

    Parameters
    ----------
    events : sequence of Event
        In any order; those more than `LOOKED_BACK` before ``first``, or at ``until`` and later, are left out.
    first : datetime
        Start of the first window in drift.
    until : datetime
        End of the window that is told of.

    Examples
    --------
    >>> from datetime import UTC
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> tell_events([Event("7", noon - timedelta(minutes=12), "model_push", "bge 1.5")], noon, noon)
    ('a model push was recorded 12 minutes before the first window in drift: bge 1.5',)
    """
    near = [event for event in events if first - LOOKED_BACK <= event.at and event.at < max(until, first)]
    near.sort(key=lambda event: abs(event.at - first))
    return tuple(_tell(event, first) for event in near)


def _tell(event: Event, first: datetime) -> str:
    away = event.at - first
    if away <= timedelta(0):
        when = f"{say_span(-away)} before the first window in drift"
        if away == timedelta(0):
            when = "as the first window in drift began"
    else:
        when = f"{say_span(away)} after the first window in drift began"
    planned = " (planned)" if event.planned else ""
    return f"{KINDS[event.kind]} was recorded {when}{planned}: {event.title}"


def say_span(span: timedelta) -> str:
    """Return a span in its one fitting unit.

    >>> say_span(timedelta(minutes=12)), say_span(timedelta(hours=1)), say_span(timedelta(days=2))
    ('12 minutes', '1 hour', '2 days')
    """
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            number = seconds // size
            return f"{number} {unit}" + ("" if number == 1 else "s")
    return "0 seconds"


def offer_baselines(event: Event, collections: Sequence[str]) -> tuple[str, ...]:
    """Return the commands that take a new baseline after a planned change; none for one that was not planned.

    The history begins where the grace period ends: what lies before it may be neither the old service nor the new.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> offer_baselines(Event("7", noon, "deploy", "v2", "docs", planned=True, grace_until=noon), ["docs"])
    ("driftmon baseline build docs --start 2026-03-01T12:00:00Z --reason 'after deploy: v2'",)
    """
    if not event.planned or event.grace_until is None:
        return ()
    start = event.grace_until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    reason = shlex.quote(f"after {event.kind.replace('_', ' ')}: {event.title}")
    return tuple(
        f"driftmon baseline build {shlex.quote(name)} --start {start} --reason {reason}"
        for name in collections
        if event.collection in ("", name)
    )
