"""Deliveries: one per fact and notifier, in order, superseded, held back, retried for a day, dead, replayed."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from monitor.errors import ConfigError
from monitor.messages import Delivery, Message, Receipt
from monitor.records import Silence
from monitor.store import Store
from monitor.store.models import EventRow
from monitor.telling import Damping, Patience, Route

if TYPE_CHECKING:
    from tests.store.conftest import Docs

HOUR = timedelta(hours=1)
LEASE = timedelta(minutes=2)
A, B = "canary.canary", "centroid_distance.queries"
RETRY = Receipt("retry", "hook: answers 503", in_doubt=True)
AWAY = Receipt("retry", "hook: cannot be reached")
REFUSED = Receipt("refused", "hook: answers 404; correct url")
START = datetime(2026, 11, 2, 12, tzinfo=UTC)


class Nobody:
    """A notifier that is never called: these tests play its part."""

    def send(self, message: Message) -> Receipt:
        raise NotImplementedError

    def describe(self) -> str:
        return "nobody"


PAGER = Route("pager", Nobody(), pages=True)
CHAT = Route("chat", Nobody(), frozenset({"critical"}))


@dataclass
class Desk:
    """Windows that open and resolve incidents of ``docs``, and couriers played by hand at a time of the test's own."""

    docs: Docs
    routes: tuple[Route, ...] = (PAGER,)
    damping: Damping = field(default_factory=Damping)
    now: datetime = START
    hours: int = 0

    @property
    def store(self) -> Store:
        return self.docs.store

    def window(self, **changes: Any) -> None:
        self.hours += 1
        self.docs.plan(self.hours)
        self.docs.work(**changes)

    def drift(self, *fired: str, **verdict: Any) -> None:
        self.window(**self.docs.drift(*(fired or (A,)), **verdict))
        self.route()

    def quiet(self) -> None:
        self.window()
        self.route()

    def route(self) -> None:
        while self.store.fan_out(self.routes, self.damping, self.now):
            pass

    def claim(self, notifier: str = "pager") -> Delivery | None:
        return self.store.claim_delivery(notifier, LEASE, self.now)

    def take(self, notifier: str = "pager") -> Delivery:
        delivery = self.claim(notifier)
        assert delivery is not None
        return delivery

    def deliver(self, notifier: str = "pager") -> Delivery:
        delivery = self.take(notifier)
        assert self.store.delivered(delivery, self.now)
        return delivery

    def fail(self, delivery: Delivery, receipt: Receipt = RETRY, draw: float = 0.5) -> bool:
        return self.store.undelivered(delivery, receipt, Patience(), draw, self.now)

    def results(self, notifier: str = "pager") -> list[str | None]:
        """Return how each delivery ended, in order."""
        return self.docs.query(
            "SELECT result FROM outbox WHERE notifier = :notifier ORDER BY id", notifier=notifier
        )

    def counts(self) -> dict[tuple[str, str], int]:
        return dict(self.store.outbox_figures(self.now).counts)


@pytest.fixture
def desk(docs: Docs) -> Desk:
    return Desk(docs)


def test_a_fact_is_given_to_every_notifier_that_is_to_hear_it_once(desk: Desk) -> None:
    desk.routes = (PAGER, CHAT, replace(CHAT, name="wiki", collections=frozenset({"wiki"})))
    desk.drift()
    desk.route()
    assert desk.results() == [None]
    assert desk.results("chat") == []  # it is told of critical ones alone
    desk.drift(severity="critical")
    assert desk.results("chat") == [None]
    assert desk.results("wiki") == []
    opened = desk.take("chat")
    assert (opened.kind, opened.first) == ("opened", True)  # the first that it hears
    assert desk.docs.query("SELECT DISTINCT result FROM outbox WHERE notifier IS NULL") == ["routed"]


def test_opening_update_and_resolution_have_one_key_and_come_in_order(desk: Desk) -> None:
    told = []
    for fired in ((A,), (A, B), (B,), ()):
        desk.drift(*fired) if fired else desk.quiet()
        told.append(desk.deliver())
    assert [t.kind for t in told] == ["opened", "updated", "updated", "resolved"]
    assert len({t.key for t in told}) == 1
    assert len({t.id for t in told}) == 4
    assert [t.first for t in told] == [True, False, False, False]
    assert told[0].payload["readings"][0]["detector"] == "canary"
    assert told[0].payload["confidence"] == 0.8
    assert desk.claim() is None
    assert desk.counts() == {("pager", "delivered"): 4}


def test_another_incident_has_another_key(desk: Desk) -> None:
    keys = set()
    for cause in ("questions", "corpus_shift"):
        desk.drift(cause=cause)
        keys.add(desk.deliver().key)
        desk.quiet()
        desk.deliver()
    assert len(keys) == 2


def test_a_newer_update_supersedes_what_still_waits(desk: Desk) -> None:
    desk.drift()
    desk.drift(A, B)
    desk.drift(B)
    delivery = desk.deliver()
    assert delivery.kind == "opened"
    assert delivery.payload["fired"] == [B]
    assert desk.results() == ["superseded", "superseded", "delivered"]
    assert desk.counts() == {("pager", "delivered"): 1, ("pager", "superseded"): 2}


def test_what_is_on_its_way_is_not_superseded_and_nothing_overtakes_it(desk: Desk) -> None:
    desk.drift()
    flying = desk.take()
    desk.drift(A, B)
    assert desk.claim() is None
    assert desk.store.delivered(flying, desk.now)
    assert desk.deliver().kind == "updated"


def test_what_fails_on_its_way_gives_way_to_what_is_newer(desk: Desk) -> None:
    desk.drift()
    flying = desk.take()
    desk.drift(A, B)
    desk.fail(flying, AWAY)
    assert desk.results() == ["superseded", None]
    assert desk.deliver().kind == "opened"


@pytest.mark.parametrize(("receipt", "resolved"), [(None, False), (AWAY, False), (RETRY, True)])
def test_a_resolution_goes_only_where_the_opening_may_have_come(
    desk: Desk, receipt: Receipt | None, resolved: bool
) -> None:
    desk.drift()
    if receipt is not None:
        desk.fail(desk.take(), receipt)
    desk.quiet()
    delivery = desk.claim()
    assert (delivery is not None) is resolved
    assert desk.results() == ["superseded", None if resolved else "superseded"]


def test_a_killed_dispatcher_s_delivery_is_sent_again_after_its_lease_under_the_same_key(desk: Desk) -> None:
    desk.drift()
    killed = desk.take()
    assert desk.claim() is None
    desk.now += LEASE
    again = desk.take()
    assert (again.id, again.key, again.kind, again.attempts) == (killed.id, killed.key, "opened", 2)
    assert again.in_doubt
    assert not desk.store.delivered(killed, desk.now)  # it comes back from the dead, and holds nothing
    assert desk.store.delivered(again, desk.now)
    assert desk.counts() == {("pager", "delivered"): 1}


def test_a_day_of_failures_is_tried_through_and_then_it_dies(desk: Desk) -> None:
    desk.drift()
    began, attempts = desk.now, []
    while (delivery := desk.claim()) is not None:
        attempts.append(desk.now - began)
        dead = desk.fail(delivery, RETRY, draw=0.999)
        if dead:
            break
        (due,) = desk.docs.query("SELECT next_attempt_at FROM outbox WHERE notifier = 'pager'")
        due = due if isinstance(due, datetime) else datetime.fromisoformat(due)
        desk.now = due.replace(tzinfo=UTC) if due.tzinfo is None else due.astimezone(UTC)
    assert dead
    assert attempts[-1] >= timedelta(hours=24)
    assert attempts[-2] < timedelta(hours=24)
    pauses = [b - a for a, b in pairwise(attempts)]
    assert max(pauses) <= timedelta(seconds=900)
    assert pauses[:3] == sorted(pauses[:3])
    assert desk.counts() == {("pager", "retried"): len(attempts) - 1, ("pager", "dead"): 1}
    assert desk.claim() is None
    (letter,) = desk.store.letters("dead")
    assert (letter.state, letter.attempts, letter.last_error) == ("dead", len(attempts), RETRY.reason)


def test_what_a_receiver_asks_for_is_kept(desk: Desk) -> None:
    desk.drift()
    desk.fail(desk.take(), Receipt("retry", "429", retry_after=60), draw=0.0)
    desk.now += timedelta(seconds=59)
    assert desk.claim() is None
    desk.now += timedelta(seconds=1)
    assert desk.claim() is not None


def test_a_refusal_dies_at_once_and_is_replayed_under_its_key(desk: Desk) -> None:
    desk.drift()
    refused = desk.take()
    assert desk.fail(refused, REFUSED)
    assert desk.store.outbox_figures(desk.now).backlogs["pager"].dead == 1
    assert desk.store.replay([refused.id], "test") == 1
    desk.now = datetime.now(UTC) + HOUR  # a replay is due by the database's clock
    again = desk.deliver()
    assert (again.id, again.key, again.attempts) == (refused.id, refused.key, 1)
    assert [entry.action for entry in desk.store.audit("docs")][-1] == "replay_delivery"
    with pytest.raises(ConfigError, match="no dead delivery"):
        desk.store.replay([refused.id], "test")


def test_a_dead_opening_is_not_replayed_over_what_came_after_it(desk: Desk) -> None:
    desk.drift()
    dead = desk.take()
    desk.fail(dead, REFUSED)
    desk.quiet()
    assert desk.claim() is None  # nobody was told, so there is nothing to resolve
    with pytest.raises(ConfigError, match="is newer"):
        desk.store.replay([dead.id], "test")
    assert desk.store.replay(None, "test") == 0
    assert desk.store.drop(None, "test", "it is over") == 1
    assert desk.results() == ["dropped", "superseded"]
    assert desk.store.letters("dead") == []


def silence(desk: Desk, hours: float, collection: str = "docs", cause: str = "") -> Silence:
    return desk.store.add_silence(
        collection, cause, desk.now - HOUR, desk.now + hours * HOUR, "ops", "migration"
    )


def test_a_silence_holds_back_and_what_stands_at_its_end_is_told_once(desk: Desk) -> None:
    silence(desk, 2)
    desk.drift()
    assert desk.claim() is None
    desk.drift(A, B)
    assert desk.claim() is None
    figures = desk.store.outbox_figures(desk.now)
    assert "pager" not in figures.backlogs  # what a silence holds back is not late
    assert figures.silences == 1
    desk.now += 2 * HOUR
    delivery = desk.deliver()
    assert (delivery.kind, delivery.payload["fired"]) == ("opened", [A, B])
    desk.now += HOUR
    assert desk.claim() is None
    assert desk.counts()["pager", "silenced"] == 2
    assert desk.counts()["pager", "delivered"] == 1


def test_a_silence_that_is_ended_early_lets_through_within_a_minute(desk: Desk) -> None:
    desk.now = datetime.now(UTC)
    made = silence(desk, 24)
    desk.drift()
    assert desk.claim() is None
    desk.store.end_silence(made.id, "ops")
    desk.now += timedelta(seconds=40)
    assert desk.deliver().kind == "opened"


def test_what_resolves_behind_a_silence_is_never_told(desk: Desk) -> None:
    silence(desk, 24)
    desk.drift()
    assert desk.claim() is None
    desk.quiet()
    desk.now += 48 * HOUR
    assert desk.claim() is None
    assert desk.results() == ["silenced", "superseded"]


def test_a_resolution_passes_a_silence(desk: Desk) -> None:
    desk.drift()
    desk.deliver()
    silence(desk, 24)
    desk.quiet()
    assert desk.deliver().kind == "resolved"


def test_a_silence_of_another_cause_or_collection_silences_nothing(desk: Desk) -> None:
    silence(desk, 24, cause="corpus_shift")
    silence(desk, 24, collection="wiki")
    desk.drift(cause="questions")
    assert desk.deliver().kind == "opened"


def test_a_planned_change_opens_a_grace_period_and_is_named_in_what_is_told_after_it(desk: Desk) -> None:
    event = {
        "key": "push-1", "collection": "", "at": desk.now - HOUR, "kind": "model_push", "title": "embedder 2",
        "planned": True, "grace_until": desk.now + HOUR, "recorded_at": desk.now, "recorded_by": "ci",
    }  # fmt: skip
    desk.docs.add(EventRow, event)
    desk.drift()
    assert desk.claim() is None
    desk.now += HOUR
    delivery = desk.deliver()
    assert [e.title for e in delivery.events] == ["embedder 2"]


def test_an_acknowledged_incident_is_told_again_only_when_it_gets_worse_or_resolves(desk: Desk) -> None:
    desk.drift()
    incident = desk.deliver().payload["incident"]
    desk.store.acknowledge(incident, "ada")
    assert desk.store.waiting().facts
    desk.route()
    said = desk.deliver()
    assert (said.kind, said.acknowledged_by) == ("acknowledged", "ada")
    desk.route()
    assert desk.claim() is None  # once
    desk.drift(A, B)
    assert desk.claim() is None
    desk.drift(A, severity="critical")
    assert desk.deliver().kind == "updated"
    desk.quiet()
    assert desk.deliver().kind == "resolved"
    assert desk.results() == ["delivered", "delivered", "silenced", "delivered", "delivered"]


def test_what_comes_and_goes_keeps_its_key_and_from_the_third_time_on_calls_nobody(desk: Desk) -> None:
    told: list[tuple[str, int]] = []
    keys = set()
    for _ in range(6):
        for step in (desk.drift, desk.quiet):
            step()
            while (delivery := desk.claim()) is not None:
                told.append((delivery.kind, delivery.openings))
                keys.add(delivery.key)
                desk.store.delivered(delivery, desk.now)
    assert [kind for kind, _ in told[:5]] == ["opened", "resolved", "opened", "resolved", "opened"]
    assert {kind for kind, _ in told[5:]} == {"updated"}
    assert told[-1] == ("updated", 6)
    assert len(keys) == 1
    desk.now += HOUR
    assert desk.deliver().kind == "resolved"
    assert desk.claim() is None


def test_two_replicas_route_and_claim_once(desk: Desk, url: str) -> None:
    desk.now = datetime.now(UTC) + HOUR
    for number in range(4):
        desk.window(**desk.docs.drift(A, cause=f"cause{number}"))
        desk.window()
    claimed: list[int] = []

    def work() -> None:
        store = Store.open(url)
        while store.fan_out((PAGER, CHAT), desk.damping, desk.now):
            pass
        while (delivery := store.claim_delivery("pager", LEASE, desk.now)) is not None:
            claimed.append(delivery.id)
            store.delivered(delivery, desk.now)
        store.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(Counter(claimed).values(), default=1) == 1
    pairs = desk.docs.query("SELECT fact_id, notifier FROM outbox WHERE notifier IS NOT NULL")
    assert len(pairs) == len(set(pairs)) == 8


def test_a_notifier_that_is_new_hears_of_what_stands(desk: Desk) -> None:
    desk.routes = ()
    desk.drift()
    assert desk.docs.query("SELECT result FROM outbox") == ["routed"]
    for _ in range(2):
        desk.store.adopt((PAGER, CHAT), desk.damping, desk.now)
    assert desk.deliver().kind == "opened"
    assert desk.claim() is None
    assert desk.claim("chat") is None


def test_what_waits_for_a_notifier_that_is_gone_dies_and_says_why(desk: Desk) -> None:
    desk.drift()
    assert desk.store.expire(["chat"], Patience(), desk.now) == 0
    desk.now += timedelta(hours=25)
    assert desk.store.expire(["pager"], Patience(), desk.now) == 0
    assert desk.store.expire(["chat"], Patience(), desk.now) == 1
    (letter,) = desk.store.letters()
    assert "no entry of notify is called 'pager'" in letter.last_error


def test_the_figures_say_how_long_the_oldest_is_late(desk: Desk) -> None:
    desk.drift()
    desk.now += HOUR
    backlog = desk.store.outbox_figures(desk.now).backlogs["pager"]
    assert (backlog.pending, backlog.oldest_age, backlog.dead) == (1, 3600.0, 0)
    desk.deliver()
    assert desk.store.outbox_figures(desk.now).backlogs == {}
