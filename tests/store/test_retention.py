"""What is old is rolled up before it is dropped: nothing is counted twice or lost, whoever dies in between."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from monitor.errors import StoreError
from monitor.profile import Profile, merge_all
from monitor.records import Cause, Reading, Rejection, Sample, Verdict
from monitor.store import Store, disposal, rollup, schema
from monitor.store.engine import reading
from monitor.store.models import WindowRow
from monitor.store.retention import DAY, HOUR, Retained, Retention, retain
from tests.store.conftest import Docs

QUARTER = timedelta(minutes=15)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
POLICY = Retention(windows=2 * HOUR, hourly=DAY, daily=10 * DAY, profiles=5 * DAY, rejected=3 * HOUR)
ALL = 10_000


def profile(number: int, basis: str = "b1") -> Profile:
    rng = np.random.default_rng(number)
    counts = {"queries.n": np.array([number]), "queries.cells": rng.integers(0, 50, size=64)}
    # Halves add without rounding, so that sums can be compared bit for bit in any order.
    return Profile(basis, counts, {"queries.total": rng.integers(-99, 99, size=16) / 2})


def fill(docs: Docs, number: int, start: datetime = MIDNIGHT, **changes: Any) -> None:
    """Plan and commit so many windows of a quarter of an hour, the readings and profile of each its own."""
    end = start + number * QUARTER
    docs.store.plan("docs", QUARTER, end, timedelta(0), number, start)
    for i in range(number):
        claim = docs.claim()
        outcome = docs.outcome(claim)
        first, second = outcome.readings
        readings = (replace(first, n=i + 1, value=i / 8, log_p=-float(i)), replace(second, n=2))
        made = {"readings": readings, "profile": profile(i).pack(), **changes}
        docs.store.commit(claim, replace(outcome, **made))


def spans(docs: Docs) -> list[tuple[float, float]]:
    """Start and length of each done window, in hours after midnight."""
    with reading(docs.store.engine) as connection:
        rows = connection.execute(
            select(WindowRow.start_at, WindowRow.end_at)
            .where(WindowRow.state == "done", WindowRow.collection == "docs")
            .order_by(WindowRow.start_at)
        )
        return [((start - MIDNIGHT) / HOUR, (end - start) / HOUR) for start, end in rows]


def whole(docs: Docs) -> tuple[int, Profile]:
    """All that is in the database of observations, and the merge of its profiles."""
    profiles = [Profile.unpack(data) for data in docs.query("SELECT data FROM profiles ORDER BY window_id")]
    (n,) = docs.query("SELECT sum(n) FROM readings")
    return int(n), merge_all("b1", profiles)


def same(left: Profile, right: Profile) -> bool:
    return (
        left.basis == right.basis
        and left.counts.keys() == right.counts.keys()
        and all(np.array_equal(left.counts[k], right.counts[k]) for k in left.counts)
        and all(np.array_equal(left.sums[k], right.sums[k]) for k in left.sums)
    )


def test_windows_become_hours_and_hours_days_and_nothing_is_lost(store: Store, docs: Docs) -> None:
    fill(docs, 4 * 30)
    n, merged = whole(docs)
    assert same(merged, merge_all("b1", (profile(i) for i in range(120))))
    # Hours 0 to 27 lie two hours back at 30:00; the rest is as it was committed.
    done = store.retain("docs", POLICY, MIDNIGHT + 30 * HOUR)
    assert done == Retained(rolled_up=28 * 3)
    assert spans(docs) == [(h, 1.0) for h in range(28)] + [(28 + q / 4, 0.25) for q in range(8)]
    after, again = whole(docs)
    assert (after, same(again, merged)) == (n, True)
    # A day and an hour later the first day goes together.
    assert store.retain("docs", POLICY, MIDNIGHT + 49 * HOUR) == Retained(rolled_up=23 + 3)
    assert spans(docs)[:3] == [(0.0, 24.0), (24.0, 1.0), (25.0, 1.0)]
    after, again = whole(docs)
    assert (after, same(again, merged)) == (n, True)


def test_days_are_the_same_whether_made_of_hours_or_at_once(store: Store, docs: Docs) -> None:
    fill(docs, 4 * 25)
    for hour in range(26, 50):
        store.retain("docs", POLICY, MIDNIGHT + hour * HOUR)
    in_steps = store.history("docs", MIDNIGHT + 7 * HOUR, MIDNIGHT + 8 * HOUR)[0]
    assert in_steps.end == MIDNIGHT + DAY
    assert in_steps.readings[1].n == sum(range(1, 97))
    assert in_steps.readings[1].value == pytest.approx(
        sum(i * (i + 1) / 8 for i in range(96)) / sum(range(1, 97)), rel=1e-12
    )


def test_a_rolled_up_reading(store: Store, docs: Docs) -> None:
    fill(docs, 4 * 10)
    store.retain("docs", POLICY, MIDNIGHT + 10 * HOUR)
    (first,) = store.history("docs", MIDNIGHT, MIDNIGHT + HOUR)
    canary, distance = first.readings
    assert (canary.n, canary.value) == (8, 0.0)
    assert distance == Reading(
        "centroid_distance",
        "queries",
        value=(0 * 1 + 1 / 8 * 2 + 2 / 8 * 3 + 3 / 8 * 4) / 10,
        n=10,
        log_p=-3.0,
        effect=3 / 8,
        effect_floor=0.02,
    )
    full = store.history("docs", MIDNIGHT + 9 * HOUR, MIDNIGHT + 10 * HOUR)[0]
    assert full.readings[1].detail == {"dof": 12.5}


def test_readings_that_are_not_ok_have_no_say_beside_one_that_is(store: Store, docs: Docs) -> None:
    store.plan("docs", QUARTER, MIDNIGHT + 5 * HOUR, timedelta(0), ALL, MIDNIGHT)
    for i in range(20):
        claim = docs.claim()
        ok = Reading("canary", "canary", 0.5, 10, effect=0.25)
        poor = Reading("canary", "canary", 0.0, 5, status="insufficient" if i % 4 else "invalid")
        said = ok if i < 4 and i % 4 == 3 else poor
        store.commit(claim, docs.outcome(claim, readings=(said,), profile=profile(i).pack()))
    store.retain("docs", POLICY, MIDNIGHT + 5 * HOUR)
    mixed, poor_only = (
        store.history("docs", MIDNIGHT + h * HOUR, MIDNIGHT + (h + 1) * HOUR)[0].readings[0] for h in (0, 1)
    )
    assert (mixed.status, mixed.n, mixed.value, mixed.effect) == ("ok", 25, 0.5, 0.25)
    assert (poor_only.status, poor_only.n, poor_only.value) == ("invalid", 20, 0.0)


def test_the_worst_verdict_stands_for_the_hour(store: Store, docs: Docs) -> None:
    fill(docs, 1)
    fill(docs, 1, MIDNIGHT + QUARTER, verdict=Verdict("invalid", problems=("no vectors",)))
    worst = Verdict("drift", "critical", (Cause("questions", 0.7, ("a.b",)),), ("a.b",))
    fill(docs, 1, MIDNIGHT + 2 * QUARTER, verdict=worst)
    lesser = Verdict("drift", "warning", (Cause("metric", 0.9, ("c.d",)),), ("c.d",))
    fill(docs, 1, MIDNIGHT + 3 * QUARTER, verdict=lesser)
    fill(docs, 16, MIDNIGHT + HOUR)
    store.retain("docs", POLICY, MIDNIGHT + 5 * HOUR)
    assert store.history("docs", MIDNIGHT, MIDNIGHT + HOUR)[0].verdict == worst
    assert docs.query("SELECT severity, cause FROM windows ORDER BY start_at LIMIT 1") == [
        ("critical", "questions")
    ]


def test_an_incident_still_points_at_the_window_that_opened_it(store: Store, docs: Docs) -> None:
    fill(docs, 2)
    fill(docs, 1, MIDNIGHT + 2 * QUARTER, **docs.drift("canary.canary"))
    fill(docs, 17, MIDNIGHT + 3 * QUARTER)
    store.retain("docs", POLICY, MIDNIGHT + 5 * HOUR)
    (opened,) = docs.query("SELECT opened_window FROM incidents")
    assert docs.query("SELECT id FROM windows ORDER BY start_at LIMIT 1") == [opened]


def test_a_baseline_that_changes_in_mid_hour_and_a_gap_part_what_is_rolled_up(
    store: Store, docs: Docs
) -> None:
    fill(docs, 2)
    docs.baseline = docs.save()
    fill(docs, 2, MIDNIGHT + 2 * QUARTER)
    fill(docs, 4, MIDNIGHT + HOUR)
    fill(docs, 16, MIDNIGHT + 2 * HOUR)
    gone = docs.query("SELECT id FROM windows ORDER BY start_at")[5]
    docs.change("DELETE FROM windows WHERE id = :gone", gone=gone)
    store.retain("docs", POLICY, MIDNIGHT + 6 * HOUR)
    assert spans(docs)[:5] == [(0.0, 0.5), (0.5, 0.5), (1.0, 0.25), (1.5, 0.5), (2.0, 1.0)]
    assert docs.query("SELECT count(DISTINCT baseline_id) FROM windows") == [2]
    fill(docs, 1, MIDNIGHT + 2 * DAY)
    store.retain("docs", POLICY, MIDNIGHT + 3 * DAY)
    assert spans(docs)[:3] == [(0.0, 0.5), (0.5, 0.75), (1.5, 4.5)]


def test_a_second_call_does_nothing_and_asks_once(store: Store, docs: Docs) -> None:
    fill(docs, 40)
    now = MIDNIGHT + 10 * HOUR
    assert store.retain("docs", POLICY, now).rolled_up == 8 * 3
    before = (
        docs.query("SELECT * FROM windows ORDER BY id"),
        docs.query("SELECT * FROM readings ORDER BY 1, 2"),
    )
    asked: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    assert store.retain("docs", POLICY, now) == Retained()
    assert store.retain("docs", POLICY, now + 59 * timedelta(minutes=1)) == Retained()
    assert [sql.split()[0] for sql in asked if sql.split()[0] != "BEGIN"] == ["SELECT", "SELECT"]
    assert (
        docs.query("SELECT * FROM windows ORDER BY id"),
        docs.query("SELECT * FROM readings ORDER BY 1, 2"),
    ) == before


def test_an_unknown_collection_and_one_without_windows_are_left_alone(store: Store, docs: Docs) -> None:
    assert store.retain("other", POLICY, MIDNIGHT) == Retained()
    assert docs.query("SELECT count(*) FROM collection_state") == [0]
    docs.plan(3)
    assert store.retain("docs", POLICY, MIDNIGHT + 30 * DAY) == Retained()
    assert docs.query("SELECT count(*) FROM windows WHERE state = 'planned'") == [3]


def test_a_limit_bounds_the_transactions_of_a_call(store: Store, docs: Docs) -> None:
    fill(docs, 4 * 20)
    now = MIDNIGHT + 20 * HOUR
    calls = [store.retain("docs", POLICY, now, limit=5)]
    while calls[-1].more:
        calls.append(store.retain("docs", POLICY, now, limit=5))
    assert [c.rolled_up for c in calls if c.rolled_up][1:-1] == [15, 15]
    assert sum(c.rolled_up for c in calls) == 18 * 3
    assert spans(docs)[17:20] == [(17.0, 1.0), (18.0, 0.25), (18.25, 0.25)]


def test_unfinished_windows_and_the_newest_done_one_are_never_touched(store: Store, docs: Docs) -> None:
    fill(docs, 6)
    store.plan("docs", QUARTER, MIDNIGHT + 3 * HOUR, timedelta(0), ALL, MIDNIGHT)
    held = docs.claim()
    evidence, watermark = store.state("docs").evidence, docs.query("SELECT watermark FROM collection_state")
    store.retain("docs", POLICY, MIDNIGHT + 1000 * DAY)
    # Window 5 is the newest done one, and the claimed one stands in the hour of it.
    assert spans(docs) == [(0.0, 1.0), (1.0, 0.25), (1.25, 0.25)]
    assert docs.query(
        "SELECT state, count(*) FROM windows WHERE state <> 'done' GROUP BY state ORDER BY state"
    ) == [
        ("planned", 5),
        ("running", 1),
    ]
    assert store.state("docs").evidence == evidence
    assert docs.query("SELECT watermark FROM collection_state") == watermark
    store.commit(held, docs.outcome(held, profile=profile(6).pack()))
    for _ in range(5):
        docs.work(profile=profile(7).pack())
    store.retain("docs", POLICY, MIDNIGHT + 1000 * DAY + HOUR)
    assert spans(docs) == [(0.0, 1.0), (1.0, 1.0), *((2 + q / 4, 0.25) for q in range(4))]
    assert store.statuses(["docs"])[0].window_end == MIDNIGHT + 3 * HOUR


def test_windows_end_after_their_time_and_profiles_before(store: Store, docs: Docs) -> None:
    fill(docs, 4 * 24)
    fill(docs, 4 * 24, MIDNIGHT + 6 * DAY)
    fill(docs, 1, MIDNIGHT + 11 * DAY)
    done = store.retain("docs", POLICY, MIDNIGHT + 11 * DAY, limit=ALL)
    assert done == Retained(rolled_up=95, deleted=96, profiles=0, more=False)
    assert spans(docs) == [(144.0, 24.0), (264.0, 0.25)]
    assert store.retain("docs", POLICY, MIDNIGHT + 12 * DAY) == Retained(profiles=1)
    assert docs.query("SELECT count(*) FROM profiles") == [1]
    assert len(store.history("docs", MIDNIGHT + 6 * DAY, MIDNIGHT + 7 * DAY)[0].readings) == 2
    assert store.statuses(["docs"])[0].windows["done"] == 193
    # Also when everything is older, the newest stays.
    assert store.retain("docs", POLICY, MIDNIGHT + 900 * DAY).deleted == 1
    assert spans(docs) == [(264.0, 0.25)]


def test_what_hangs_on_dropped_windows_goes_with_them(store: Store, docs: Docs) -> None:
    fill(docs, 1, **docs.drift("canary.canary"))
    fill(docs, 1, MIDNIGHT + 20 * DAY)
    store.retain("docs", POLICY, MIDNIGHT + 40 * DAY)
    assert docs.query("SELECT count(*) FROM windows") == [1]
    assert docs.query("SELECT count(*) FROM readings") == [2]
    assert docs.query("SELECT count(*), count(opened_window) FROM incidents") == [(1, 0)]


def test_rejected_entries_add_up_and_are_emptied_after_their_time(store: Store, docs: Docs) -> None:
    for i in range(4):
        one = Sample(
            (), 9, duplicates=1, rejected={"no_id": 2, f"r{i}": 1}, examples=(Rejection("no_id", f"row {i}"),)
        )
        fill(docs, 1, MIDNIGHT + i * QUARTER, sample=one)
    fill(docs, 16, MIDNIGHT + HOUR)
    assert store.retain("docs", POLICY, MIDNIGHT + 3 * HOUR).rolled_up == 3
    with reading(store.engine) as connection:
        kept: Any = connection.scalar(select(WindowRow.rejected).order_by(WindowRow.start_at).limit(1))
    assert kept["duplicates"] == 4
    assert kept["counts"] == {"no_id": 8, "r0": 1, "r1": 1, "r2": 1, "r3": 1}
    assert [example["where"] for example in kept["examples"]] == [f"row {i}" for i in range(4)]
    assert docs.query("SELECT sum(sample_seen) FROM windows") == [4 * 9 + 16 * 900]
    assert store.retain("docs", POLICY, MIDNIGHT + 4 * HOUR).rejected == 1
    assert docs.query("SELECT count(*) FROM windows WHERE rejected IS NOT NULL") == [0]


def test_parked_windows_are_dropped_and_told(store: Store, docs: Docs) -> None:
    store.plan("docs", QUARTER, MIDNIGHT + 3 * HOUR, timedelta(0), ALL, MIDNIGHT)
    for i in range(12):
        claim = docs.claim()
        if i in (1, 2):
            store.fail(claim, "boom", 1, HOUR)
        else:
            store.commit(claim, docs.outcome(claim, profile=profile(i).pack()))
    assert store.retain("docs", POLICY, MIDNIGHT + 29 * DAY).parked == 0
    assert spans(docs)[:3] == [(0.0, 0.25), (0.75, 0.25), (1.0, 1.0)]
    assert store.retain("docs", POLICY, MIDNIGHT + 31 * DAY).parked == 2
    assert docs.query("SELECT count(*) FROM windows WHERE state = 'parked'") == [0]
    told = store.audit("docs")[-1]
    assert (told.actor, told.action) == ("driftmon", "drop_parked")
    assert told.reason.startswith("2 parked windows")
    assert store.plan("docs", QUARTER, MIDNIGHT + 3 * HOUR, timedelta(0), ALL, MIDNIGHT) == 0


def test_resolved_incidents_and_their_messages_are_dropped_but_none_that_waits(
    store: Store, docs: Docs
) -> None:
    for i in range(4):
        fill(docs, 1, MIDNIGHT + 2 * i * QUARTER, **docs.drift("canary.canary"))
        if i < 3:
            fill(docs, 1, MIDNIGHT + (2 * i + 1) * QUARTER)
    first, second, third, last = docs.query("SELECT id FROM incidents ORDER BY id")
    told = "UPDATE outbox SET {} = created_at WHERE incident_id = :i"
    docs.change(told.format("delivered_at"), i=first)
    docs.change(told.format("dead_at"), i=second)
    docs.change(told.format("delivered_at") + " AND kind = 'opened'", i=third)
    docs.change(told.format("delivered_at"), i=last)
    soon = Retention(incidents=DAY)
    assert store.retain("docs", soon, MIDNIGHT + DAY).incidents == 0
    done = store.retain("docs", soon, datetime.now(UTC) + 3 * DAY)
    assert (done.messages, done.incidents) == (2 + 2 + 1 + 1, 2)
    assert docs.query("SELECT id FROM incidents ORDER BY id") == [
        third,
        last,
    ]  # a message that waits, and an open one
    assert docs.query("SELECT incident_id, kind FROM outbox") == [(third, "resolved")]


def test_a_profile_that_cannot_be_read_holds_nothing_up(store: Store, docs: Docs) -> None:
    fill(docs, 1)
    fill(docs, 1, MIDNIGHT + QUARTER, profile=b"damaged")
    fill(docs, 1, MIDNIGHT + 2 * QUARTER, profile=profile(1).pack())
    fill(docs, 1, MIDNIGHT + 3 * QUARTER, profile=profile(1, "b2").pack())
    fill(docs, 16, MIDNIGHT + HOUR)
    assert store.retain("docs", POLICY, MIDNIGHT + 4 * HOUR) == Retained(rolled_up=3, damaged=1)
    assert spans(docs)[:5] == [(0.0, 0.25), (0.25, 0.25), (0.5, 0.25), (0.75, 0.25), (1.0, 1.0)]


def test_windows_longer_than_a_bucket_keep_their_length(store: Store, docs: Docs) -> None:
    store.plan("docs", 6 * HOUR, MIDNIGHT + 3 * DAY, timedelta(0), ALL, MIDNIGHT)
    for i in range(12):
        docs.work(profile=profile(i).pack())
    store.retain("docs", POLICY, MIDNIGHT + 24 * HOUR)
    assert spans(docs) == [(6.0 * i, 6.0) for i in range(12)]
    detailed = docs.query("SELECT count(*) FROM readings WHERE detail IS NOT NULL")
    assert detailed == [12 - 4]
    store.retain("docs", POLICY, MIDNIGHT + 48 * HOUR)
    assert spans(docs) == [(0.0, 24.0), *((24 + 6.0 * i, 6.0) for i in range(8))]


class KilledError(BaseException):
    """Stands for a process that ends: nothing catches it."""


@pytest.mark.parametrize("survived", range(8))
def test_a_crash_in_mid_transaction_leaves_the_bucket_as_it_was(
    store: Store, docs: Docs, survived: int
) -> None:
    fill(docs, 4 * 6)
    n, merged = whole(docs)
    store.retain("docs", POLICY, MIDNIGHT + 3 * HOUR)
    before = spans(docs)
    writes = 0

    def strike(_: Any, __: Any, sql: str, *___: Any) -> None:
        nonlocal writes
        writes += sql.split(maxsplit=1)[0] in ("INSERT", "UPDATE", "DELETE")
        if writes > survived:
            raise KilledError

    event.listen(store.engine, "before_cursor_execute", strike)
    with pytest.raises(KilledError):
        store.retain("docs", POLICY, MIDNIGHT + 5 * HOUR)
    event.remove(store.engine, "before_cursor_execute", strike)
    # A whole hour may have been kept before the strike, never a part of one.
    assert spans(docs) in (before, [(0.0, 1.0), (1.0, 1.0), *before[5:]])
    store.retain("docs", POLICY, MIDNIGHT + 5 * HOUR)
    assert spans(docs)[:4] == [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 0.25)]
    after, again = whole(docs)
    assert (after, same(again, merged)) == (n, True)


SCRIPT = """
import os
from datetime import datetime, timedelta
from monitor.store import Store
from monitor.store.retention import Retention
store = Store.open(os.environ["DRIFTMON_DATABASE"])
policy = Retention(windows=timedelta(hours=2), hourly=timedelta(days=1))
print("ready", flush=True)
while store.retain("docs", policy, datetime.fromisoformat(os.environ["NOW"]), limit=1).more:
    pass
"""


def test_kills_and_replicas_lose_nothing_and_count_nothing_twice(store: Store, url: str, docs: Docs) -> None:
    fill(docs, 4 * 30)
    n, merged = whole(docs)
    now = MIDNIGHT + 60 * HOUR
    environment = {**os.environ, "DRIFTMON_DATABASE": url, "NOW": now.isoformat()}
    for pause in (0.0, 0.02, 0.05):
        command = [sys.executable, "-c", SCRIPT]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as victim:
            assert victim.stdout is not None
            assert victim.stdout.readline() == "ready\n"
            Event().wait(pause)
            victim.kill()
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(store.retain, "docs", POLICY, now, ALL) for _ in range(2)]:
            future.result(60)
    # The newest window is in hour 29, so its hour stays, and its day.
    assert spans(docs) == [
        (0.0, 24.0),
        *((float(h), 1.0) for h in range(24, 29)),
        *((29 + q / 4, 0.25) for q in range(4)),
    ]
    after, again = whole(docs)
    assert (after, same(again, merged)) == (n, True)


def test_two_replicas_at_once_share_the_buckets(store: Store, docs: Docs) -> None:
    fill(docs, 4 * 24)
    n, merged = whole(docs)
    other = Store(store.engine)
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(s.retain, "docs", POLICY, MIDNIGHT + 24 * HOUR, ALL) for s in (store, other)]
        done = [future.result(60) for future in futures]
    assert sum(d.rolled_up for d in done) == 22 * 3
    after, again = whole(docs)
    assert (after, same(again, merged)) == (n, True)


def test_commits_go_on_beside_retention(store: Store, docs: Docs) -> None:
    fill(docs, 4 * 10)
    docs.baseline  # noqa: B018 made before the threads need it
    with ThreadPoolExecutor(2) as pool:
        rolled = pool.submit(store.retain, "docs", POLICY, MIDNIGHT + 10 * HOUR)
        pool.submit(fill, docs, 20, MIDNIGHT + 10 * HOUR).result(60)
        rolled.result(60)
    assert docs.query("SELECT count(*) FROM windows") == [8 + 2 * 4 + 20]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"windows": timedelta(0)}, "windows is .*; give a time above 0"),
        ({"parked": timedelta(-1)}, "parked is .*; give a time above 0"),
        ({"incidents": 30}, "incidents is 30; give a time above 0, such as 30d"),
        (
            {"hourly": HOUR},
            r"hourly \(1:00:00\) is shorter than retention.windows .*; raise hourly or lower windows",
        ),
        ({"daily": 2 * DAY}, "daily .* is shorter than retention.hourly .*; raise daily or lower hourly"),
        ({"profiles": HOUR}, "profiles .* is shorter than retention.windows"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused_with_the_mend(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Retention(**wrong)


def test_a_call_that_cannot_be_meant_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        retain(store.engine, "docs", POLICY, MIDNIGHT.replace(tzinfo=None))
    with pytest.raises(ValueError, match="limit is 0; give at least 1"):
        store.retain("docs", POLICY, MIDNIGHT, limit=0)


def test_more_than_a_batch_goes_in_several_transactions(store: Store, docs: Docs) -> None:
    fill(docs, disposal.BATCH + 30)
    fill(docs, 1, MIDNIGHT + 40 * DAY)
    first = store.retain("docs", POLICY, MIDNIGHT + 41 * DAY, limit=1)
    assert (first.deleted, first.more) == (disposal.BATCH, True)
    assert store.retain("docs", POLICY, MIDNIGHT + 41 * DAY).deleted == 30
    assert spans(docs) == [(960.0, 0.25)]


def test_sums_that_no_column_holds_are_shown_as_the_largest(store: Store, docs: Docs) -> None:
    fill(docs, 20, sample=Sample((), 2**30))
    store.retain("docs", POLICY, MIDNIGHT + 5 * HOUR)
    assert docs.query("SELECT max(sample_seen) FROM windows") == [rollup.LARGEST]


def test_the_release_before_works_on_beside_the_new_table_and_without_it(
    store: Store, url: str, docs: Docs
) -> None:
    fill(docs, 20)
    schema.downgrade(url, "0001")
    fill(docs, 4, MIDNIGHT + 5 * HOUR)  # nothing of a window's way asks for the table
    with pytest.raises(StoreError, match="driftmon db upgrade"):
        store.retain("docs", POLICY, MIDNIGHT + 6 * HOUR)
    schema.upgrade(url)
    assert store.retain("docs", POLICY, MIDNIGHT + 6 * HOUR).rolled_up == 4 * 3


@settings(max_examples=25)
@given(data=st.data())
def test_whatever_happens_in_whatever_order_nothing_is_lost(data: st.DataObject) -> None:
    store = Store.open("sqlite:///:memory:")
    docs = Docs(store)
    docs.save()
    keep = Retention(2 * HOUR, DAY, 900 * DAY, 900 * DAY)  # dropping is another matter
    now, committed = MIDNIGHT, []
    for number in range(data.draw(st.integers(1, 70), label="windows")):
        now += QUARTER
        action = data.draw(st.sampled_from(["work"] * 12 + ["park", "promote", "pause", "retain"]))
        if action == "pause":
            now += data.draw(st.integers(1, 40)) * HOUR
        if action == "promote":
            docs.baseline = docs.save()
        if action == "retain":
            later = data.draw(st.integers(0, 60)) * HOUR
            store.retain("docs", keep, now + later, limit=data.draw(st.integers(1, 30)))
        store.plan("docs", QUARTER, now, timedelta(0), 1, now - QUARTER)
        claim = docs.claim()
        if action == "park":
            store.fail(claim, "boom", 1, HOUR)
            continue
        own = profile(number, f"b{docs.baseline}")
        store.commit(claim, docs.outcome(claim, profile=own.pack()))
        committed.append((claim.window.start, docs.baseline, own))
    while store.retain("docs", keep, now + 9 * DAY, limit=3).more:
        pass
    kept = spans(docs)
    assert all(start + length <= following for (start, length), (following, _) in pairwise(kept))
    assert sum(length for _, length in kept) == len(committed) / 4
    for name in {name for _, name, _ in committed}:
        expected = merge_all(f"b{name}", (own for _, of, own in committed if of == name))
        found = docs.query(
            "SELECT data FROM profiles JOIN windows ON id = window_id WHERE baseline_id = :of", of=name
        )
        assert same(merge_all(f"b{name}", map(Profile.unpack, found)), expected)
    assert docs.query("SELECT coalesce(sum(n), 0) FROM readings") == [464 * len(committed)]
    store.close()


def test_days_that_are_rolled_up_are_not_gone_through_by_the_hour(store: Store, docs: Docs) -> None:
    store.plan("docs", 6 * HOUR, MIDNIGHT + 8 * DAY, timedelta(0), ALL, MIDNIGHT)
    for i in range(32):
        docs.work(profile=profile(i).pack())
    calls = 1
    while store.retain("docs", Retention(DAY, DAY, 900 * DAY), MIDNIGHT + 8 * DAY, limit=1).more:
        calls += 1
    assert spans(docs) == [*((24.0 * i, 24.0) for i in range(7)), *((168 + 6.0 * i, 6.0) for i in range(4))]
    # Five steps that drop, seven days, and the two looks that find no further day and no hour.
    assert calls <= 5 + 7 + 2
