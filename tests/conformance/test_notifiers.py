"""Every notifier that is installed: ours and third parties' keep to the same contract."""

from __future__ import annotations

import logging
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import FrozenInstanceError, dataclass, fields, is_dataclass
from typing import Any

import pytest

from monitor.errors import ConfigError, EdgeError
from monitor.messages import Receipt
from monitor.plugins import available, build
from monitor.protocols import Notifier
from tests.core_fakes.notices import MESSAGE, RESOLVED, later
from tests.core_fakes.post import Post, free_port, posting
from tests.core_fakes.receiver import Receiver, receiving

SECRET = "hunter2-never-shown"  # noqa: S105 it is to be looked for
pytestmark = pytest.mark.filterwarnings("ignore:.*imghdr:DeprecationWarning")  # apprise imports it
NAMES = sorted(available("notifiers"))


def options(name: str, port: int, timeout: float = 5.0) -> dict[str, Any]:
    """Return a configuration of each type whose far side is that port, with a secret in every place for one."""
    url = f"http://localhost:{port}/{SECRET}"
    near = {"timeout": timeout, "allow_private": ["localhost"]}
    given: dict[str, dict[str, Any]] = {
        "webhook": {"url": url, "bearer": SECRET, "hmac_key": SECRET, **near},
        "pagerduty": {"url": url, "routing_key": SECRET, **near},
        "slack": {"url": url, **near},
        "email": {"host": "127.0.0.1", "port": port, "tls": "none", "sender": "a@example.com",
                  "to": ["b@example.com"], "timeout": timeout},
        "apprise": {"urls": [f"json://user:{SECRET}@localhost:{port}/{SECRET}"], "timeout": timeout},
    }  # fmt: skip
    return {"type": name, **given[name]}


def make(name: str, port: int, timeout: float = 5.0) -> Notifier:
    if name == "apprise":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pytest.importorskip("apprise", reason='no apprise: pip install "apprise>=1.9"')
    notifier = build("notifiers", options(name, port, timeout), "notify.0")
    assert isinstance(notifier, Notifier)
    return notifier


@dataclass
class Far:
    """The far side of a notifier: how it takes messages, and what it has."""

    port: int
    http: Receiver | None
    mail: Post | None

    def bodies(self) -> list[str]:
        if self.http is not None:
            return [call.body.decode() for call in self.http.taken]
        assert self.mail is not None
        return [mail.as_string() for mail in self.mail.mails]


@pytest.fixture
def far(request: pytest.FixtureRequest) -> Iterator[Far]:
    if request.node.callspec.params["name"] == "email":
        with posting() as mail:
            yield Far(mail.port, None, mail)
        return
    with receiving() as receiver:
        yield Far(receiver.server.server_port, receiver, None)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_frozen_dataclass_of_at_most_two_methods(name: str) -> None:
    notifier = make(name, 9)
    kind: Any = type(notifier)
    assert is_dataclass(kind)
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        setattr(notifier, fields(kind)[0].name, None)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_sent_arrives_and_every_message_of_an_incident_has_its_key(name: str, far: Far) -> None:
    notifier = make(name, far.port)
    for message in (MESSAGE, later(kind="updated"), RESOLVED):
        receipt = notifier.send(message)
        assert receipt.result == "delivered", receipt.reason
    bodies = far.bodies()
    assert len(bodies) == 3
    if not getattr(notifier, "chat", False):  # a chat knows no key
        assert all(MESSAGE.key in body for body in bodies)
    assert "docs/tenant=acme" in bodies[0]
    assert "Undo the push." in bodies[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_far_side_that_hangs_costs_no_more_than_the_time_out(name: str) -> None:
    with closing(_Hole()) as hole:
        notifier = make(name, hole.port, timeout=0.6)
        began = time.monotonic()
        receipt = _send(notifier)
        assert time.monotonic() - began < 3.0
    assert receipt.result == "retry"


@pytest.mark.parametrize("name", NAMES)
def test_a_far_side_that_is_away_is_tried_again(name: str) -> None:
    notifier = make(name, free_port(), timeout=2.0)
    receipt = _send(notifier)
    assert receipt.result == "retry"
    assert receipt.in_doubt is (name == "apprise")  # which does not say what went wrong


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_shown(name: str, far: Far, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    notifier = make(name, far.port)
    assert SECRET not in repr(notifier) + str(notifier)
    assert SECRET not in notifier.describe()
    notifier.send(MESSAGE)
    away = make(name, free_port(), timeout=2.0)
    said = [_send(away).reason]
    try:
        said.append(away.describe())
    except EdgeError as error:
        said.append(str(error))
    if far.http is not None:
        for status in (400, 401, 404, 429, 500, 302):
            far.http.script.append(status)
            said.append(_send(notifier).reason)
    assert SECRET not in "\n".join(said)
    assert SECRET not in caplog.text
    if name != "pagerduty":  # its API wants the key in the body
        assert SECRET not in "\n".join(far.bodies())


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_field_is_refused_without_its_value(name: str) -> None:
    for wrong in ({"timeout": 0}, {"timeout": 1000}, {"zzz": SECRET}, {"timeout": SECRET}):
        with pytest.raises(ConfigError) as caught:
            build("notifiers", options(name, 9) | wrong, "notify.0")
        assert "notify.0" in str(caught.value)
        assert SECRET not in str(caught.value).replace(f"(it is {SECRET!r})", "")


def _send(notifier: Notifier) -> Receipt:
    try:
        return notifier.send(MESSAGE)
    except EdgeError as error:
        return Receipt("retry", str(error), in_doubt=True)


class _Hole:
    """A port that takes connections and never says a word."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._kept: list[socket.socket] = []
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone would not wake who waits for a caller
        self._thread.join(5)
        for kept in (self._listener, *self._kept):
            kept.close()

    def _serve(self) -> None:
        while True:
            try:
                self._kept.append(self._listener.accept()[0])
            except OSError:
                return
