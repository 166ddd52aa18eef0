"""`make torture` in small: broken edges, fuzzed logs, hostile names, secrets."""

from __future__ import annotations

import warnings
from pathlib import Path

from benchmarks.torture import edges


def test_no_broken_edge_leaves_a_number_that_is_none(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        seen = edges.torture(0.04, tmp_path)
    assert seen.windows > 50
    assert list(seen.defects()) == []
