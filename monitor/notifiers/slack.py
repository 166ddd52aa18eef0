"""Posts to a channel of Slack through an incoming webhook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import SecretStr

from monitor.messages import Message, Receipt
from monitor.notifiers.http import check_http, post
from monitor.notifiers.lines import facts, links
from monitor.outbound import Outbound

SECTION = 2900
"""Characters of a section; Slack refuses more than 3000."""
HEADER = 150


@dataclass(frozen=True, slots=True)
class Slack:
    """A channel, for people who look: it wakes nobody, so it never pages.

    Attributes
    ----------
    url : str
        The incoming webhook. It is a secret as a whole, and shown nowhere but its host.
    timeout : float
        Seconds of one call, everything included.
    allow_private : tuple of str
        Hosts with private addresses or plain ``http`` that are meant.
    """

    url: SecretStr
    timeout: float = 10.0
    allow_private: tuple[str, ...] = ()
    chat: ClassVar[bool] = True
    endless: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_http(self.url, self._outbound)

    def send(self, message: Message) -> Receipt:
        """Post the message once and say what became of it."""
        return post(self._outbound, self.url, {"text": _escape(message.title), "blocks": blocks(message)})

    def describe(self) -> str:
        """Connect, send nothing, and say where; raises `EdgeError`."""
        return f"Slack at {self._outbound.reach(self.url.get_secret_value())}: reachable"

    @property
    def _outbound(self) -> Outbound:
        return Outbound(allow_private=self.allow_private, timeout=self.timeout, max_bytes=65536)


def blocks(message: Message) -> list[dict[str, Any]]:
    """Return the message as blocks: what, facts, evidence, next step, what was done lately, links."""
    found: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": message.title[:HEADER]}},
        _section(message.meaning),
        {
            "type": "section",
            "fields": [
                {"type": "mrkdwn", "text": f"*{word}*\n{_escape(said)}"[:2000]}
                for word, said in facts(message)
            ],
        },
    ]
    if message.readings:
        found.append(_section("*What decided*", *(f"• `{r.stream}` {r.sentence}" for r in message.readings)))
    found.append(_section("*Next step*", message.next_step))
    if message.events:
        found.append(_section("*Done lately*", *(f"• {event}" for event in message.events)))
    if message.note:
        found.append(_section(message.note))
    if where := links(message):
        said = "  |  ".join(f"<{to}|{word}>" for word, to in where)
        found.append({"type": "section", "text": {"type": "mrkdwn", "text": said}})
    return found


def _section(*lines: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _escape("\n".join(lines))[:SECTION]}}


def _escape(text: str) -> str:
    """Return text in which nothing calls a person, a channel or an address."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
