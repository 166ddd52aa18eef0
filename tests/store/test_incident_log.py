from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from monitor.errors import ConfigError
from monitor.store import Store
from tests.store.conftest import HOUR, NOON

if TYPE_CHECKING:
    from tests.store.conftest import Docs

A = "canary.canary"


def test_an_incident_is_found_with_its_first_window(store: Store, docs: Docs) -> None:
    docs.plan(2)
    docs.work()
    docs.work(**docs.drift(A, confidence=0.8))
    (found,) = store.incidents("docs", NOON)
    assert found == store.incident(found.incident.id)
    assert (found.first_window, found.incident.opened_at) == (NOON + HOUR, NOON + 2 * HOUR)
    assert (found.confidence, found.acknowledged_by) == (0.8, "")
    assert found.announced_at is not None
    assert store.incidents("wiki", NOON) == []
    assert store.incident(99) is None


def test_the_first_to_acknowledge_stays(store: Store, docs: Docs) -> None:
    docs.plan(1)
    docs.work(**docs.drift(A))
    (found,) = store.incidents("docs", NOON)
    store.acknowledge(found.incident.id, "noor")
    store.acknowledge(found.incident.id, "sam")
    again = store.incident(found.incident.id)
    assert again is not None
    assert again.acknowledged_by == "noor"
    assert again.acknowledged_at is not None
    assert [entry.actor for entry in store.audit("docs") if entry.action == "acknowledge"] == ["noor"]


def test_what_is_resolved_or_unknown_cannot_be_acknowledged(store: Store, docs: Docs) -> None:
    docs.plan(2)
    docs.work(**docs.drift(A))
    docs.work()
    (found,) = store.incidents("docs", NOON)
    assert found.incident.resolved_at is not None
    assert store.incidents("docs", NOON + 3 * HOUR) == []  # it ended before
    with pytest.raises(ConfigError, match="is resolved"):
        store.acknowledge(found.incident.id, "noor")
    with pytest.raises(ConfigError, match="no incident 99"):
        store.acknowledge(99, "noor")
