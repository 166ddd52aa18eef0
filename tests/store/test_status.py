from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from monitor.records import CollectionStatus, Evidence
from monitor.store import Store

if TYPE_CHECKING:
    from tests.store.conftest import Docs

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEASE = timedelta(minutes=5)


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().startswith("SELECT"):
            seen.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    yield seen
    event.remove(store.engine, "before_cursor_execute", note)


def test_a_collection_that_nobody_knows_has_an_empty_status(store: Store) -> None:
    assert store.statuses(["docs"]) == (
        CollectionStatus(
            collection="docs",
            window_end=None,
            readings=(),
            evidence=(),
            verdict=None,
            incidents=(),
            windows={"planned": 0, "running": 0, "done": 0, "parked": 0},
            sample_sizes={},
            baseline_id=None,
            baseline_model="",
            log_threshold=0.0,
        ),
    )
    assert store.statuses([]) == ()


def test_a_status_tells_the_last_done_window(store: Store, docs: Docs) -> None:
    docs.plan(5)
    store.fail(docs.claim(), "index down", 1, timedelta(0))
    for _ in range(2):
        claimed = docs.claim()
        made = docs.outcome(claimed)
        store.commit(claimed, made)
    docs.claim()
    (status,) = store.statuses(["docs"])
    assert status.window_end == NOON + 3 * HOUR
    assert status.window_length == HOUR
    assert status.verdict == made.verdict
    assert {r.key: r for r in status.readings} == {r.key: r for r in made.readings}
    assert status.evidence == (Evidence("canary", "canary"), Evidence("centroid_distance", "queries", 1.5))
    assert status.windows == {"planned": 1, "running": 1, "done": 2, "parked": 1}
    assert status.sample_sizes == {"queries": 400, "canary": 64}
    assert (status.baseline_id, status.baseline_model) == (docs.baseline, "m1")


def test_statuses_keep_the_callers_order_and_ask_a_fixed_number_of_questions(
    store: Store, docs: Docs
) -> None:
    with statements(store) as for_none:
        store.statuses(["docs"])
    names = ["docs", *(f"c{i}" for i in range(9))]
    for name in names:
        docs.plan(1, name)
        claimed = docs.claim(name)
        store.commit(claimed, docs.outcome(claimed, **docs.drift("canary.canary")))
    with statements(store) as for_all:
        found = store.statuses(names)
    assert [status.collection for status in found] == names
    assert all(status.incidents[0].collection == status.collection for status in found)
    assert all(len(status.readings) == 2 for status in found)
    assert len(for_all) == len(for_none) == 8


def test_history_is_the_newest_windows_of_a_span_oldest_first(store: Store, docs: Docs) -> None:
    docs.plan(6)
    for _ in range(5):
        claimed = docs.claim()
        store.commit(claimed, docs.outcome(claimed))
    ends = [past.end for past in store.history("docs", NOON, NOON + 10 * HOUR)]
    assert ends == [NOON + i * HOUR for i in range(1, 6)]
    some = store.history("docs", NOON + HOUR, NOON + 4 * HOUR, limit=2)
    assert [past.end for past in some] == [NOON + 3 * HOUR, NOON + 4 * HOUR]
    assert all(len(past.readings) == 2 for past in some)
    assert store.history("other", NOON, NOON + HOUR) == []


def test_errors_of_parked_and_waiting_windows_are_shown_until_they_are_done(store: Store, docs: Docs) -> None:
    docs.plan(2)
    store.fail(docs.claim(), "poison", 1, timedelta(0))
    store.fail(docs.claim(), "index did not answer", 5, timedelta(0))
    assert [(e.start, e.end, e.state, e.attempts, e.error) for e in store.window_errors("docs")] == [
        (NOON, NOON + HOUR, "parked", 1, "poison"),
        (NOON + HOUR, NOON + 2 * HOUR, "planned", 1, "index did not answer"),
    ]
    assert [e.error for e in store.window_errors("docs", limit=1)] == ["index did not answer"]
    claimed = docs.claim()
    store.commit(claimed, docs.outcome(claimed))
    assert [e.error for e in store.window_errors("docs")] == ["poison"]
