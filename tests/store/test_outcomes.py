from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from monitor.errors import LeaseLostError, StoreError
from monitor.records import Reading, Rejection, Sample
from monitor.store import Store
from monitor.store.outcomes import EXAMPLE_LENGTH, EXAMPLES, REASONS

if TYPE_CHECKING:
    from tests.store.conftest import Docs

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEASE = timedelta(minutes=5)
TABLES = ("profiles", "readings", "streams", "evidence", "incidents", "outbox")


def test_a_commit_keeps_every_part(store: Store, docs: Docs) -> None:
    docs.plan(1)
    claimed = docs.claim()
    made = docs.outcome(claimed)
    store.commit(claimed, made)
    columns = "state, baseline_id, verdict_state, severity, cause, sample_seen, sample_size"
    assert docs.query(f"SELECT {columns} FROM windows") == [  # noqa: S608
        ("done", docs.baseline, "quiet", "none", "none", 900, 400)
    ]  # fmt: skip
    assert [bytes(data) for data in docs.query("SELECT data FROM profiles")] == [b"profile"]
    (past,) = store.history("docs", NOON, NOON + HOUR)
    assert past.end == NOON + HOUR
    assert past.verdict == made.verdict
    assert sorted(past.readings, key=lambda r: r.key) == sorted(made.readings, key=lambda r: r.key)
    state = store.state("docs")
    assert state.evidence == made.evidence
    assert state.corpus_seen is not None
    assert state.corpus_seen.dtype == np.uint64
    np.testing.assert_array_equal(state.corpus_seen, made.corpus_seen)


def test_a_late_commit_is_refused_and_leaves_nothing(store: Store, docs: Docs) -> None:
    docs.plan(1)
    stalled = docs.claim(lease=timedelta(milliseconds=20))
    time.sleep(0.05)
    fresh = docs.claim()
    with pytest.raises(LeaseLostError, match="this result is not kept"):
        store.commit(stalled, docs.outcome(stalled, **docs.drift("canary.canary")))
    assert [docs.query(f"SELECT count(*) FROM {table}") for table in TABLES] == [[0]] * len(TABLES)  # noqa: S608
    store.commit(fresh, docs.outcome(fresh))
    with pytest.raises(LeaseLostError):
        store.commit(fresh, docs.outcome(fresh))
    assert docs.query("SELECT count(*) FROM profiles") == [1]
    assert store.statuses(["docs"])[0].windows["done"] == 1


def test_a_commit_that_fails_in_the_middle_leaves_nothing(store: Store, docs: Docs) -> None:
    docs.plan(1)
    claimed = docs.claim()
    twice = Reading("centroid_distance", "queries", 0.1, 10)
    with pytest.raises(StoreError):
        store.commit(claimed, docs.outcome(claimed, readings=(twice, twice)))
    assert docs.query("SELECT state FROM windows") == ["running"]
    assert docs.query("SELECT count(*) FROM profiles") == [0]
    store.commit(claimed, docs.outcome(claimed))


def test_a_baseline_that_does_not_exist_is_refused(store: Store, docs: Docs) -> None:
    docs.plan(1)
    claimed = docs.claim()
    with pytest.raises(StoreError):
        store.commit(claimed, docs.outcome(claimed, baseline_id=77))


def test_an_outcome_of_another_window_is_refused(store: Store, docs: Docs) -> None:
    docs.plan(1)
    claimed = docs.claim()
    other = replace(claimed.window, start=NOON - HOUR)
    with pytest.raises(ValueError, match="cannot be committed as"):
        store.commit(claimed, docs.outcome(claimed, window=other))


def test_a_late_window_rewrites_no_evidence_and_opens_no_incident(store: Store, docs: Docs) -> None:
    docs.plan(2)
    store.fail(docs.claim(), "index down", 1, timedelta(0))
    docs.work()
    before = store.state("docs").evidence
    docs.change("UPDATE windows SET state = 'planned' WHERE state = 'parked'")
    late = docs.work(corpus_seen=None, **docs.drift("canary.canary"))
    assert late.window.start == NOON
    assert store.state("docs").evidence == before
    assert store.statuses(["docs"])[0].incidents == ()
    assert [past.end for past in store.history("docs", NOON, NOON + 2 * HOUR)] == [
        NOON + HOUR,
        NOON + 2 * HOUR,
    ]
    assert store.statuses(["docs"])[0].window_end == NOON + 2 * HOUR


def test_a_window_compared_with_a_replaced_baseline_moves_nothing(store: Store, docs: Docs) -> None:
    docs.plan(1)
    claimed = docs.claim()
    made = docs.outcome(claimed, **docs.drift("canary.canary"))
    docs.save()
    store.commit(claimed, made)
    assert store.state("docs").evidence == ()
    assert store.state("docs").corpus_seen is None
    assert store.statuses(["docs"])[0].incidents == ()
    assert docs.query("SELECT state, baseline_id FROM windows") == [("done", made.baseline_id)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan")])
def test_a_number_that_is_none_becomes_an_invalid_reading(store: Store, value: float, docs: Docs) -> None:
    docs.plan(1)
    bad = Reading("canary", "canary", value, 64, log_p=value, effect=value, detail={"x": value, "y": 1.0})
    docs.work(readings=(bad,))
    (kept,) = store.statuses(["docs"])[0].readings
    assert (kept.status, kept.value, kept.log_p, kept.effect) == ("invalid", 0.0, None, None)
    assert kept.detail == {"x": None, "y": 1.0}


def test_numbers_of_numpy_are_kept_as_numbers(store: Store, docs: Docs) -> None:
    docs.plan(1)
    value, n, log_p, detail = np.float32(0.5), np.int64(7), np.float64(-2.0), {"n": np.float32(2)}
    made = Reading(
        "canary", "canary", cast("Any", value), cast("Any", n), log_p=log_p, detail=cast("Any", detail)
    )
    docs.work(readings=(made,))
    (kept,) = store.statuses(["docs"])[0].readings
    assert (kept.value, kept.n, kept.log_p, kept.detail) == (0.5, 7, -2.0, {"n": 2.0})


def test_rejected_entries_are_counted_and_shown_within_bounds(store: Store, docs: Docs) -> None:
    docs.plan(2)
    sample = Sample(
        (),
        seen=10,
        duplicates=3,
        rejected={"no_text": 7} | {f"odd_{i:03}": 1 for i in range(REASONS * 2)},
        examples=tuple(Rejection("no_text", f"row {i}", "nul \0 " + "x" * 1000) for i in range(EXAMPLES * 2)),
    )
    docs.work(sample=sample)
    docs.work()
    kept, nothing = docs.query("SELECT rejected FROM windows ORDER BY start_at")
    assert nothing is None
    kept = json.loads(kept) if isinstance(kept, str) else kept
    assert kept["duplicates"] == 3
    assert kept["counts"]["no_text"] == 7
    assert len(kept["counts"]) == REASONS
    assert len(kept["examples"]) == EXAMPLES
    assert kept["examples"][0]["where"] == "row 0"
    assert max(len(text) for example in kept["examples"] for text in example.values()) == EXAMPLE_LENGTH
