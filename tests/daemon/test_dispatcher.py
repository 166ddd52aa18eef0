"""Telling people beside the tick: a real receiver that misbehaves, and a daemon that does not wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from monitor.daemon.dispatcher import STUCK, Dispatcher
from monitor.errors import EdgeError
from monitor.messages import DELIVERED, Message, Receipt
from monitor.notifiers.notice import Links
from monitor.notifiers.pagerduty import PagerDuty
from monitor.notifiers.webhook import Webhook
from monitor.store import Store, schema
from monitor.telling import Patience, Route
from tests.core_fakes.bench import Make
from tests.core_fakes.receiver import Receiver, receiving
from tests.store.conftest import Docs

SECRET = "hunter2-routing-key"  # noqa: S105 it is to be looked for
PATIENCE = Patience(first=0.02, longest=0.1)


def hook(receiver: Receiver, name: str = "hook", timeout: float = 0.3, **options: Any) -> Route:
    made = Webhook(SecretStr(receiver.url), timeout=timeout, allow_private=("localhost",), **options)
    return Route(name, made, pages=True)


@dataclass
class Drifting:
    """A store with one incident that stands, its windows worked by hand."""

    docs: Docs

    @property
    def store(self) -> Store:
        return self.docs.store

    def end(self) -> None:
        """Let the drift end, and the incident with it."""
        self.docs.plan(2)
        self.docs.work()


@pytest.fixture
def drifting(tmp_path: Path) -> Iterator[Drifting]:
    url = f"sqlite:///{tmp_path}/told.db"
    schema.upgrade(url)
    with closing(Store.open(url)) as store:
        docs = Docs(store)
        docs.plan(1)
        docs.work(**docs.drift("canary.canary"))
        yield Drifting(docs)


Tell = Callable[..., Dispatcher]


@pytest.fixture
def tell() -> Iterator[Tell]:
    with ExitStack() as stack:

        def start(store: Store, *routes: Route, **options: Any) -> Dispatcher:
            made = Dispatcher(store, routes, patience=PATIENCE, **options)
            made.start()
            stack.callback(made.join)
            return made

        yield start


def test_whatever_the_receiver_does_the_incident_arrives_and_is_one(drifting: Drifting, tell: Tell) -> None:
    with receiving([500, 500, (429, "1"), "hang", "die"], hang=0.6) as receiver:
        tell(drifting.store, hook(receiver))
        (opened,) = receiver.wait_for(1)
        drifting.end()
        receiver.wait_for(2)
        (said,) = receiver.incidents().values()
        assert said == ["firing", "resolved"]
        assert opened.json["alerts"][0]["labels"]["collection"] == "docs"
        late = [call.at for call in receiver.calls]
        assert late[3] - late[2] >= 1.0  # it asked for a second


def test_pagerduty_hears_trigger_acknowledge_and_resolve_under_one_key(
    drifting: Drifting, tell: Tell
) -> None:
    with receiving() as receiver:
        notifier = PagerDuty(SecretStr(SECRET), SecretStr(receiver.url), allow_private=("localhost",))
        tell(drifting.store, Route("pager", notifier, pages=True))
        receiver.wait_for(1)
        drifting.store.acknowledge(1, "ada")
        receiver.wait_for(2)
        drifting.end()
        receiver.wait_for(3)
        (said,) = receiver.incidents().values()
        assert said == ["trigger", "acknowledge", "resolve"]


def test_two_replicas_tell_once(drifting: Drifting, tell: Tell) -> None:
    with receiving() as receiver, receiving() as other:
        for _ in range(2):
            tell(drifting.store, hook(receiver), hook(other, "other"))
        receiver.wait_for(1)
        other.wait_for(1)
        drifting.end()
        receiver.wait_for(2)
        other.wait_for(2)
        time.sleep(0.3)
        assert (len(receiver.calls), len(other.calls)) == (2, 2)


def test_a_receiver_that_hangs_keeps_no_other_and_no_tick_waiting(
    drifting: Drifting, tell: Tell, make: Make
) -> None:
    with receiving(["hang"] * 5, hang=30) as hanging, receiving() as well:
        dispatcher = tell(drifting.store, hook(hanging, "hanging", timeout=20.0), hook(well, "well"))
        well.wait_for(1, 10)
        bench = make("docs", baselines=False)
        bench.daemon.dispatcher = dispatcher
        began = time.monotonic()
        bench.daemon.tick()
        assert time.monotonic() - began < 5.0
        assert bench.daemon.alive() is None


class Breaks:
    """A notifier of a third party that fails in ways of its own."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.sent: list[Message] = []

    def send(self, message: Message) -> Receipt:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(message)
        return DELIVERED

    def describe(self) -> str:
        return "breaks"


def test_a_notifier_that_raises_is_tried_again_and_its_words_are_not_kept(
    drifting: Drifting, tell: Tell
) -> None:
    notifier = Breaks(ValueError(SECRET), EdgeError("away"), KeyError(SECRET))
    tell(drifting.store, Route("third", notifier, pages=True))
    deadline = time.monotonic() + 20
    while not notifier.sent and time.monotonic() < deadline:
        for letter in drifting.store.letters("all"):
            assert SECRET not in letter.last_error
        time.sleep(0.01)
    assert notifier.sent[0].collection == "docs"
    assert notifier.sent[0].readings


def test_a_notifier_that_never_returns_fails_liveness(drifting: Drifting) -> None:
    seconds = 0.0
    over = threading.Event()

    class Hangs(Breaks):
        def send(self, message: Message) -> Receipt:
            over.wait(20)
            return DELIVERED

    dispatcher = Dispatcher(drifting.store, (Route("third", Hangs()),), stopwatch=lambda: seconds)
    dispatcher.start()
    courier = dispatcher.couriers["third"]
    deadline = time.monotonic() + 20
    while courier.busy_since is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert dispatcher.hung() is None
    seconds = STUCK + 1
    courier.busy_since = 0.0
    dispatcher._looked = seconds
    assert "the notifier third has hung" in str(dispatcher.hung())
    dispatcher._looked = 0.0
    assert "nothing has been looked for" in str(dispatcher.hung())
    over.set()
    assert dispatcher.join()
    assert dispatcher.hung() is None


def test_the_daemon_tells_and_every_replica_exports_the_same(make: Make) -> None:
    bench = make("docs")
    daemon = bench.daemon
    with receiving() as receiver:
        daemon.deployment = replace(daemon.deployment, routes=(hook(receiver),))
        bench.tick()
        zero = bench.published[-1]
        assert zero.notifications["hook", "dead"] == 0
        assert zero.backlogs["hook"].dead == 0
        docs = Docs(bench.store)
        docs.plan(1, "other")
        docs.save("other")
        claimed = docs.claim("other")
        baseline = docs.store.active_baseline("other")
        assert baseline is not None
        docs.store.commit(
            claimed, docs.outcome(claimed, baseline_id=baseline.id, **docs.drift("canary.canary"))
        )
        daemon._tell_anew()
        daemon.dispatcher.start()
        try:
            receiver.wait_for(1)
            deadline = time.monotonic() + 10
            while bench.store.letters("waiting") and time.monotonic() < deadline:
                time.sleep(0.01)
        finally:
            daemon.dispatcher.join()
        bench.tick()
        assert bench.published[-1].notifications["hook", "delivered"] == 1
        text = daemon.exporter.render()[0].decode()
        assert 'driftmon_notifications_total{notifier="hook",result="delivered"} 1.0' in text
        assert 'driftmon_notifications_total{notifier="hook",result="silenced"} 0.0' in text
        assert 'driftmon_outbox_pending{notifier="hook"} 0.0' in text
        assert "driftmon_silences_active 0.0" in text


def test_links_are_filled_in() -> None:
    links = Links("https://w/{cause}", "https://p/{incident}/{collection}")
    filled = links.fill(links.page, incident=7, collection="docs/tenant=a b", cause="x")
    assert filled == "https://p/7/docs%2Ftenant%3Da%20b"
