"""A short version of what `make torture` does for the steady state: a log is worked, and the ledger is cheap."""

from __future__ import annotations

import pytest

from benchmarks.torture import throughput
from benchmarks.torture.report import missed

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]


def test_the_ledger_takes_less_than_half_of_a_window_s_time() -> None:
    figures = throughput.run(0.1, ["Parquet"])
    # One log over two stores.
    assert sum("claim, state and commit" in figure["name"] for figure in figures) == 2
    # Windows a second are for a quiet machine: `make torture` holds them against their bar.
    assert [name for name in missed(figures) if "windows a second" not in name] == []
