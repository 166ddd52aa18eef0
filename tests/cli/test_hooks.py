"""driftmon notify, outbox, silence, acknowledge, and the hooks in check: on the example, with a real receiver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.messages import DELIVERED, Message, Receipt
from monitor.store import Store, schema
from monitor.telling import Damping, Patience, Route
from tests.cli.conftest import Said, call
from tests.core_fakes.receiver import Receiver, receiving
from tests.store.conftest import Docs

HOUR = timedelta(hours=1)
NOW = datetime.now(UTC)


class Nobody:
    def send(self, message: Message) -> Receipt:
        return DELIVERED

    def describe(self) -> str:
        return ""


@dataclass
class Place:
    """A configuration with two hooks whose receiver is real, and a database with one incident."""

    config: str
    receiver: Receiver
    store: Store
    docs: Docs

    def call(self, *arguments: str) -> Said:
        return call(*arguments, "--config", self.config)

    def json(self, *arguments: str) -> Said:
        return self.call(*arguments, "--json")

    def kill(self, receipt: Receipt) -> int:
        """Let the incident's delivery to the hook fail."""
        delivery = self.store.claim_delivery("hook", HOUR)
        assert delivery is not None
        self.store.undelivered(delivery, receipt, Patience(), 0.5)
        return delivery.id


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with receiving() as receiver:
        config = tmp_path / "driftmon.yaml"
        (tmp_path / "log.jsonl").write_text("")
        near = "allow_private: [localhost], timeout: 5"
        config.write_text(
            "database: sqlite:///told.db\n"
            "collections: {docs: {source: {type: file, path: log.jsonl}}}\n"
            "notify:\n"
            f"  - {{type: webhook, name: hook, url: '{receiver.url}', {near}}}\n"
            f"  - {{type: slack, url: '{receiver.url}', {near}}}\n"
        )
        url = f"sqlite:///{tmp_path}/told.db"
        schema.upgrade(url)
        store = Store.open(url)
        docs = Docs(store)
        docs.plan(1)
        docs.work(**docs.drift("canary.canary"))
        store.fan_out((Route("hook", Nobody()),), Damping())
        yield Place(str(config), receiver, store, docs)
        store.close()


def test_check_connects_to_the_hooks_and_tells_nobody(place: Place) -> None:
    said = place.json("check")
    hooks = {f["edge"]: f for f in said.json["findings"] if f["collection"] == "notify"}
    assert hooks["hook"]["ok"]
    assert hooks["hook"]["text"] == "webhook at localhost: reachable (critical and warning, pages)"
    assert hooks["slack"]["text"] == "Slack at localhost: reachable (critical and warning)"
    assert place.receiver.calls == []
    place.receiver.close()
    gone = place.json("check")
    assert gone.code == 3
    assert not {f["edge"]: f for f in gone.json["findings"]}["hook"]["ok"]


def test_a_test_goes_through_one_hook_and_is_resolved(place: Place) -> None:
    said = place.json("notify", "test", "hook")
    assert (said.code, said.json) == (0, {"notifier": "hook", "delivered": True, "resolved": True})
    firing, resolved = place.receiver.calls
    assert firing.json["groupKey"] == resolved.json["groupKey"]
    assert (firing.json["status"], resolved.json["status"]) == ("firing", "resolved")
    assert "test" in firing.json["alerts"][0]["annotations"]["summary"]
    assert place.store.letters()[0].attempts == 0


def test_a_test_that_fails_says_why(place: Place) -> None:
    place.receiver.script.append(404)
    said = place.call("notify", "test", "hook")
    assert said.code == 3
    assert "hook: not delivered: localhost: answers 404; correct url" in said.err
    unknown = place.call("notify", "test", "hok")
    assert (unknown.code, "there are hook, slack" in unknown.err) == (2, True)


def test_dead_letters_are_listed_replayed_and_dropped(place: Place) -> None:
    waiting = place.json("outbox", "list").json["deliveries"]
    assert [(d["notifier"], d["state"]) for d in waiting] == [("hook", "waiting")]
    assert place.json("outbox", "list", "--dead").json == {"deliveries": []}
    number = place.kill(Receipt("refused", "hook: answers 401"))
    (dead,) = place.json("outbox", "list", "--dead").json["deliveries"]
    assert (dead["id"], dead["last_error"]) == (number, "hook: answers 401")
    assert "answers 401" in place.call("outbox", "list").out
    assert place.json("outbox", "replay", str(number)).json == {"replayed": 1}
    place.kill(Receipt("refused", "hook: answers 401"))
    assert place.json("outbox", "drop", "--all", "--reason", "over").json == {"dropped": 1}
    assert place.json("outbox", "list").json == {"deliveries": []}
    assert place.json("outbox", "list", "--all").json["deliveries"][0]["state"] == "dropped"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("outbox", "replay"), "name the deliveries by their numbers, or give --all"),
        (("outbox", "replay", "1", "--all"), "name the deliveries by their numbers, or give --all"),
        (("outbox", "replay", "99"), "no dead delivery 99; `driftmon outbox list --dead`"),
        (("outbox", "list", "--dead", "--all"), "contradict each other"),
        (("silence", "add", "docs", "--reason", "x"), "say how long: --for 2h"),
        (("silence", "add", "docs", "--reason", "x", "--for", "2"), "--for: a duration is a number and a unit"),
        (("silence", "add", "docs", "--reason", "x", "--for", "100d"), "a silence lasts at most 90d"),
        (("silence", "add", "docs", "--reason", " ", "--for", "2h"), "--reason: is empty"),
        (("silence", "add", "dcos", "--reason", "x", "--for", "2h"), "no collection 'dcos'"),
        (("silence", "add", "--reason", "x", "--for", "2h", "--cause", "moon"), "'moon' is no cause; known are"),
        (("silence", "add", "--reason", "x", "--until", "2020-01-01"), "would have ended already"),
        (("silence", "end", "9"), "no silence 9"),
        (("acknowledge", "9"), "no incident 9"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_the_mend(place: Place, arguments: tuple[str, ...], said: str) -> None:
    answer = place.call(*arguments)
    assert answer.code == 2
    assert said in answer.err


def test_a_silence_is_added_listed_and_ended(place: Place) -> None:
    made = place.json(
        "silence", "add", "docs", "--for", "2h", "--cause", "questions", "--reason", "migration"
    )
    assert made.code == 0
    number = made.json["id"]
    (silence,) = place.json("silence", "list").json["silences"]
    assert (silence["collection"], silence["cause"], silence["reason"], silence["holds"]) == (
        "docs", "questions", "migration", True,
    )  # fmt: skip
    assert "migration" in place.call("silence", "list").out
    assert place.store.claim_delivery("hook", HOUR) is None
    assert place.json("silence", "end", str(number)).json == {"ended": number}
    assert place.call("silence", "list").out == "no silence\n"


def test_an_incident_is_acknowledged(place: Place) -> None:
    delivery = place.store.claim_delivery("hook", HOUR)
    assert delivery is not None
    place.store.delivered(delivery)
    said = place.json("acknowledge", "1")
    assert (said.code, said.json["id"]) == (0, 1)
    assert place.store.waiting().facts
    assert [entry.action for entry in place.store.audit("docs")][-1] == "acknowledge"
