from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.options import load_deployment, open_store
from monitor.daemon.work import Graph
from monitor.store import Retention

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def drifting(example: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    """The example, worked to its end; in its last hours half of the questions are about sockets and HTTP."""
    folder = tmp_path_factory.mktemp("drifting")
    for name in ("driftmon.yaml", "driftmon.db"):
        shutil.copy(example.folder / name, folder)
    shutil.copytree(example.folder / "driftmon-example", folder / "driftmon-example")
    text = (folder / "driftmon.yaml").read_text()
    config = folder / "here.yaml"
    config.write_text(
        text.replace("sqlite:///driftmon.db", f"sqlite:///{folder}/driftmon.db").replace(
            "driftmon-example/", f"{folder}/driftmon-example/"
        )
    )
    since = f"{example.end - timedelta(hours=8):%FT%H}"
    with closing(sqlite3.connect(folder / "driftmon-example" / "log.db")) as log:
        asked = log.execute(
            "SELECT query, embedding, results FROM retrieval_log WHERE query LIKE '%socket%' OR query LIKE '%http%'"
        ).fetchall()
        late = log.execute("SELECT id FROM retrieval_log WHERE created_at >= ?", (since,)).fetchall()
        for number, (identifier,) in enumerate(late[::2]):
            log.execute(
                "UPDATE retrieval_log SET query = ?, embedding = ?, results = ? WHERE id = ?",
                (*asked[number % len(asked)], identifier),
            )
        log.commit()
    deployment = load_deployment(config)
    with open_store(deployment) as store:
        hour = timedelta(hours=1)
        store.plan("example", hour, example.end, timedelta(0), 100, example.end - 40 * hour)
        graph = Graph(deployment, store)
        while (claim := store.claim(["example"], "test", hour)) is not None:
            graph.work(claim)
    return example, str(config)


def test_a_shift_of_questions_is_told(driftmon: Run, drifting: tuple[Any, str]) -> None:
    _, config = drifting
    said = driftmon("explain", "-c", config)
    assert (said.code, said.err) == (0, "")
    assert "Drift, " in said.out
    assert "questions (" in said.out
    assert "What stood still: the stored document vectors" in said.out
    assert "next: Look at the regions that gained" in said.out
    assert "    - " not in said.out  # no question of a user unless asked for
    assert not any(line != line.rstrip() for line in said.out.splitlines())


def test_the_regions_that_gained_are_named_by_their_words(driftmon: Run, drifting: tuple[Any, str]) -> None:
    example, config = drifting
    with closing(sqlite3.connect(f"{Path(config).parent}/driftmon-example/log.db")) as log:
        # The log ends now, whatever the hour is: at night the newest window has few questions to tell regions by.
        busiest, _ = log.execute(
            "SELECT substr(created_at, 1, 13), count(*) FROM retrieval_log WHERE created_at >= ? AND created_at < ?"
            " GROUP BY 1 ORDER BY 2 DESC",
            (f"{example.end - timedelta(hours=8):%FT%H}", f"{example.end:%FT%H}"),
        ).fetchone()
    said = driftmon("explain", "--at", f"{busiest}:30:00+00:00", "-c", config)
    gained = [line for line in said.out.splitlines() if line.strip().startswith("region ")]
    assert any("socket" in line or "http" in line for line in gained), said.out


def test_the_same_as_data_with_examples(driftmon: Run, drifting: tuple[Any, str]) -> None:
    _, config = drifting
    answer = driftmon("explain", "--json", "--examples", "1", "-c", config).json
    assert answer["causes"][0]["name"] == "questions"
    assert answer["causes"][0]["because"]
    gained = [c for c in answer["regions"]["questions"] if c["share"] > c["baseline_share"]]
    assert all(len(c["examples"]) == 1 for c in gained)


def test_a_window_of_ones_choice(driftmon: Run, drifting: tuple[Any, str]) -> None:
    example, config = drifting
    early = example.end - timedelta(hours=20, minutes=30)
    said = driftmon("explain", "--at", early.isoformat(), "-c", config)
    assert said.code == 0, said.err
    assert f"{early - timedelta(minutes=30):%F %R} to " in said.out
    assert "Quiet: nothing fires." in said.out or "Insufficient" in said.out


def test_it_is_told_against_the_baseline_that_judged_the_window(
    driftmon: Run, drifting: tuple[Any, str], tmp_path: Path
) -> None:
    example, config = drifting
    answer = driftmon("explain", "--json", "-c", config).json
    end = example.end.isoformat()
    built = driftmon(
        "baseline", "build", "--start", "-9d", "--end", end, "--reason", "new norm", "-c", config
    )
    assert built.code == 0, built.err
    assert driftmon("explain", "--json", "-c", config).json == answer
    assert answer["baseline"] == 1


def test_a_window_that_was_rolled_up_is_told_whole(driftmon: Run, drifting: tuple[Any, str]) -> None:
    example, config = drifting
    deployment = load_deployment(Path(config))
    policy = Retention(windows=timedelta(hours=1), hourly=timedelta(hours=2), daily=timedelta(days=400))
    with open_store(deployment) as store:
        while store.retain("example", policy, example.end + timedelta(days=9)).more:
            pass
        past = store.history("example", example.end - timedelta(days=3), example.end)
    day = max(past, key=lambda w: w.end - w.start)
    assert day.end - day.start > timedelta(hours=1)
    answer = driftmon("explain", "--at", day.start.isoformat(), "--json", "-c", config).json
    assert (answer["start"], answer["end"]) == (day.start.isoformat(), day.end.isoformat())


def test_a_window_that_is_not_there(driftmon: Run, drifting: tuple[Any, str]) -> None:
    said = driftmon("explain", "--at", "2020-01-01", "-c", drifting[1])
    assert said.code == 2
    assert "has no done window at 2020-01-01 00:00 UTC" in said.err


def test_before_the_first_window(driftmon: Run, example: Any) -> None:
    said = driftmon("explain", "-c", example.config)
    assert (said.code, said.out) == (2, "")
    assert "has no done window yet" in said.err


def test_a_log_that_is_gone(driftmon: Run, drifting: tuple[Any, str], tmp_path: Path) -> None:
    path = tmp_path / "gone.yaml"
    path.write_text(Path(drifting[1]).read_text().replace("/log.db", "/away.db"))
    said = driftmon("explain", "-c", str(path))
    assert said.code == 0, said.err
    assert "the questions cannot be looked at" in said.out
    assert "questions (" in said.out
