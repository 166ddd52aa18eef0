from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from monitor.errors import BaselineError, StoreError
from monitor.records import BaselineInfo
from monitor.store import Store
from monitor.store.columns import clock
from monitor.store.engine import writing
from monitor.store.models import BaselineRow

if TYPE_CHECKING:
    from tests.store.conftest import Docs

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_a_baseline_comes_back_with_its_facts(store: Store, docs: Docs) -> None:
    identifier = docs.save()
    (info,) = store.baselines()
    assert abs(info.created_at - datetime.now(UTC)) < timedelta(seconds=30)
    assert info == BaselineInfo(
        id=identifier,
        collection="docs",
        created_at=info.created_at,
        created_by="test",
        reason="quiet week",
        start=NOON - timedelta(days=7),
        end=NOON,
        active=True,
        model="m1",
        meta={"records": 7},
    )
    assert store.active_baseline("docs") == info
    assert store.baseline_data(identifier) == b"frozen"


def test_baselines_are_listed_newest_first_and_by_collection(store: Store, docs: Docs) -> None:
    first, other, last = docs.save(), docs.save("other"), docs.save(activate=False)
    assert [info.id for info in store.baselines()] == [last, other, first]
    assert [(info.id, info.active) for info in store.baselines("docs")] == [(last, False), (first, True)]
    assert store.active_baseline("nowhere") is None


def test_promote_keeps_the_old_one_and_starts_evidence_anew(store: Store, docs: Docs) -> None:
    docs.plan(1)
    docs.work()
    assert store.state("docs").evidence
    new = docs.save(activate=False)
    assert store.state("docs").evidence
    store.promote(new, "sre", "the model was changed on purpose")
    assert [(info.id, info.active) for info in store.baselines("docs")] == [
        (new, True),
        (docs.baseline, False),
    ]
    assert store.state("docs").evidence == ()
    assert store.state("docs").corpus_seen is None
    assert [(e.action, e.actor, e.subject, e.reason) for e in store.audit("docs")] == [
        ("save_baseline", "test", f"baseline {docs.baseline}", "quiet week"),
        ("promote_baseline", "test", f"baseline {docs.baseline}", "quiet week"),
        ("save_baseline", "test", f"baseline {new}", "quiet week"),
        ("promote_baseline", "sre", f"baseline {new}", "the model was changed on purpose"),
    ]
    store.promote(docs.baseline, "sre", "and back")
    active = store.active_baseline("docs")
    assert active is not None
    assert active.id == docs.baseline


def test_another_collection_is_left_alone_by_a_promotion(store: Store, docs: Docs) -> None:
    docs.plan(1)
    docs.work()
    docs.save("other")
    assert store.state("docs").evidence
    assert store.state("docs").corpus_seen is not None


@pytest.mark.parametrize("act", [lambda s: s.promote(9, "a", "b"), lambda s: s.baseline_data(9)])
def test_an_unknown_number_is_named_with_the_mend(store: Store, act: Callable[[Store], object]) -> None:
    with pytest.raises(BaselineError, match=r"no baseline 9; `driftmon baseline list`"):
        act(store)


def test_the_database_itself_refuses_a_second_active_baseline(store: Store, docs: Docs) -> None:
    docs.save()
    row = {
        "collection": "docs",
        "created_by": "a",
        "reason": "",
        "span_start": NOON,
        "span_end": NOON,
        "data": b"",
    }
    with pytest.raises(StoreError), writing(store.engine) as connection:
        connection.execute(insert(BaselineRow).values(created_at=clock(), active=True, **row))
