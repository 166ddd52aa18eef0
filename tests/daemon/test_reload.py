"""SIGHUP and changed files: the whole object graph anew, or the old one and a word about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from monitor.config import Config
from monitor.daemon import Daemon
from monitor.daemon.reload import FileWatch
from monitor.daemon.serving import Front
from monitor.errors import ConfigError
from monitor.store import Store, schema
from monitor.wiring import Deployment, slice_up
from tests.core_fakes.bench import Bench, Make


def test_a_file_is_changed_once(tmp_path: Path) -> None:
    file, missing = tmp_path / "driftmon.yaml", tmp_path / "token"
    file.write_text("a")
    watch = FileWatch([file, missing])
    assert watch.changed() == []
    file.write_text("bb")
    missing.write_text("secret")
    assert watch.changed() == [file, missing]
    assert watch.changed() == []
    missing.unlink()
    assert watch.changed() == [missing]


def test_a_swapped_folder_of_a_config_map_is_a_change(tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "driftmon.yaml").write_text("same length")
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "driftmon.yaml").symlink_to("..data/driftmon.yaml")
    watch = FileWatch([tmp_path / "driftmon.yaml"])
    assert watch.changed() == []
    (tmp_path / "..new").symlink_to("two")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert watch.changed() == [tmp_path / "driftmon.yaml"]


def test_an_edit_while_the_new_is_being_read_is_seen_next_time(tmp_path: Path) -> None:
    file, other = tmp_path / "driftmon.yaml", tmp_path / "other"
    file.write_text("a")
    watch = FileWatch([file])
    file.write_text("bb")
    assert watch.changed() == [file]
    file.write_text("ccc")  # between the look and the end of the reload
    watch.watch([file, other])
    assert watch.changed() == [file]


Reload = Callable[[Deployment], Bench]


@pytest.fixture
def bench(make: Make, tmp_path: Path) -> Bench:
    bench = make("docs", "wiki")
    (tmp_path / "driftmon.yaml").write_text("1")
    bench.daemon._watch = FileWatch([tmp_path / "driftmon.yaml"])
    return bench


def _without(deployment: Deployment, name: str) -> Deployment:
    collections = {n: c for n, c in deployment.config.collections.items() if n != name}
    return replace(
        deployment,
        config=deployment.config.model_copy(update={"collections": collections}),
        collections={n: c for n, c in deployment.collections.items() if n != name},
        thresholds=dict.fromkeys(collections, 9.0),
    )


def test_a_changed_file_is_taken_up_at_the_next_tick(bench: Bench, tmp_path: Path) -> None:
    daemon = bench.daemon
    daemon.load = lambda: _without(daemon.deployment, "wiki")
    bench.pass_windows(1)
    bench.tick()
    assert set(daemon.deployment.collections) == {"docs", "wiki"}
    (tmp_path / "driftmon.yaml").write_text("22")
    bench.pass_windows(1)
    with capture_logs() as told:
        bench.tick()
    assert set(daemon.deployment.collections) == {"docs"}
    assert bench.states("docs") == {"done": 2}
    assert bench.states("wiki") == {"done": 1}
    assert [status.collection for status in bench.published[-1].collections] == ["docs"]
    assert bench.published[-1].collections[0].log_threshold == 9.0
    assert [e["event"] for e in told][:2] == ["files changed", "configuration reloaded"]


def test_a_bad_configuration_keeps_the_old_one_and_says_so(bench: Bench, tmp_path: Path) -> None:
    daemon, before = bench.daemon, bench.daemon.deployment
    answers: list[Exception] = [ConfigError("driftmon.yaml: zzz: unknown key"), ZeroDivisionError("pw=x")]

    def load() -> Deployment:
        if answers:
            raise answers.pop(0)
        return before

    daemon.load = load
    for content in ("22", "333"):
        (tmp_path / "driftmon.yaml").write_text(content)
        bench.pass_windows(1)
        with capture_logs() as told:
            bench.tick()
        assert daemon.deployment is before
        assert daemon.ready() is None  # it goes on with what it has
        assert not bench.published[-1].config_ok
        assert "configuration refused, the old one stays" in [event["event"] for event in told]
        text = daemon.exporter.render()[0].decode()
        assert "driftmon_config_last_reload_successful 0.0" in text
    assert bench.states("docs") == {"done": 2}
    with capture_logs() as told:
        bench.tick()
    assert told == []  # not at every tick
    (tmp_path / "driftmon.yaml").write_text("4444")
    bench.tick()
    assert bench.published[-1].config_ok


def test_sighup_asks_for_it(bench: Bench) -> None:
    calls: list[int] = []

    def load() -> Deployment:
        calls.append(1)
        return bench.daemon.deployment

    bench.daemon.load = load
    bench.tick()
    assert calls == []
    bench.daemon.signals.reload_asked = True
    bench.tick()
    bench.tick()
    assert calls == [1]


def test_without_a_file_there_is_nothing_to_reload(bench: Bench) -> None:
    with capture_logs() as told:
        assert not bench.daemon.reload()
    assert [event["event"] for event in told] == [
        "nothing to reload: this daemon was not started from a file"
    ]


def _with(bench: Bench, **changes: object) -> Deployment:
    data = bench.daemon.deployment.config.model_dump()
    data["database"] = bench.daemon.deployment.config.database
    return replace(bench.daemon.deployment, config=Config.model_validate({**data, **changes}))


def test_another_database_is_opened_and_the_old_one_given_free(bench: Bench, tmp_path: Path) -> None:
    daemon, old = bench.daemon, bench.store
    other = f"sqlite:///{tmp_path}/other.db"
    changed = _with(bench, database=other)
    daemon.load = lambda: changed
    daemon._resources.enter_context(old.exclusive())
    assert not daemon.reload()  # no schema there yet: refused as a whole
    assert daemon.store is old
    schema.upgrade(other)
    assert daemon.reload()
    assert daemon.store is not old
    bench.store = daemon.store
    with old.exclusive():  # nobody holds it any more
        pass
    bench.save_baseline("docs")
    bench.pass_windows(1)
    bench.tick()
    assert bench.states("docs") == {"done": 1}
    with Store.open(f"sqlite:///{tmp_path}/driftmon.db").exclusive():
        pass
    daemon._resources.close()


def test_the_server_moves_or_stays_where_it_is(bench: Bench) -> None:
    daemon = bench.daemon
    daemon.front.open(daemon.deployment.config.web)
    other = Daemon(daemon.deployment, bench.store).front
    other.open(daemon.deployment.config.web)
    first, taken = _port(daemon.front), _port(other)
    busy = _with(bench, web={"listen": f"127.0.0.1:{taken}"})
    same = _with(bench, web={"listen": f"127.0.0.1:{first}", "requests_per_second": 7})
    try:
        daemon.load = lambda: busy
        assert not daemon.reload()
        assert _answers(daemon.front)
        daemon.load = lambda: same  # the same address again: the port is first given free, then taken
        assert daemon.reload()
        assert _port(daemon.front) == first
        assert _answers(daemon.front)
        # What answers there is a new server: its limit is the new one, 14 requests at once.
        # One client for all: a new one for each request is too slow to reach the limit on a busy machine.
        with httpx.Client() as client:
            codes = [client.get(f"{daemon.front.url}/metrics").status_code for _ in range(30)]
        assert (codes[0], 429 in codes) == (200, True)
        elsewhere = _with(bench, web={"listen": "127.0.0.1:0"})
        daemon.load = lambda: elsewhere
        assert daemon.reload()
        assert _port(daemon.front) != first
        assert _answers(daemon.front)
    finally:
        daemon.front.close()
        other.close()


def _port(front: Front) -> int:
    return int(str(front.url).rpartition(":")[2])


def _answers(front: Front) -> bool:
    return httpx.get(f"{front.url}/-/healthy").status_code == 200


def test_a_token_that_can_be_guessed_is_refused_at_reload(bench: Bench, tmp_path: Path) -> None:
    daemon = bench.daemon
    daemon.front.open(daemon.deployment.config.web)
    (tmp_path / "token").write_text("short")
    guessed = _with(bench, web={"listen": "127.0.0.1:0", "token_file": tmp_path / "token"})
    daemon.load = lambda: guessed
    try:
        assert not daemon.reload()
        assert _answers(daemon.front)
        (tmp_path / "token").write_text("long-enough-to-be-no-guess")
        assert daemon.reload()
        assert httpx.get(f"{daemon.front.url}/metrics").status_code == 401
        assert _answers(daemon.front)
    finally:
        daemon.front.close()


def test_places_follow_the_configuration(bench: Bench) -> None:
    daemon = bench.daemon
    daemon.workers = None
    changed = _with(bench, workers=7)
    daemon.load = lambda: changed
    assert daemon.reload()
    assert daemon.crew.places == 7


def test_segments_that_a_baseline_names_are_taken_up_and_survive_a_reload(make: Make) -> None:
    bench = make("docs", segments={"by": "tenant", "most": 2})
    daemon, store = bench.daemon, bench.store
    bench.tick()
    assert daemon.deployment.families() == ["docs"]
    info = store.active_baseline("docs")
    assert info is not None

    def rebuild(*names: str) -> None:
        """What `driftmon baseline build` does in another process."""
        meta = {"segments": {"tenant": [[name, 7] for name in names]}}
        data, span = store.baseline_data(info.id), {"start": info.start, "end": info.end}
        store.save_baseline("docs", data, by="x", reason="", model="m", meta=meta, activate=True, **span)

    rebuild("acme", "globex", "more-than-two")
    with capture_logs() as told:
        bench.tick()
    assert "segments changed" in [event["event"] for event in told]
    families = ["docs", "docs/tenant=acme", "docs/tenant=globex"]
    assert daemon.deployment.families() == families
    assert [status.collection for status in bench.published[-1].collections] == families
    assert bench.published[-1].collections[1].baseline_id is None  # said, and no reason not to be ready
    assert daemon.ready() is None
    thresholds = daemon.deployment.thresholds
    with capture_logs() as told:
        bench.tick()
    assert "segments changed" not in [event["event"] for event in told]  # not at every tick

    # A file knows of none of them: from its reload to the next look none may be missing in the budget.
    daemon.load = lambda: slice_up(daemon.deployment, {})
    assert daemon.reload()
    assert daemon.deployment.families() == families
    assert daemon.deployment.thresholds == thresholds
    assert set(daemon.crew.graph.deployment.collections) == set(families)
    rebuild("initech")
    bench.tick()
    assert daemon.deployment.families() == ["docs", "docs/tenant=initech"]
