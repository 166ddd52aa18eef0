"""Sends Alertmanager's webhook payload (version 4): what takes an Alertmanager's call takes ours."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import SecretStr

from monitor.errors import EdgeError
from monitor.messages import Message, Receipt
from monitor.notifiers.http import check_http, check_secret, post
from monitor.outbound import Outbound

NOT_ENDED = "0001-01-01T00:00:00Z"
"""What Alertmanager writes for an alert that has no end."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL that is called with Alertmanager's payload.

    Attributes
    ----------
    url : str
        Where to. Shown nowhere but its host: such URLs often hold a secret.
    bearer : str, optional
        Sent as ``Authorization: Bearer …``.
    hmac_key : str, optional
        Signs every call: ``X-Driftmon-Signature: t=SECONDS,v1=HEX``, HMAC-SHA256 over ``SECONDS.BODY``.
    timeout : float
        Seconds of one call.
    allow_private : tuple of str
        Hosts with private addresses or plain ``http`` that are meant.
    """

    url: SecretStr
    bearer: SecretStr | None = None
    hmac_key: SecretStr | None = None
    timeout: float = 10.0
    allow_private: tuple[str, ...] = ()
    chat: ClassVar[bool] = False
    endless: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_http(self.url, self._outbound)
        check_secret("bearer", self.bearer)
        check_secret("hmac_key", self.hmac_key)

    def send(self, message: Message) -> Receipt:
        """Call the URL once and say what became of it."""
        body = json.dumps(payload(message)).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.number}
        if self.bearer is not None:
            headers["Authorization"] = f"Bearer {self.bearer.get_secret_value()}"
        if self.hmac_key is not None:
            headers["X-Driftmon-Signature"] = sign(self.hmac_key.get_secret_value(), int(time.time()), body)
        return post(self._outbound, self.url, body, headers)

    def describe(self) -> str:
        """Connect, send nothing, and say where; raises `EdgeError`."""
        try:
            host = self._outbound.reach(self.url.get_secret_value())
        except EdgeError as error:
            raise type(error)(f"webhook: {error}") from None
        signed = ", signed" if self.hmac_key is not None else ""
        return f"webhook at {host}: reachable{signed}"

    @property
    def _outbound(self) -> Outbound:
        return Outbound(allow_private=self.allow_private, timeout=self.timeout, max_bytes=65536)


def sign(key: str, seconds: int, body: bytes) -> str:
    """Return the signature of a call: the receiver refuses one whose time is long past."""
    digest = hmac.new(key.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def payload(message: Message) -> dict[str, Any]:
    """Return the payload; ``groupKey`` and ``fingerprint`` are the same from the opening to the resolution."""
    status = "resolved" if message.kind == "resolved" else "firing"
    group = {"alertname": "DriftDetected", "collection": message.collection}
    labels = {
        **group,
        "severity": message.severity,
        "cause": message.cause,
        "incident": str(message.incident),
    }
    annotations = {
        "summary": message.title,
        "description": message.meaning,
        "next_step": message.next_step,
        "confidence": f"{message.confidence:.2f}",
        "evidence": "\n".join(f"{r.stream}: {r.sentence}" for r in message.readings),
        "events": "\n".join(message.events),
        "kind": message.kind,
        "note": message.note,
        "runbook_url": message.runbook,
    }
    annotations = {name: said for name, said in annotations.items() if said}
    alert = {
        "status": status,
        "labels": labels,
        "annotations": annotations,
        "startsAt": message.opened_at.isoformat(),
        "endsAt": NOT_ENDED if message.resolved_at is None else message.resolved_at.isoformat(),
        "generatorURL": message.page,
        "fingerprint": hashlib.sha256(message.key.encode()).hexdigest()[:16],
    }
    return {
        "version": "4",
        "groupKey": message.key,
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "driftmon",
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": message.page,
        "alerts": [alert],
    }
