"""`make torture` in small: broken edges, fuzzed logs, hostile names, secrets."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from benchmarks.torture import edges


def test_no_broken_edge_leaves_a_number_that_is_none(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        seen = edges.torture(0.04, tmp_path)
    assert seen.windows > 50
    assert list(seen.defects()) == []


@pytest.mark.parametrize("kind", ["parquet", "jsonl.gz"])
def test_a_broken_file_is_read_or_refused_and_ends_no_process(kind: str) -> None:
    # Seed 2 has one whose metadata made pyarrow end the process.
    module = "benchmarks.torture.broken_files"
    child = subprocess.run(
        [sys.executable, "-m", module, kind, "2", "1000"], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    told = json.loads(child.stdout)
    assert told["raised"] == []
    assert told["read"] + told["refused"] == 1000
    assert told["refused"] > 300
