from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from monitor.store import Store, outline
from tests.store.conftest import HOUR, NOON

if TYPE_CHECKING:
    from tests.store.conftest import Docs


def test_a_short_past_is_read_whole(store: Store, docs: Docs) -> None:
    docs.plan(3)
    for _ in range(3):
        docs.work()
    span = (NOON, NOON + 3 * HOUR)
    assert store.outline("docs", *span) == store.history("docs", *span)


def test_of_a_long_past_all_verdicts_and_the_readings_of_some(
    store: Store, docs: Docs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outline, "EVEN", 4)
    monkeypatch.setattr(outline, "FIRED", 2)
    docs.plan(20)
    for i in range(20):
        docs.work(**(docs.drift("canary.canary") if i in {2, 3, 6} else {}))
    found = store.outline("docs", NOON - timedelta(days=1), NOON + 20 * HOUR)
    assert [w.verdict.state for w in found].count("drift") == 3
    assert [i for i, w in enumerate(found) if w.readings] == [3, 4, 6, 9, 14, 19]
    assert len(store.outline("docs", NOON, NOON + 20 * HOUR, 5)) == 5
