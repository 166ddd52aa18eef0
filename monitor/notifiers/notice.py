"""A delivery in words: the message that an on-call engineer reads first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from monitor.explain.sentences import CAUSES, tell_reading
from monitor.messages import Deciding, Delivery, Message, MessageKind
from monitor.records import Event, Reading

MOST_READINGS = 10
_VERBS: Mapping[MessageKind, str] = {
    "opened": "",
    "updated": "update: ",
    "acknowledged": "acknowledged: ",
    "resolved": "resolved: ",
    "test": "test: ",
}


@dataclass(frozen=True, slots=True)
class Links:
    """Where a message leads: addresses in which {incident}, {collection} and {cause} are filled in; "" for none."""

    runbook: str = ""
    page: str = ""

    def fill(self, template: str, *, incident: int, collection: str, cause: str) -> str:
        """Return an address with its places filled, percent-encoded."""
        places = {"{incident}": str(incident), "{collection}": collection, "{cause}": cause}
        for place, value in places.items():
            template = template.replace(place, quote(value, safe=""))
        return template


def compose(delivery: Delivery, links: Links) -> Message:
    """Return the message of a delivery: what, how sure, what decided, the next step and what was done lately."""
    told = delivery.payload
    collection, cause = str(told["collection"]), str(told["cause"])
    meaning, next_step = CAUSES.get(cause, CAUSES["unknown"])
    incident = int(told["incident"])
    readings = [_reading(each) for each in told.get("readings", ())][:MOST_READINGS]

    def link(template: str) -> str:
        return links.fill(template, incident=incident, collection=collection, cause=cause)

    return Message(
        key=delivery.key,
        number=f"{delivery.key}.{delivery.id}",
        kind=delivery.kind,
        incident=incident,
        collection=collection,
        severity=told["severity"],
        cause=cause,
        confidence=float(told.get("confidence", 0.0)),
        title=_title(delivery.kind, told["severity"], collection, cause),
        meaning=meaning,
        next_step="Nothing: no stream fires any more." if delivery.kind == "resolved" else next_step,
        opened_at=datetime.fromisoformat(told["opened_at"]),
        updated_at=datetime.fromisoformat(told["updated_at"]),
        resolved_at=datetime.fromisoformat(told["resolved_at"]) if told.get("resolved_at") else None,
        readings=tuple(readings) or tuple(Deciding(key, key, 0.0) for key in told.get("fired", ())),
        events=tuple(_event(each) for each in delivery.events),
        runbook=link(links.runbook),
        page=link(links.page),
        note=_note(delivery),
        first=delivery.first,
    )


def compose_test(name: str, at: datetime, links: Links, kind: MessageKind = "test") -> Message:
    """Return a message that says that it is a test; its key is its own."""
    key = f"driftmon-test-{name}-{at.astimezone(UTC):%Y%m%dT%H%M%S}"
    return Message(
        key=key,
        number=f"{key}.{kind}",
        kind=kind,
        incident=0,
        collection="test",
        severity="warning",
        cause="none",
        confidence=1.0,
        title=f"driftmon test of the notifier {name}" + (": resolved" if kind == "resolved" else ""),
        meaning="Somebody has run `driftmon notify test`. Nothing has drifted.",
        next_step="Nothing.",
        opened_at=at,
        updated_at=at,
        resolved_at=at if kind == "resolved" else None,
        runbook=links.fill(links.runbook, incident=0, collection="test", cause="none"),
        page=links.fill(links.page, incident=0, collection="test", cause="none"),
        first=kind != "resolved",
    )


def _title(kind: MessageKind, severity: str, collection: str, cause: str) -> str:
    return f"{_VERBS[kind]}{severity} drift in {collection}: {cause.replace('_', ' ')}"


def _note(delivery: Delivery) -> str:
    said = []
    if delivery.kind == "acknowledged" or delivery.acknowledged_by:
        by = delivery.acknowledged_by or str(delivery.payload.get("acknowledged_by", ""))
        said.append(f"Acknowledged by {by or 'somebody'}.")
    if delivery.openings > 1:
        said.append(f"It has opened {delivery.openings} times in 24 hours: it comes and goes.")
    return " ".join(said)


def _reading(told: Mapping[str, Any]) -> Deciding:
    log_p = told.get("log_p")
    reading = Reading(
        detector=told["detector"],
        signal=told["signal"],
        value=float(told["value"]),
        n=told["n"],
        log_p=log_p,
        effect=told.get("effect"),
        effect_floor=float(told.get("effect_floor") or 0.0),
        threshold=told.get("threshold"),
    )
    threshold = reading.threshold if reading.threshold is not None else reading.effect_floor or None
    p_value = None if log_p is None else math.exp(min(0.0, log_p))
    return Deciding(reading.key, tell_reading(reading), reading.value, threshold, p_value)


def _event(event: Event) -> str:
    planned = " (planned)" if event.planned else ""
    return f"{event.at.astimezone(UTC):%F %R} UTC {event.kind}{planned}: {event.title}"
