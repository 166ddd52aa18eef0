from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Select

from monitor.errors import LeaseLostError
from monitor.records import Window
from monitor.store import Claim, Store, ledger
from monitor.store.engine import reading

if TYPE_CHECKING:
    from tests.store.conftest import Docs

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NEVER = timedelta(0)
LEASE = timedelta(minutes=5)


def test_a_collection_is_worked_serially_and_in_order(store: Store, docs: Docs) -> None:
    docs.plan(3)
    first = docs.claim()
    assert first == Claim(
        Window("docs", NOON, NOON + HOUR), first.window_id, fence=1, attempts=1, backfill=True
    )
    assert store.claim(["docs"], "other", LEASE) is None
    store.commit(first, docs.outcome(first))
    second = docs.claim()
    assert second.window.start == NOON + HOUR


def test_the_oldest_end_comes_first_over_collections(store: Store, docs: Docs) -> None:
    docs.plan(3, "b")
    docs.plan(2, "c")
    docs.plan(3, "a")
    taken = [store.claim(["a", "b", "c"], "worker", LEASE) for _ in range(4)]
    assert [t and t.window.collection for t in taken] == ["a", "b", "c", None]
    store.release(taken[2])  # type: ignore[arg-type]
    again = store.claim(["a", "b", "c"], "worker", LEASE)
    assert again is not None
    assert again.window == taken[2].window  # type: ignore[union-attr]


def test_only_the_named_collections_are_claimed(store: Store, docs: Docs) -> None:
    docs.plan(1)
    assert store.claim(["other"], "worker", LEASE) is None
    assert store.claim([], "worker", LEASE) is None


def test_an_expired_lease_is_claimed_anew_under_a_higher_fence(store: Store, docs: Docs) -> None:
    docs.plan(1)
    stalled = docs.claim(lease=timedelta(milliseconds=50))
    time.sleep(0.1)
    fresh = docs.claim()
    assert fresh.window == stalled.window
    assert (fresh.fence, fresh.attempts) == (stalled.fence + 1, 2)
    with pytest.raises(LeaseLostError, match="no longer held"):
        store.renew(stalled, LEASE)
    with pytest.raises(LeaseLostError, match="no longer held"):
        store.release(stalled)
    with pytest.raises(LeaseLostError, match="no longer held"):
        store.fail(stalled, "late", 5, NEVER)
    store.renew(fresh, LEASE)


def test_renew_extends_the_lease_from_now(store: Store, docs: Docs) -> None:
    docs.plan(1)
    held = docs.claim(lease=timedelta(milliseconds=50))
    store.renew(held, LEASE)
    time.sleep(0.1)
    assert store.claim(["docs"], "other", LEASE) is None


def test_release_gives_the_window_back_and_takes_the_attempt_back(store: Store, docs: Docs) -> None:
    docs.plan(1)
    held = docs.claim()
    store.release(held)
    again = docs.claim()
    assert (again.fence, again.attempts) == (2, 1)
    with pytest.raises(LeaseLostError):
        store.release(held)


def test_a_failed_window_waits_and_holds_back_those_after_it(store: Store, docs: Docs) -> None:
    docs.plan(2)
    store.fail(docs.claim(), "index did not answer", 5, timedelta(milliseconds=300))
    assert store.claim(["docs"], "worker", LEASE) is None
    time.sleep(0.4)
    again = docs.claim()
    assert (again.window.start, again.attempts) == (NOON, 2)


def test_a_poison_window_is_parked_visible_and_passed_over(store: Store, docs: Docs) -> None:
    docs.plan(2)
    for _ in range(3):
        store.fail(docs.claim(), "poison \0 " + "x" * 5000, 3, NEVER)
    assert docs.claim().window.start == NOON + HOUR
    (error,) = store.window_errors("docs")
    assert (error.start, error.state, error.attempts) == (NOON, "parked", 3)
    assert error.error.startswith("poison � xxx")
    assert len(error.error) == ledger.ERROR_LENGTH


def test_a_window_that_kills_its_workers_is_parked(store: Store, docs: Docs) -> None:
    docs.plan(2)
    for _ in range(3):
        assert store.claim(["docs"], "w7", NEVER, crash_limit=3) is not None
        time.sleep(0.005)
    survivor = store.claim(["docs"], "w8", LEASE, crash_limit=3)
    assert survivor is not None
    assert survivor.window.start == NOON + HOUR
    (error,) = store.window_errors("docs")
    assert (error.state, error.error) == (
        "parked",
        "its worker vanished in attempt 3 (killed? out of memory?): w7",
    )


def test_a_claim_looks_through_unfinished_windows_only(store: Store, kind: str, docs: Docs) -> None:
    docs.plan(3000, max_backfill=3000)
    docs.change(
        "UPDATE windows SET state = 'done' WHERE start_at < :now", now=moment(kind, NOON + 2990 * HOUR)
    )
    docs.change("ANALYZE")
    steps = explain(store, ledger.DUE, {"collections": ["docs"]})
    assert "ix_windows_unfinished" in steps
    assert "Seq Scan on windows" not in steps
    assert "SCAN windows" not in steps


def explain(store: Store, statement: Select[Any], values: dict[str, Any]) -> str:
    compiled = statement.compile(store.engine)
    processors: Any = compiled._bind_processors
    bound = {
        name: processors[name](value) if name in processors else value
        for name, value in compiled.construct_params(values).items()
    }
    arguments = bound if compiled.positiontup is None else tuple(bound[name] for name in compiled.positiontup)
    word = "EXPLAIN" if store.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with reading(store.engine) as connection:
        return " ".join(str(row) for row in connection.exec_driver_sql(f"{word} {compiled}", arguments))


def moment(kind: str, at: datetime) -> object:
    return at if kind == "postgresql" else f"{at:%F %T}.000000"
