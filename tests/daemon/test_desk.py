from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.daemon.desk import offered
from monitor.errors import BaselineError, ConfigError
from monitor.records import BaselineInfo, Event
from monitor.store import Store
from tests.core_fakes import past

HOUR = timedelta(hours=1)
PLANNED = Event("plan", past.NOW - HOUR, "reindex", "new chunks", planned=True, grace_until=past.NOW + HOUR)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path_factory.mktemp('past')}/driftmon.db"
    past.fill(url, 40)
    opened = Store.open(url)
    yield opened
    opened.close()


def baseline(start: timedelta) -> BaselineInfo:
    begin = PLANNED.at + start
    return BaselineInfo(3, past.NAME, begin, "test", "", begin, begin + HOUR, active=False, model="m")


def test_a_page_holds_the_past_of_a_collection_and_what_concerns_it(store: Store) -> None:
    desk = past.make_desk(store)
    view = desk.collection(past.NAME, 7)
    assert view is not None
    assert (view["windows_seen"], len(view["streams"])) == (40, past.STREAMS)
    assert view["streams"][0]["firing"]
    assert [e["key"] for e in view["events"]] == ["push", "plan"]
    segment = desk.collection(past.SEGMENT, 7)
    assert segment is not None
    # What is told of a collection concerns its segments.
    assert [e["key"] for e in segment["events"]] == ["push", "plan"]
    assert [s["collection"] for s in segment["silences"]] == [past.NAME]
    assert desk.collection("none", 7) is None


def test_a_baseline_is_offered_after_a_planned_change_until_one_is_taken() -> None:
    (command,) = offered(past.SEGMENT, [PLANNED], [baseline(-HOUR)], past.NOW)
    assert command.startswith("driftmon baseline build support-docs --start 2026-03-20T13:00:00Z")
    assert offered(past.NAME, [PLANNED], [baseline(HOUR)], past.NOW) == ()
    assert offered(past.NAME, [PLANNED], [], past.NOW + timedelta(days=15)) == ()
    assert offered(past.NAME, [replace(PLANNED, planned=False)], [], past.NOW) == ()
    assert offered(past.NAME, [replace(PLANNED, at=past.NOW + HOUR)], [], past.NOW) == ()  # still to come


def test_an_incident_without_its_windows_is_still_shown(store: Store) -> None:
    desk = past.make_desk(store)
    view = desk.incident(1, texts=False)
    assert view is not None
    assert view["told"]["causes"][0]["name"] == "model_query_side"
    said = [step["said"] for step in view["timeline"]]
    assert said[:2] == ["A re-indexing: bge 1.5 to bge 2", "A model push: bge 1.5 to bge 2"]
    assert desk.incident(99, texts=False) is None


def test_a_baseline_of_another_collection_is_not_promoted(store: Store) -> None:
    desk = past.make_desk(store)
    with pytest.raises(BaselineError, match="no baseline 3"):
        desk.promote(past.NAME, 3, "noor", "")  # it is the segment's


def test_a_silence_needs_a_collection_and_a_span(store: Store) -> None:
    desk = past.make_desk(store)
    with pytest.raises(ConfigError, match="no collection 'none'"):
        desk.silence("none", "", "1h", "noor", "")
    for span in ("0s", "31d", "1y", ""):
        with pytest.raises(ConfigError, match="silence"):
            desk.silence(past.NAME, "", span, "noor", "")
