"""A short version of `make torture PARTS=delivery`: a bad receiver, and dispatchers that are killed."""

from __future__ import annotations

import pytest

from benchmarks.torture import delivery
from benchmarks.torture.report import missed

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]


def test_everything_is_told_once_per_incident_whatever_fails_and_whoever_is_killed() -> None:
    figures = delivery.run(0.15)
    assert missed(figures) == []
    assert sum(f["value"] for f in figures if "kill -9" in f["name"]) > 0
