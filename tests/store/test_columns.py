from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, literal, select, text

from monitor.store import Store
from monitor.store.columns import CleanJSON, clean, clock
from monitor.store.engine import reading, writing
from monitor.store.models import AuditRow

LISBON = ZoneInfo("Europe/Lisbon")


def keep(store: Store, at: Any, reason: str = "") -> datetime:
    row = {"at": at, "actor": "a", "action": "b", "collection": "c", "reason": reason}
    with writing(store.engine) as connection:
        key = connection.execute(insert(AuditRow).values(**row).returning(AuditRow.id)).scalar_one()
        return connection.execute(select(AuditRow.at).where(AuditRow.id == key)).scalar_one()


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC),
        datetime(2026, 3, 1, 12, 30, 15, 1, tzinfo=UTC),
        datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=-9, minutes=-30))),
        datetime(2026, 10, 25, 1, 30, tzinfo=LISBON, fold=0),
        datetime(2026, 10, 25, 1, 30, tzinfo=LISBON, fold=1),
        datetime(1970, 1, 1, tzinfo=UTC),
    ],
)
def test_a_moment_comes_back_the_same_in_utc(store: Store, moment: datetime) -> None:
    back = keep(store, moment)
    assert back.tzinfo is UTC
    assert back == moment.astimezone(UTC)


def test_the_two_readings_of_a_doubled_hour_stay_an_hour_apart(store: Store) -> None:
    first, second = (keep(store, datetime(2026, 10, 25, 1, 30, tzinfo=LISBON, fold=f)) for f in (0, 1))
    assert second - first == timedelta(hours=1)


def test_a_naive_moment_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        keep(store, datetime(2026, 3, 1))  # noqa: DTZ001


def test_the_clock_is_the_present_and_moves_by_a_span(store: Store) -> None:
    spans = [timedelta(0), timedelta(seconds=90.5), timedelta(days=-2)]
    with reading(store.engine) as connection:
        present, later, earlier = (
            connection.execute(select(clock(literal(s.total_seconds())))).scalar_one() for s in spans
        )
    assert abs(present - datetime.now(UTC)) < timedelta(seconds=5)
    assert abs(later - present - timedelta(seconds=90.5)) < timedelta(seconds=1)
    assert abs(earlier - present + timedelta(days=2)) < timedelta(seconds=1)


def test_the_clock_compares_with_stored_microseconds(store: Store) -> None:
    with reading(store.engine) as connection:
        present = connection.execute(select(clock())).scalar_one()
        soon = literal(present + timedelta(seconds=60, microseconds=1), AuditRow.at.type)
        assert connection.execute(select(clock() < soon, clock(literal(300.0)) > soon)).one() == (
            True,
            True,
        )


def test_the_clock_is_stored_in_the_same_form_as_any_moment(store: Store, kind: str) -> None:
    keep(store, clock())
    keep(store, datetime.now(UTC))
    query = (
        "SELECT pg_typeof(at)::text FROM audit_log"
        if kind == "postgresql"
        else "SELECT length(at) FROM audit_log"
    )
    with reading(store.engine) as connection:
        forms = connection.execute(text(query)).scalars().all()
    assert len(forms) == 2
    assert len(set(forms)) == 1


@given(st.text(alphabet=st.characters()), st.none() | st.integers(1, 20))
def test_clean_text_is_valid_and_bounded(raw: str, limit: int | None) -> None:
    cleaned = clean(raw, limit)
    assert "\0" not in cleaned
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned
    assert limit is None or len(cleaned) <= limit
    assert clean(cleaned, limit) == cleaned


def test_hostile_text_is_stored(store: Store) -> None:
    keep(store, datetime.now(UTC), reason="nul \0 surrogate \ud800 emoji 🌀 quote ' \"; DROP TABLE windows")
    with reading(store.engine) as connection:
        (reason,) = connection.execute(select(AuditRow.reason)).scalars()
    assert reason == "nul � surrogate ? emoji 🌀 quote ' \"; DROP TABLE windows"


def test_json_holds_no_nan_and_no_numpy() -> None:
    value = {
        "nan": float("nan"),
        "inf": np.float32("inf"),
        "n": np.int64(3),
        "t": ("a\0", 1.5),
        "b": True,
        "z": None,
    }
    bound = CleanJSON().process_bind_param(value, None)  # type: ignore[arg-type]
    expected = {"nan": None, "inf": None, "n": 3, "t": ["a�", 1.5], "b": True, "z": None}
    assert json.loads(json.dumps(bound, allow_nan=False)) == expected
