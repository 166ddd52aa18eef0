"""A rolling upgrade: the code of the release before works on this release's schema, side by side with ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import text

import monitor
from monitor.errors import LeaseLostError
from monitor.store import Retention, schema
from monitor.store.engine import reading
from tests.store.conftest import NOON, Docs, outcome_of

PREVIOUS = "44e4fba"
"""The last commit of the release before."""
ROOT = Path(monitor.__file__).resolve().parents[1]
SCRIPT = """
import json, sys
from datetime import timedelta
from monitor.store import Store, schema
from tests.store.conftest import HOUR, NOON, outcome_of
url, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
schema.require_current(url)
store = Store.open(url)
baseline = store.active_baseline("docs").id
for number in range(first, last):
    store.plan("docs", HOUR, NOON + (number + 1) * HOUR, timedelta(0), 100, NOON)
    claim = store.claim(["docs"], "old", timedelta(minutes=5))
    store.renew(claim, timedelta(minutes=5))
    store.commit(claim, outcome_of(claim, baseline))
status, = store.statuses(["docs"])
history = store.history("docs", NOON, NOON + 1000 * HOUR)
print(json.dumps({"head": schema.head(), "windows": dict(status.windows), "history": len(history)}))
"""


@pytest.fixture(scope="session")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the release before."""
    folder = tmp_path_factory.mktemp("previous")
    done = subprocess.run(
        ["git", "archive", PREVIOUS, "monitor", "migrations", "tests"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no {PREVIOUS} in this clone: fetch the whole history to try the release before")
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _work(previous: Path, url: str, first: int, last: int, script: str = SCRIPT) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", script, url, str(first), str(last)],
        cwd=previous,
        env={**os.environ, "PYTHONPATH": str(previous)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_both_releases_work_the_same_windows(previous: Path, docs: Docs, url: str) -> None:
    assert docs.baseline
    assert _work(previous, url, 0, 0)["head"] != schema.head()
    assert _work(previous, url, 0, 5)["windows"] == {"planned": 0, "running": 0, "done": 5, "parked": 0}
    for number in range(5, 10):
        docs.plan(number + 1)
        docs.work()
    docs.store.retain("docs", Retention(windows=timedelta(hours=1)), NOON + timedelta(days=3))
    after = _work(previous, url, 10, 15)
    assert after["windows"] == {"planned": 0, "running": 0, "done": 15, "parked": 0}
    with reading(docs.store.engine) as connection:
        starts = connection.execute(text("SELECT start_at FROM windows")).all()
    assert len(starts) == len(set(starts))


def test_a_claim_of_one_is_fenced_off_from_the_other(previous: Path, docs: Docs, url: str) -> None:
    assert docs.baseline
    docs.plan(1)
    ours = docs.claim()
    docs.change("UPDATE windows SET lease_until = '2020-01-01 00:00:00.000000+00:00'")
    script = SCRIPT.replace(
        "for number in range(first, last):\n    store.plan", "for number in [0]:\n    0 and store.plan"
    )
    _work(previous, url, 0, 0, script)
    with pytest.raises(LeaseLostError):
        docs.store.commit(ours, outcome_of(ours, docs.baseline))
