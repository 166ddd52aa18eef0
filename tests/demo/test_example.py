from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from monitor.demo.example import DAYS, SUITE, write_example
from monitor.sources.suite import load_suite

NOW = datetime(2026, 3, 4, 15, 42, tzinfo=timezone(timedelta(hours=2)))
END = datetime(2026, 3, 4, 13, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("example") / "made" / "anew"
    write_example(path, NOW)
    return path


def test_the_log_is_three_days_up_to_the_last_whole_hour(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "log.db")) as log:
        rows = log.execute("SELECT id, created_at, query, embedding, results FROM retrieval_log").fetchall()
    times = [datetime.fromisoformat(row[1]) for row in rows]
    assert END - timedelta(days=DAYS) <= min(times) < END - timedelta(days=DAYS) + timedelta(hours=1)
    assert END - timedelta(hours=1) <= max(times) < END
    assert 5_000 < len(rows) < 12_000
    assert len({row[0] for row in rows}) == len(rows)
    for _, _, query, embedding, results in rows[:100]:
        assert query
        assert np.linalg.norm(np.frombuffer(embedding, dtype="<f2").astype(np.float32)) == pytest.approx(
            1, abs=2e-3
        )
        assert len(json.loads(results)) == 10


def test_the_index_and_the_suite_know_each_other(folder: Path) -> None:
    with np.load(folder / "index.npz", allow_pickle=False) as index:
        ids, vectors = set(index["ids"].tolist()), index["vectors"]
    assert vectors.shape == (len(ids), 384)
    suite = load_suite(folder / "suite.jsonl")
    assert len(suite) == SUITE
    assert all(set(query.relevant) <= ids and query.vector is not None for query in suite)


def test_it_is_written_over_what_was_there(folder: Path) -> None:
    (folder / "log.db").write_bytes(b"the rest of one that was stopped half-way")
    write_example(folder, NOW)
    with closing(sqlite3.connect(folder / "log.db")) as log:
        assert log.execute("SELECT count(*) FROM retrieval_log").fetchone()[0] > 5_000
