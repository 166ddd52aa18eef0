from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor.threads import BLAS_VARIABLES, cpu_quota, limit_blas_threads, worker_count

CPUS = 8


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(CPUS)), raising=False)
    for variable in BLAS_VARIABLES:
        monkeypatch.setenv(variable, "to be restored, whatever the test sets")
        monkeypatch.delenv(variable)


def v2(root: Path, text: str) -> Path:
    (root / "cpu.max").write_text(text)
    return root


def v1(root: Path, quota: str, period: str) -> Path:
    (root / "cpu").mkdir()
    (root / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (root / "cpu" / "cpu.cfs_period_us").write_text(period)
    return root


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("200000 100000\n", 2.0),
        ("50000 100000\n", 0.5),
        ("max 100000\n", CPUS),
        ("6400000 100000\n", CPUS),
        ("", CPUS),
        ("nonsense 100000", CPUS),
        ("100000 0", CPUS),
    ],
)
def test_cgroup_v2(tmp_path: Path, text: str, cpus: float) -> None:
    assert cpu_quota(v2(tmp_path, text)) == cpus


@pytest.mark.parametrize(
    ("quota", "period", "cpus"),
    [("300000\n", "100000\n", 3.0), ("-1\n", "100000\n", CPUS), ("x", "100000", CPUS), ("100000", "0", CPUS)],
)
def test_cgroup_v1(tmp_path: Path, quota: str, period: str, cpus: float) -> None:
    assert cpu_quota(v1(tmp_path, quota, period)) == cpus


def test_without_a_cgroup_the_affinity_counts(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "nothing") == CPUS


def test_where_there_is_no_affinity_all_cpus_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cpu_quota(tmp_path) == 1.0


@pytest.mark.parametrize(
    ("text", "workers"), [("250000 100000", 2), ("10000 100000", 1), ("max 100000", CPUS)]
)
def test_a_worker_per_whole_cpu(tmp_path: Path, text: str, workers: int) -> None:
    assert worker_count(v2(tmp_path, text)) == workers


@pytest.mark.parametrize(("workers", "threads"), [(None, 1), (1, 4), (2, 2), (3, 1), (9, 1)])
def test_workers_share_the_threads(tmp_path: Path, workers: int | None, threads: int) -> None:
    assert limit_blas_threads(workers, v2(tmp_path, "400000 100000")) == threads
    assert {os.environ[v] for v in BLAS_VARIABLES} == {str(threads)}


def test_what_the_environment_says_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    limit_blas_threads(1, v2(tmp_path, "400000 100000"))
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert os.environ["OPENBLAS_NUM_THREADS"] == "4"
