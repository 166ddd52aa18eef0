"""Sends events to PagerDuty (Events API v2): one incident per ``dedup_key``, from its trigger to its resolution."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import SecretStr

from monitor.messages import Message, MessageKind, Receipt
from monitor.notifiers.http import check_http, check_secret, post
from monitor.notifiers.lines import links
from monitor.outbound import Outbound

URL = "https://events.pagerduty.com/v2/enqueue"
SUMMARY_LENGTH = 1024
_ACTIONS: dict[MessageKind, str] = {"acknowledged": "acknowledge", "resolved": "resolve"}


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """A service of PagerDuty.

    Attributes
    ----------
    routing_key : str
        The service's integration key. Shown nowhere; it stands in the body of a call, as the API wants it.
    url : str
        The endpoint; that of the EU region is ``https://events.eu.pagerduty.com/v2/enqueue``.
    timeout : float
        Seconds of one call, everything included.
    allow_private : tuple of str
        Hosts with private addresses or plain ``http`` that are meant.
    """

    routing_key: SecretStr
    url: SecretStr = field(default_factory=lambda: SecretStr(URL))
    timeout: float = 10.0
    allow_private: tuple[str, ...] = ()
    chat: ClassVar[bool] = False
    endless: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_http(self.url, self._outbound)
        check_secret("routing_key", self.routing_key)

    def send(self, message: Message) -> Receipt:
        """Send one event and say what became of it."""
        return post(self._outbound, self.url, self._event(message))

    def describe(self) -> str:
        """Connect, send nothing, and say where; raises `EdgeError`. Whether the key is right only a test tells."""
        return f"PagerDuty at {self._outbound.reach(self.url.get_secret_value())}: reachable"

    @property
    def _outbound(self) -> Outbound:
        return Outbound(allow_private=self.allow_private, timeout=self.timeout, max_bytes=65536)

    def _event(self, message: Message) -> dict[str, Any]:
        action = _ACTIONS.get(message.kind, "trigger")
        event: dict[str, Any] = {
            "routing_key": self.routing_key.get_secret_value(),
            "event_action": action,
            "dedup_key": message.key,
        }
        if action != "trigger":
            return event
        event["payload"] = {
            "summary": message.title[:SUMMARY_LENGTH],
            "source": message.collection,
            "severity": message.severity if message.severity in ("critical", "warning") else "info",
            "timestamp": message.updated_at.isoformat(),
            "component": message.collection,
            "class": message.cause,
            "custom_details": {
                "meaning": message.meaning,
                "confidence": round(message.confidence, 2),
                "evidence": [f"{r.stream}: {r.sentence}" for r in message.readings],
                "next_step": message.next_step,
                "events": list(message.events),
                "note": message.note,
                "incident": message.incident,
            },
        }
        event["client"] = "driftmon"
        if message.page:
            event["client_url"] = message.page
        event["links"] = [{"href": to, "text": word} for word, to in links(message)]
        return event
