from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from monitor.records import Cause, CollectionStatus, Evidence, Incident, Reading, Snapshot, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def make_status() -> Callable[..., CollectionStatus]:
    """A quiet collection; keywords change its fields."""

    def make(**changes: object) -> CollectionStatus:
        fields: dict[str, object] = {
            "collection": "docs",
            "window_end": NOW - timedelta(minutes=20),
            "window_length": timedelta(minutes=15),
            "readings": (
                Reading("centroid_distance", "queries", 0.01, 400, log_p=-0.5, effect_floor=0.02),
                Reading("canary", "canary", 0.0, 0, status="insufficient", threshold=1e-3),
            ),
            "evidence": (
                Evidence("centroid_distance", "queries", log_e=math.log(10)),
                Evidence("canary", "canary"),
            ),
            "verdict": Verdict("quiet"),
            "incidents": (),
            "windows": {"done": 12},
            "sample_sizes": {"queries": 400},
            "baseline_id": 7,
            "baseline_model": "all-MiniLM-L6-v2",
            "log_threshold": math.log(1000),
        }
        return CollectionStatus(**{**fields, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def drifting(make_status: Callable[..., CollectionStatus]) -> CollectionStatus:
    """A collection with one open and one resolved incident."""
    opened = NOW - timedelta(hours=3)
    fired = ("canary.canary", "era_recall.suite")
    return make_status(
        collection="support",
        verdict=Verdict("drift", "critical", (Cause("model_query_side", 0.98, fired),), fired),
        incidents=(
            Incident(2, "support", opened, NOW, None, "critical", "model_query_side", fired),
            Incident(
                1, "support", opened, opened, opened, "warning", "corpus_growth", ("spatial_kl.corpus",)
            ),
        ),
    )


@pytest.fixture(scope="session")
def snapshot(make_status: Callable[..., CollectionStatus], drifting: CollectionStatus) -> Snapshot:
    """One quiet collection and one in drift."""
    return Snapshot(NOW, (make_status(), drifting))
