from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.errors import ConfigError
from monitor.store import Store
from tests.store.conftest import HOUR, NOON


def test_a_silence_is_listed_until_it_ends(store: Store) -> None:
    silence = store.add_silence("docs", "questions", NOON, NOON + HOUR, "noor", "a launch")
    assert store.silences(NOON - HOUR) == store.silences(NOON) == [silence]
    assert store.silences(NOON + HOUR) == []
    assert [(e.actor, e.action) for e in store.audit("docs")] == [("noor", "silence")]


def test_a_silence_can_be_ended(store: Store) -> None:
    now = datetime.now(UTC)
    silence = store.add_silence("docs", "", now - HOUR, now + timedelta(days=1), "noor", "a launch")
    store.end_silence(silence.id, "noor")
    assert store.silences(datetime.now(UTC) + timedelta(minutes=1)) == []
    with pytest.raises(ConfigError, match="no silence 99"):
        store.end_silence(99, "noor")


def test_an_empty_span_is_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match="ends after it begins"):
        store.add_silence("docs", "", NOON, NOON, "noor", "")
