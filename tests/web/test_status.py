from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from monitor import __version__
from monitor.records import CollectionStatus, Evidence, Reading, Snapshot, Verdict
from monitor.web import summarize

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeStatus = Callable[..., CollectionStatus]

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_snapshot_becomes_plain_json(snapshot: Snapshot) -> None:
    found = json.loads(json.dumps(summarize(snapshot), allow_nan=False))
    assert found["version"] == __version__
    assert found["at"] == "2026-03-01T12:00:00+00:00"
    quiet, drifting = found["collections"]
    assert (quiet["state"], quiet["severity"], quiet["cause"]) == ("quiet", "none", "none")
    assert (drifting["state"], drifting["severity"], drifting["cause"]) == (
        "drift",
        "critical",
        "model_query_side",
    )
    assert quiet["lag_seconds"] == 1200
    assert quiet["baseline"] == {"id": 7, "model": "all-MiniLM-L6-v2"}
    assert [i["resolved_at"] for i in drifting["incidents"]] == [None, "2026-03-01T09:00:00+00:00"]


def test_an_unusable_reading_has_no_value_and_no_evidence_is_null(snapshot: Snapshot) -> None:
    quiet = summarize(snapshot)["collections"][0]
    usable, unusable = quiet["readings"]
    assert usable["value"] == 0.01
    assert usable["p_value"] == pytest.approx(math.exp(-0.5))
    assert (unusable["value"], unusable["effect"], unusable["threshold"]) == (None, None, 1e-3)
    assert [e["log10"] for e in quiet["evidence"]] == [pytest.approx(1.0), None]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nothing_that_is_not_finite_leaves(make_status: MakeStatus, bad: float) -> None:
    reading = Reading(
        "spatial_kl", "queries", bad, 1, log_p=bad, effect_floor=bad, threshold=bad, detail={"x": bad}
    )
    status = make_status(
        readings=(reading,), evidence=(Evidence("spatial_kl", "queries", log_e=bad),), log_threshold=bad
    )
    found = summarize(Snapshot(NOW, (status,)))
    assert "spatial_kl" in json.dumps(found, allow_nan=False)
    assert found["collections"][0]["readings"][0]["detail"] == {"x": None}


@pytest.mark.parametrize(("minutes", "stale"), [(45, False), (46, True)])
def test_a_collection_is_stale_after_three_windows(
    make_status: MakeStatus, minutes: int, stale: bool
) -> None:
    status = make_status(window_end=NOW - timedelta(minutes=minutes))
    assert summarize(Snapshot(NOW, (status,)))["collections"][0]["stale"] is stale


def test_a_collection_before_its_first_window_is_neither_stale_nor_fresh(make_status: MakeStatus) -> None:
    status = make_status(window_end=None, window_length=None, verdict=None, baseline_id=None)
    (found,) = summarize(Snapshot(NOW, (status,)))["collections"]
    assert [found[key] for key in ("state", "stale", "lag_seconds", "window_end", "baseline")] == [None] * 5


def test_problems_of_an_invalid_window_are_told(make_status: MakeStatus) -> None:
    status = make_status(verdict=Verdict("invalid", "warning", problems=("half the vectors are zero",)))
    assert summarize(Snapshot(NOW, (status,)))["collections"][0]["problems"] == ["half the vectors are zero"]


def test_without_a_snapshot_there_is_nothing_and_it_says_so() -> None:
    assert summarize(None) == {"version": __version__, "at": None, "config_ok": None, "collections": []}
