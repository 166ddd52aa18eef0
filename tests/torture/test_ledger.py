"""Short versions of what `make torture` does to the ledger at full length: real processes, real signals."""

from __future__ import annotations

import pytest

from benchmarks.torture import kills, outages, pooler, replicas, stalls
from benchmarks.torture.report import missed

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]


def test_kills_lose_nothing_and_double_nothing() -> None:
    assert missed(kills.run(0.2)) == []


def test_a_stalled_worker_s_late_commit_is_refused() -> None:
    assert missed(stalls.run(0.3)) == []


def test_replicas_share_windows_and_messages() -> None:
    assert missed(replicas.run(0.05)) == []


def test_an_outage_of_the_database_ends_nothing() -> None:
    assert missed(outages.run(0.1)) == []


def test_a_pooler_in_transaction_mode_changes_nothing() -> None:
    try:
        figures = pooler.run(0.15)
    except pooler.NoPoolerError as error:
        pytest.skip(str(error))
    assert missed(figures) == []
