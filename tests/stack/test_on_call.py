"""From a model push to one person, once, with the right cause; and what is heard when the daemon itself is gone."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from benchmarks.figures import Figures
from tests.stack.on_call import WINDOW, OnCall, on_call

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.stack, pytest.mark.postgres]

SETTLE = 8.0
"""Seconds after a notification in which another one, which must not come, would have come."""


@pytest.fixture
def running(postgres_database: str, tmp_path: Path) -> Iterator[OnCall]:
    with on_call(tmp_path, postgres_database) as found:
        yield found
        measured = Figures("stack", seed=5, runs=1)
        for what, seconds in found.clock.items():
            measured.add(what, seconds, "s")
        measured.write()


def test_a_model_push_reaches_one_person_once_and_so_does_a_daemon_that_is_gone(running: OnCall) -> None:
    running.wait("the first verdict", lambda: running.driftmon("status", "--json").find('"quiet"') > 0)
    time.sleep(2 * WINDOW.total_seconds())
    assert running.summary() == []  # nothing is wrong, and nobody hears anything

    pushed = running.service.push("tuned")
    running.wait("push -> alert fires in Prometheus", lambda: running.firing("DriftDetected"))
    running.wait("alert -> delivered at the receiver", lambda: running.notifications("/pager", "firing"))
    time.sleep(SETTLE)
    (told,) = running.notifications("/pager", "firing")
    (alert,) = told["alerts"]
    labels = alert["labels"]
    assert (labels["alertname"], labels["cause"]) == ("DriftDetected", "model_query_side")
    assert (labels["collection"], labels["severity"]) == ("docs", "critical")
    assert alert["annotations"]["runbook_url"].startswith("docs/runbooks/")
    # The consequences do fire in Prometheus; they are silenced on the way.
    assert running.firing("CanaryMoved")

    enough = pushed + timedelta(seconds=45)
    time.sleep(max(0.0, (enough - datetime.now(UTC)).total_seconds()))
    start = pushed + WINDOW
    running.driftmon("baseline", "build", "docs", "--start", start.isoformat(), "--end", enough.isoformat())
    resolved = "a new baseline -> resolved at the receiver"
    running.wait(resolved, lambda: running.notifications("/pager", "resolved"))
    time.sleep(SETTLE)
    assert len(running.notifications("/pager", "resolved")) == 1
    assert len(running.notifications("/pager", "firing")) == 1

    with running.service.log_away():
        running.wait("log gone -> WindowsStale", lambda: running.firing("WindowsStale"))
        running.wait("WindowsStale -> delivered", lambda: running.notifications("/tickets", "firing"))
    running.wait("log back -> caught up", lambda: not running.firing("WindowsStale"))

    running.replicas[0].pause()
    time.sleep(SETTLE)
    assert not running.firing("DriftmonAbsent")  # the other one answers
    since = time.monotonic()
    running.replicas[1].pause()
    running.wait("both paused -> DriftmonAbsent", lambda: running.firing("DriftmonAbsent"))
    running.wait("DriftmonAbsent -> delivered", lambda: running.notifications("/pager", "firing", since))
    running.wait("both paused -> SnapshotStale", lambda: running.firing("SnapshotStale"))
    for replica in running.replicas:
        replica.go_on()
    running.wait("going on -> resolved", lambda: running.notifications("/pager", "resolved", since))
