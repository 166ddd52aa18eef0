from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from monitor.notifiers.webhook import NOT_ENDED, Webhook, payload
from tests.core_fakes.notices import MESSAGE, RESOLVED, later

if TYPE_CHECKING:
    from tests.notifiers.conftest import Receive

KEY = "hunter2-hmac"


def test_the_payload_is_alertmanager_s() -> None:
    firing, resolved = payload(MESSAGE), payload(RESOLVED)
    assert set(firing) == {
        "version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels", "commonLabels",
        "commonAnnotations", "externalURL", "alerts",
    }  # fmt: skip
    assert (firing["version"], firing["status"], resolved["status"]) == ("4", "firing", "resolved")
    (alert,), (ended,) = firing["alerts"], resolved["alerts"]
    assert set(alert) == {
        "status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint",
    }  # fmt: skip
    assert (alert["endsAt"], ended["endsAt"]) == (NOT_ENDED, "2026-03-02T14:00:00+00:00")
    assert datetime.fromisoformat(alert["startsAt"]) == MESSAGE.opened_at
    assert firing["groupKey"] == resolved["groupKey"] == MESSAGE.key
    assert alert["fingerprint"] == ended["fingerprint"]
    assert alert["labels"] == {
        "alertname": "DriftDetected", "collection": "docs/tenant=acme", "severity": "critical",
        "cause": "model_query_side", "incident": "7",
    }  # fmt: skip
    assert alert["annotations"]["runbook_url"] == MESSAGE.runbook
    assert "canary texts are embedded elsewhere" in alert["annotations"]["evidence"]
    assert all(isinstance(said, str) for said in alert["annotations"].values())


def test_an_update_is_told_apart_by_its_own_number_alone() -> None:
    update = payload(later(kind="updated"))
    assert update["status"] == "firing"
    assert update["groupKey"] == payload(MESSAGE)["groupKey"]


def test_a_call_is_signed_and_carries_its_token(receive: Receive) -> None:
    receiver = receive()
    hook = Webhook(SecretStr(receiver.url), SecretStr("t0ken"), SecretStr(KEY), 5.0, ("localhost",))
    assert hook.send(MESSAGE).result == "delivered"
    (call,) = receiver.calls
    assert call.headers["Authorization"] == "Bearer t0ken"
    assert call.headers["Idempotency-Key"] == MESSAGE.number
    assert call.headers["Content-Type"] == "application/json"
    seconds, digest = (part.partition("=")[2] for part in call.headers["X-Driftmon-Signature"].split(","))
    wanted = hmac.new(KEY.encode(), f"{seconds}.".encode() + call.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(digest, wanted)
    assert "reachable, signed" in hook.describe()


@pytest.mark.parametrize("secret", ["", "a b", "new\nline", "ümlaut"])
def test_a_secret_that_no_header_carries_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="bearer is empty or holds characters"):
        Webhook(SecretStr("https://hooks.example.com"), SecretStr(secret))
