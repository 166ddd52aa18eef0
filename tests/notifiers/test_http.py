from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from monitor.messages import Receipt
from monitor.notifiers.http import _seconds, check_http, post
from monitor.outbound import Outbound
from tests.core_fakes.receiver import Play

if TYPE_CHECKING:
    from tests.notifiers.conftest import Receive

NEAR = Outbound(allow_private=("localhost",), timeout=0.5)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("play", "receipt"),
    [
        ("ok", Receipt("delivered")),
        (202, Receipt("delivered")),
        (500, Receipt("retry", "localhost: answers 500", in_doubt=True)),
        (503, Receipt("retry", "localhost: answers 503", in_doubt=True)),
        (408, Receipt("retry", "localhost: answers 408", in_doubt=True)),
        ((429, "7"), Receipt("retry", "localhost: answers 429", 7.0)),
        ((429, "soon"), Receipt("retry", "localhost: answers 429")),
        (404, Receipt("refused", "localhost: answers 404; correct url")),
        (401, Receipt("refused", "localhost: answers 401; correct the key or token")),
        (410, Receipt("refused", "localhost: answers 410; the hook was removed at the receiver; make a new one")),
        (418, Receipt("refused", "localhost: answers 418; look into its log")),
    ],
    ids=str,
)  # fmt: skip
def test_what_an_answer_means(receive: Receive, play: Play, receipt: Receipt) -> None:
    assert post(replace(NEAR, timeout=10.0), SecretStr(receive(play).url), {}) == receipt


@pytest.mark.parametrize("play", ["hang", "die", "late", 302])
def test_what_breaks_off_leaves_in_doubt(receive: Receive, play: Play) -> None:
    receipt = post(NEAR, SecretStr(receive(play, hang=2.0).url), {"a": "b" * 100})
    assert (receipt.result, receipt.in_doubt) == ("retry", True)


def test_a_private_address_that_is_not_allowed_gets_nothing(receive: Receive) -> None:
    receiver = receive()
    away = Outbound(timeout=0.5, resolve=lambda _host, _port: ["127.0.0.1"])
    receipt = post(away, SecretStr("https://hooks.example.com/x"), {})
    assert (receipt.result, receipt.in_doubt) == ("retry", False)
    assert "leads to an address that is loopback" in receipt.reason
    assert receiver.calls == []


def test_retry_after_is_seconds_or_a_date() -> None:
    assert _seconds("120", NOW) == 120.0
    assert _seconds(format_datetime(NOW + timedelta(minutes=2), usegmt=True), NOW) == 120.0
    assert _seconds(format_datetime(NOW - timedelta(minutes=2), usegmt=True), NOW) == 0.0
    for odd in ("", "-5", "1.5", "soon", "Mon, 99 Mar"):
        assert _seconds(odd, NOW) is None


def test_a_url_that_may_not_be_asked_is_refused_unseen() -> None:
    with pytest.raises(ValueError, match="url: http scheme is not allowed") as caught:
        check_http(SecretStr("http://hooks.example.com/hunter2"), NEAR)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ValueError, match="timeout is 61"):
        check_http(SecretStr("https://hooks.example.com"), Outbound(timeout=61))
