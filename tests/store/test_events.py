from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from monitor.records import Event
from monitor.store import Store
from monitor.store.retention import Retention
from tests.store.conftest import HOUR, NOON

if TYPE_CHECKING:
    from tests.store.conftest import Docs

PUSH = Event("run-7", NOON, "model_push", "bge 2", "docs", url="https://ci.example.com/7", recorded_by="ci")


def test_an_event_is_kept_once_and_as_it_was_told_first(store: Store) -> None:
    assert store.add_event(PUSH) == (PUSH, True)
    assert store.add_event(replace(PUSH, title="otherwise", at=NOON + HOUR)) == (PUSH, False)
    assert store.events(None, NOON, NOON + HOUR) == [PUSH]
    (entry,) = store.audit("docs")
    assert (entry.actor, entry.action, entry.subject) == ("ci", "record_event", "event run-7")


def test_many_who_tell_the_same_at_once_keep_one(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: store.add_event(PUSH), range(16)))
    assert sum(created for _, created in told) == 1
    assert len(store.audit("docs")) == 1


def test_a_collection_hears_of_its_own_and_of_what_concerns_all(store: Store) -> None:
    for key, collection, hours in (("a", "docs", 0), ("b", "", 1), ("c", "wiki", 2), ("d", "docs", 3)):
        store.add_event(replace(PUSH, key=key, collection=collection, at=NOON + hours * HOUR))
    heard = store.events(["docs"], NOON, NOON + 3 * HOUR)
    assert [event.key for event in heard] == ["b", "a"]  # the newest first, and the end is open
    assert [event.key for event in store.events(None, NOON, NOON + 9 * HOUR, 2)] == ["d", "c"]
    latest = store.latest_events(NOON + 2 * HOUR)
    assert latest == {
        ("docs", "model_push"): NOON,
        ("", "model_push"): NOON + HOUR,
        ("wiki", "model_push"): NOON + 2 * HOUR,
    }


def test_a_grace_period_holds_from_the_change_to_its_end(store: Store) -> None:
    planned = replace(PUSH, planned=True, grace_until=NOON + 2 * HOUR)
    store.add_event(planned)
    store.add_event(replace(PUSH, key="unplanned"))
    moments = (-HOUR, 0 * HOUR, HOUR, 2 * HOUR)
    assert [store.graces(NOON + moment) == [planned] for moment in moments] == [False, True, True, False]


def test_old_events_go_with_the_incidents_they_stood_beside(store: Store, docs: Docs) -> None:
    docs.plan(1)
    docs.work()
    for key, days in (("old", 401), ("young", 10)):
        store.add_event(replace(PUSH, key=key, at=NOON - timedelta(days=days)))
        store.add_event(replace(PUSH, key=f"{key}-all", collection="", at=NOON - timedelta(days=days)))
    store.add_event(replace(PUSH, key="other", collection="wiki", at=NOON - timedelta(days=401)))
    assert store.retain("docs", Retention(), NOON + HOUR).events == 2
    kept = store.events(None, NOON - timedelta(days=900), NOON + HOUR)
    assert {event.key for event in kept} == {"young", "young-all", "other"}
