"""A short version of `make torture PARTS=delivery`: a bad receiver, and dispatchers that are killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from benchmarks.torture import delivery
from benchmarks.torture.report import missed
from monitor.store import Store, schema
from tests.core_fakes.receiver import receiving
from tests.store.conftest import Docs

pytestmark = [pytest.mark.e2e]


@pytest.mark.postgres
def test_everything_is_told_once_per_incident_whatever_fails_and_whoever_is_killed() -> None:
    figures = delivery.run(0.1)
    assert missed(figures) == []
    assert sum(f["value"] for f in figures if "kill -9" in f["name"]) > 0


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        made = f"sqlite:///{tmp_path}/told.db"
    else:
        made = str(request.getfixturevalue("postgres_database"))
    schema.upgrade(made)
    return made


@contextmanager
def teller(url: str, receiver: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.torture.teller", receiver, "30"],
        env={**os.environ, "DRIFTMON_DATABASE": url},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_dispatcher_that_is_killed_in_mid_delivery_loses_nothing(url: str) -> None:
    with receiving(["hang"], hang=60) as receiver, closing(Store.open(url)) as store:
        docs = Docs(store)
        docs.plan(1)
        docs.work(**docs.drift("canary.canary"))
        with teller(url, receiver.url) as process:
            deadline = time.monotonic() + 60
            while not receiver.calls and time.monotonic() < deadline:
                time.sleep(0.002)
            process.kill()
        (held,) = receiver.calls
        (letter,) = store.letters("waiting")
        assert (letter.attempts, letter.state) == (1, "waiting")  # what became of it nobody knows
        with teller(url, receiver.url):
            (told,) = receiver.wait_for(1, 60)
            deadline = time.monotonic() + 20
            while store.letters("waiting") and time.monotonic() < deadline:
                time.sleep(0.01)
        assert told.json["groupKey"] == held.json["groupKey"]
        assert told.headers["Idempotency-Key"] == held.headers["Idempotency-Key"]
        assert [each.state for each in store.letters("all")] == ["delivered"]
