from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from monitor.messages import MessageKind
from monitor.notifiers.pagerduty import URL, PagerDuty
from tests.core_fakes.notices import MESSAGE, message

if TYPE_CHECKING:
    from tests.notifiers.conftest import Receive

KEY = "hunter2-routing-key"


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("opened", "trigger"),
        ("updated", "trigger"),
        ("acknowledged", "acknowledge"),
        ("resolved", "resolve"),
        ("test", "trigger"),
    ],
)
def test_an_event_has_its_action_and_key(receive: Receive, kind: MessageKind, action: str) -> None:
    receiver = receive(202)
    pager = PagerDuty(SecretStr(KEY), SecretStr(receiver.url), 5.0, ("localhost",))
    assert pager.send(message(kind=kind)).result == "delivered"
    event = receiver.calls[0].json
    assert (event["routing_key"], event["event_action"], event["dedup_key"]) == (KEY, action, MESSAGE.key)
    assert ("payload" in event) is (action == "trigger")


def test_a_trigger_says_what_how_bad_and_where_to_go_on(receive: Receive) -> None:
    receiver = receive(202)
    pager = PagerDuty(SecretStr(KEY), SecretStr(receiver.url), 5.0, ("localhost",))
    pager.send(message(title="x" * 2000))
    event = receiver.calls[0].json
    told = event["payload"]
    assert len(told["summary"]) == 1024
    assert (told["severity"], told["class"], told["component"]) == (
        "critical", "model_query_side", "docs/tenant=acme",
    )  # fmt: skip
    assert told["custom_details"]["next_step"] == "Undo the push."
    assert {link["href"] for link in event["links"]} == {MESSAGE.runbook, MESSAGE.page}
    assert len(event["dedup_key"]) <= 255


def test_it_goes_to_pagerduty_unless_told_otherwise() -> None:
    assert PagerDuty(SecretStr(KEY)).url.get_secret_value() == URL
