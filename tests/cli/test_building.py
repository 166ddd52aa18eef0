"""Segments as an operator meets them: built, watched by a daemon on SQLite, shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.cli.options import load_deployment, load_families
from monitor.daemon import Daemon
from monitor.protocols import LogSource
from monitor.records import Record, Rejection
from monitor.segments import family_baselines
from monitor.sources.sliced import SegmentSource
from monitor.store import Store
from monitor.store.status import PastWindow
from monitor.web.page import render_page
from tests.core_fakes import tenants, world

Run = Callable[..., Any]
SPAN = ("--start", world.START.isoformat(), "--end", world.span(tenants.QUIET).start.isoformat())
PARTS = ["docs", "docs/tenant=acme", "docs/tenant=globex", "docs/tenant=initech"]


@dataclass
class Counted:
    """A log that tells which spans were read."""

    source: LogSource
    read_from: list[datetime] = field(default_factory=list)

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        self.read_from.append(start)
        return self.source.read(start, end)

    def describe(self) -> str:
        return self.source.describe()


@dataclass
class Watched:
    """A log whose last windows a daemon has walked."""

    config: Path
    said: Any
    log: Counted
    history: dict[str, list[PastWindow]]
    page: str
    metrics: str


def prepare(folder: Path, segments: Any, columns: Any = "tenant", **log: int) -> Path:
    tenants.write_log(folder / "log.db", **log)
    path = folder / "driftmon.yaml"
    path.write_text(yaml.safe_dump(tenants.configuration(folder, segments, columns)))
    return path


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, driftmon: Run) -> Watched:
    config = prepare(tmp_path_factory.mktemp("watched"), {"by": "tenant", "most": 3}, "labels")
    # No segment is known before the baseline: a daemon that runs already takes them up by itself.
    deployment = load_deployment(config)
    source = deployment.collections["docs"].source
    assert isinstance(source, SegmentSource)
    source.log.source = log = Counted(source.log.source)
    said = driftmon("baseline", "build", "docs", *SPAN, "--json", "-c", str(config))
    assert said.code == 0, said.err
    with closing(Store.open(deployment.config.database.get_secret_value())) as store:
        now = [world.span(tenants.QUIET).start]
        daemon = Daemon(deployment, store, clock=lambda: now[0], workers=1)
        for _ in range(tenants.DRIFTED):
            now[0] += world.QUARTER
            tick(daemon)
        tick(daemon)
        page = render_page(daemon.status())
        ages = timedelta(days=1)
        history = {n: store.history(n, world.START - ages, now[0] + ages) for n in PARTS}
        metrics = daemon.exporter.render()[0].decode()
    return Watched(config, said.json, log, history, page, metrics)


def tick(daemon: Daemon) -> None:
    daemon.tick()
    deadline = time.monotonic() + 60
    while not daemon.crew.idle():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_build_takes_the_collection_and_its_most_frequent_segments(watched: Watched) -> None:
    made = [watched.said, *watched.said["segments"]]
    assert [each["collection"] for each in made] == PARTS
    assert watched.said["skipped"] == []
    assert made[0]["records"] == tenants.QUIET * tenants.PER_WINDOW
    assert sum(each["records"] for each in made[1:]) == made[0]["records"]  # no sample was full
    assert load_families(watched.config).families() == PARTS


def test_drift_of_one_small_tenant_is_told_for_that_tenant(watched: Watched) -> None:
    """A twentieth of the traffic asks about wholly other things, which others asked about all along."""
    assert [len(windows) for windows in watched.history.values()] == [tenants.DRIFTED] * 4
    states = {n: [w.verdict.state for w in windows] for n, windows in watched.history.items()}
    assert "drift" in states["docs/tenant=initech"]
    assert [n for n, found in states.items() if "drift" in found] == ["docs/tenant=initech"]
    last = watched.history["docs/tenant=initech"][-1].verdict
    assert (last.cause, last.severity) == ("questions", "warning")


def test_the_log_is_read_once_per_window_for_all(watched: Watched) -> None:
    starts = [world.span(tenants.QUIET + i).start for i in range(tenants.DRIFTED)]
    assert watched.log.read_from == starts


def test_page_and_metrics_show_segments_as_collections_of_their_own(watched: Watched) -> None:
    assert "1 of 1 collection and 3 segments in drift" in watched.page
    row = watched.page.partition("tenant=initech</th>")[2].partition("</tr>")[0]
    assert "drift" in row
    assert 'driftmon_verdict{collection="docs/tenant=initech",state="drift"} 1.0' in watched.metrics
    assert 'driftmon_verdict{collection="docs",state="drift"} 0.0' in watched.metrics


def test_status_shows_segments_under_their_collection(driftmon: Run, watched: Watched) -> None:
    lines = driftmon("status", "-c", str(watched.config)).out.splitlines()
    rows = [line.split()[:2] for line in lines[2:]]
    assert [name for name, _ in rows] == ["docs", "tenant=acme", "tenant=globex", "tenant=initech"]
    assert dict(map(tuple, rows))["tenant=initech"] == "drift"
    found = driftmon("status", "docs", "--json", "-c", str(watched.config)).json["collections"]
    assert [(c["collection"], c["segment_of"]) for c in found] == [
        (n, "docs" if "/" in n else None) for n in PARTS
    ]
    one = driftmon("status", "docs/tenant=initech", "--json", "-c", str(watched.config)).json["collections"]
    assert [c["collection"] for c in one] == ["docs/tenant=initech"]


def test_a_segment_is_explained_like_a_collection(driftmon: Run, watched: Watched) -> None:
    said = driftmon("explain", "docs/tenant=initech", "-c", str(watched.config))
    assert said.code == 0, said.err
    assert "questions" in said.out
    # It has no probes: who reads "endpoint and documents stand" must know who has looked.
    assert "is told by `driftmon explain docs`)" in " ".join(said.out.split())


def test_an_unknown_segment_is_told_with_those_there_are(driftmon: Run, watched: Watched) -> None:
    said = driftmon("explain", "docs/tenant=nobody", "-c", str(watched.config))
    assert said.code == 2
    assert "no segment 'docs/tenant=nobody'; 'docs' has docs/tenant=acme, docs/tenant=globex" in said.err


SMALL = {"per_window": 120, "windows": tenants.QUIET}


def test_a_segment_with_too_little_is_said_and_skipped(driftmon: Run, tmp_path: Path) -> None:
    """Initech has about six of 120 records in a window: fewer than any baseline wants."""
    config = prepare(tmp_path, {"by": "tenant", "most": 3, "rest": True}, **SMALL)
    said = driftmon("baseline", "build", *SPAN, "--no-activate", "-c", str(config))
    assert said.code == 0, said.err
    assert "no baseline of docs/tenant=initech: " in said.out
    # The rest is what no watched segment has: initech is in it, and too small a rest has no baseline either.
    assert "no baseline of docs/tenant=_rest: " in said.out
    infos = driftmon("baseline", "list", "--json", "-c", str(config)).json
    parent = next(each for each in infos if each["collection"] == "docs")
    assert [name for name, _ in parent["meta"]["segments"]["tenant"]] == ["acme", "globex"]
    assert not any(each["active"] for each in infos)
    assert load_families(config).families() == ["docs"]  # what is not in use names nobody
    said = driftmon("baseline", "promote", str(parent["id"]), "-c", str(config))
    assert said.out == f"baseline {parent['id']} is active, and 2 of its segments; evidence starts anew\n"
    infos = driftmon("baseline", "list", "--json", "-c", str(config)).json
    assert all(each["active"] for each in infos)
    assert sorted(family_baselines(parent["meta"])) == [
        i["id"] for i in infos[::-1] if i["id"] != parent["id"]
    ]
    assert load_families(config).families() == ["docs", "docs/tenant=_rest", *PARTS[1:3]]


def test_one_segment_is_built_by_itself(driftmon: Run, tmp_path: Path) -> None:
    config = prepare(tmp_path, {"by": "tenant", "values": {"big": "acme"}}, **SMALL)
    said = driftmon("baseline", "build", "docs/tenant=big", *SPAN, "--json", "-c", str(config))
    assert (said.code, said.json["collection"], said.json["segments"]) == (0, "docs/tenant=big", [])
    refused = driftmon("baseline", "build", "docs/tenant=acme", *SPAN, "-c", str(config))
    assert (refused.code, "'docs' has docs/tenant=big" in refused.err) == (2, True)


def test_a_label_that_no_record_has_is_told(driftmon: Run, tmp_path: Path) -> None:
    config = prepare(tmp_path, {"by": "client", "most": 2}, "labels", **SMALL)
    said = driftmon("baseline", "build", *SPAN, "-c", str(config))
    assert (said.code, "no record has the label client: see source.columns.segments" in said.out) == (0, True)


def test_check_says_what_the_label_holds(driftmon: Run, tmp_path: Path) -> None:
    slices = [{"by": "tenant", "values": ["acme"], "rest": True}, {"by": "client", "most": 5}]
    config = prepare(tmp_path, slices, "labels", per_window=40, windows=2)
    move_to_now(tmp_path / "log.db")
    said = driftmon("check", "-c", str(config))
    assert said.code == 3
    assert "docs.segments.tenant: 80 of 80 records have one: acme " in said.out
    assert (
        "FAIL docs.segments.client: none of 80 records of the last 7 days has the label 'client'" in said.out
    )
    assert "docs/tenant" not in said.out  # a segment has no edges of its own


def move_to_now(path: Path) -> None:
    import sqlite3

    with closing(sqlite3.connect(path)) as log, log:
        log.execute("UPDATE log SET at = ?", ((datetime.now(UTC) - timedelta(hours=1)).isoformat(),))
