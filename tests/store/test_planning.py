from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.store import Store, planning

if TYPE_CHECKING:
    from tests.store.conftest import Docs

HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEASE = timedelta(minutes=5)
LISBON = ZoneInfo("Europe/Lisbon")


def starts(store: Store, collection: str = "docs") -> list[datetime]:
    """Claim and fail every window in turn; return their starts in the order of the claims."""
    found = []
    while (claim := store.claim([collection], "worker", LEASE)) is not None:
        found.append(claim.window.start)
        store.fail(claim, "seen", max_attempts=1, retry_in=timedelta(0))
    return found


moments = st.datetimes(datetime(1950, 1, 1), datetime(2150, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
lengths = st.sampled_from([timedelta(seconds=1), timedelta(minutes=1), QUARTER, HOUR, timedelta(days=1)])


@given(moments, lengths)
def test_boundaries_enclose_a_moment_and_lie_on_the_epochs_grid(moment: datetime, length: timedelta) -> None:
    below, above = planning.floor(moment, length), planning.ceil(moment, length)
    assert below <= moment <= above
    assert above - below in (timedelta(0), length)
    assert (below - planning.EPOCH) % length == timedelta(0)


def test_plan_makes_every_whole_window_once(store: Store, docs: Docs) -> None:
    assert docs.plan(3.5) == 3
    assert docs.plan(3.5) == 0
    assert docs.plan(5) == 2
    assert starts(store) == [NOON + i * HOUR for i in range(5)]


def test_plan_waits_for_late_entries(store: Store) -> None:
    lateness = timedelta(minutes=2)
    due = NOON + HOUR + lateness
    assert store.plan("docs", HOUR, due - timedelta(microseconds=1), lateness, 10, NOON) == 0
    assert store.plan("docs", HOUR, due, lateness, 10, NOON) == 1


def test_plan_without_a_first_moment_takes_the_latest_whole_window(store: Store) -> None:
    assert store.plan("docs", HOUR, NOON + 0.9 * HOUR, timedelta(0), 10, None) == 1
    assert starts(store) == [NOON - HOUR]


def test_plan_starts_at_the_first_whole_window_after_the_first_moment(store: Store) -> None:
    assert store.plan("docs", HOUR, NOON + 2 * HOUR, timedelta(0), 10, NOON + timedelta(minutes=1)) == 1
    assert starts(store) == [NOON + HOUR]
    assert store.audit("docs") == []


def test_a_first_moment_in_the_future_plans_nothing_yet(store: Store) -> None:
    assert store.plan("docs", HOUR, NOON, timedelta(0), 10, NOON + 5 * HOUR) == 0
    assert store.plan("docs", HOUR, NOON + 6 * HOUR, timedelta(0), 10, NOON + 5 * HOUR) == 1


def test_a_long_outage_plans_the_newest_windows_and_tells_of_the_gap(store: Store, docs: Docs) -> None:
    docs.plan(1)
    assert docs.plan(30, max_backfill=24) == 24
    (gap,) = store.audit("docs")
    assert (gap.action, gap.actor) == ("gap", "driftmon")
    assert gap.subject == "2026-03-02T13:00:00+00:00/2026-03-02T18:00:00+00:00"
    assert gap.reason == "5 windows of 1:00:00 skipped: 29 were due, max_backfill is 24"
    assert docs.plan(30, max_backfill=24) == 0
    assert starts(store) == [NOON, *(NOON + i * HOUR for i in range(6, 30))]
    assert len(store.audit("docs")) == 1


def test_all_but_the_newest_of_a_catch_up_are_backfill(store: Store, docs: Docs) -> None:
    docs.plan(1)
    docs.plan(4)
    docs.plan(5)
    assert [bool(b) for b in docs.query("SELECT backfill FROM windows ORDER BY start_at")] == [
        False, True, True, False, False,
    ]  # fmt: skip


def test_a_clock_that_steps_plans_nothing_twice_and_leaves_nothing_out(store: Store, docs: Docs) -> None:
    planned = [docs.plan(hours) for hours in (3, 2, 4, 2.5, 1, 5)]
    assert planned == [3, 0, 1, 0, 0, 1]
    assert starts(store) == [NOON + i * HOUR for i in range(5)]


@pytest.mark.parametrize("day", [datetime(2026, 3, 29, tzinfo=LISBON), datetime(2026, 10, 25, tzinfo=LISBON)])
def test_windows_do_not_know_of_summer_time(store: Store, day: datetime) -> None:
    for minutes in range(0, 24 * 60, 20):
        now = (day.astimezone(UTC) + timedelta(minutes=minutes)).astimezone(LISBON)
        store.plan("docs", HOUR, now, timedelta(minutes=5), 10, day)
    first = day.astimezone(UTC)
    assert starts(store) == [first + i * HOUR for i in range(23)]


def test_lateness_is_real_time_across_a_change_of_clocks(store: Store) -> None:
    now = datetime(2026, 3, 29, 2, 10, tzinfo=LISBON)  # ten minutes after 01:00 became 02:00
    assert store.plan("docs", QUARTER, now, timedelta(minutes=30), 10, None) == 1
    (start,) = starts(store)
    assert start == datetime(2026, 3, 29, 0, 15, tzinfo=UTC)


def test_another_window_length_goes_on_at_its_next_boundary(store: Store, docs: Docs) -> None:
    store.plan("docs", QUARTER, NOON + QUARTER, timedelta(0), 10, NOON)
    assert docs.plan(2) == 1
    assert starts(store) == [NOON, NOON + HOUR]
    (gap,) = store.audit("docs")
    assert gap.reason == "windows are 1:00:00 long now"
    assert store.plan("docs", QUARTER, NOON + 2 * HOUR + QUARTER, timedelta(0), 10, None) == 1
    assert len(store.audit("docs")) == 1


@pytest.mark.parametrize(("length", "max_backfill"), [(timedelta(0), 10), (HOUR, 0)])
def test_plan_refuses_nonsense(store: Store, length: timedelta, max_backfill: int) -> None:
    with pytest.raises(ValueError, match="max_backfill at least 1"):
        store.plan("docs", length, NOON, timedelta(0), max_backfill, None)


def test_plan_refuses_a_naive_time(store: Store) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        store.plan("docs", HOUR, NOON.replace(tzinfo=None), timedelta(0), 10, None)
