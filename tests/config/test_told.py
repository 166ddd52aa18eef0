from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.told import EventsConfig, read_event
from monitor.errors import ConfigError
from monitor.records import Event

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOURS = timedelta(hours=2)


def read(body: Any) -> Event:
    return read_event(body, now=NOW, by="ci", grace=HOURS, collections=["docs"])


def test_what_is_left_out_has_a_plain_meaning() -> None:
    event = read({"kind": "deploy", "title": " v2 "})
    assert (event.at, event.title, event.collection, event.planned) == (NOW, "v2", "", False)
    assert event.grace_until is None
    assert event.key.startswith("deploy-")
    assert event.key != read({"kind": "deploy", "title": "v2"}).key


def test_the_same_words_at_the_same_time_have_the_same_key() -> None:
    body = {"kind": "deploy", "title": "v2", "at": "2026-03-02T11:00:00+00:00"}
    assert read(body).key == read({**body, "at": "2026-03-02T12:00:00+01:00"}).key
    assert read(body).key != read({**body, "title": "v3"}).key


def test_a_planned_change_has_the_grace_of_the_setting_or_its_own() -> None:
    body = {"kind": "reindex", "title": "new chunks", "planned": True}
    assert read(body).grace_until == NOW + HOURS
    assert read({**body, "grace": "30m"}).grace_until == NOW + timedelta(minutes=30)


@pytest.mark.parametrize("grace", ["0s", "31d"])
def test_the_setting_is_bounded(grace: str) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 30d"):
        EventsConfig.model_validate({"grace": grace})


@given(st.binary(max_size=200))
def test_whatever_is_sent_is_an_event_or_a_plain_error(body: bytes) -> None:
    with pytest.raises(ConfigError, match="event"):
        read(body)


@given(st.dictionaries(st.sampled_from(["kind", "title", "at", "key", "planned", "grace", "url"]), st.text()))
def test_whatever_stands_in_the_fields_is_an_event_or_a_plain_error(body: dict[str, str]) -> None:
    with suppress(ConfigError):
        event = read(body)
        assert event.title.isprintable()
        assert event.url == "" or event.url.startswith("http")
