"""A message as lines of plain text, for people who read it on a phone."""

from __future__ import annotations

from monitor.messages import Message


def facts(message: Message) -> list[tuple[str, str]]:
    """Return what is to be known, as pairs of a word and what stands under it."""
    found = [
        ("Collection", message.collection),
        ("Severity", message.severity),
        ("Cause", f"{message.cause} (confidence {message.confidence:.0%})"),
        ("Opened", f"{message.opened_at:%F %R} UTC"),
    ]
    if message.resolved_at is not None:
        found.append(("Resolved", f"{message.resolved_at:%F %R} UTC"))
    if message.incident:
        found.append(("Incident", str(message.incident)))
    return found


def links(message: Message) -> list[tuple[str, str]]:
    """Return where to go on, as pairs of a word and an address."""
    return [(word, to) for word, to in (("Runbook", message.runbook), ("Status page", message.page)) if to]


def plain(message: Message) -> str:
    """Return the whole message as text."""
    parts = [message.meaning, "\n".join(f"{word}: {said}" for word, said in facts(message))]
    if message.note:
        parts.append(message.note)
    if message.readings:
        parts.append("\n".join(["What decided:", *(f"- {r.stream}: {r.sentence}" for r in message.readings)]))
    if message.events:
        parts.append("\n".join(["Done lately:", *(f"- {event}" for event in message.events)]))
    parts.append(f"Next step: {message.next_step}")
    if where := links(message):
        parts.append("\n".join(f"{word}: {to}" for word, to in where))
    return "\n\n".join(parts) + "\n"
