from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Any]


def test_init_says_what_it_wrote_and_what_comes_next(
    driftmon: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = driftmon("init")
    assert said.code == 0
    assert said.out.splitlines() == [
        "wrote driftmon.yaml and driftmon-example/; next:",
        "  driftmon check",
        "  driftmon baseline build --start -3d --end -1d",
        "  driftmon evaluate",
        "  driftmon run",
    ]
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert written == [
        "driftmon-example",
        "driftmon-example/index.npz",
        "driftmon-example/log.db",
        "driftmon-example/suite.jsonl",
        "driftmon.yaml",
    ]


def test_init_keeps_what_is_there_unless_forced(driftmon: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine")
    said = driftmon("init", str(path))
    assert said.code == 2
    assert said.err == f"driftmon: {path}: already there; name another file or overwrite it with --force\n"
    assert path.read_text() == "mine"
    forced = driftmon("init", str(path), "--force")
    assert forced.code == 0
    assert f"driftmon check --config {path}" in forced.out
    assert driftmon("check", "-c", str(path)).code == 0


def test_init_where_nothing_can_be_written(driftmon: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    said = driftmon("init", str(tmp_path / "file" / "driftmon.yaml"))
    assert said.code == 3
    assert said.err == f"driftmon: {tmp_path}/file/driftmon-example: Not a directory\n"


def test_check_says_what_every_edge_found(driftmon: Run, example: Any) -> None:
    said = driftmon("check", "-c", example.config)
    assert said.code == 0, said.out
    lines = said.out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "ok   driftmon.database",
        "ok   example.source",
        "ok   example.records",
        "ok   example.index",
        "ok   example.suite",
    ]
    assert "200 with a vector of 384 dimensions, 200 with a text, 200 with hits, 200 with scores" in lines[2]
    assert "2852 documents of 384 dimensions; finds an answer" in lines[3]


def test_an_example_works_from_any_folder(
    driftmon: Run, example: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(example.folder)
    inside = driftmon("check", "--json")
    monkeypatch.chdir(example.folder.parent)
    outside = driftmon("check", "--json", "-c", f"{example.folder.name}/driftmon.yaml")
    assert inside.json["ok"]
    assert outside.json["ok"]
    assert [f["edge"] for f in inside.json["findings"]] == [f["edge"] for f in outside.json["findings"]]


def test_the_environment_may_name_the_configuration(
    driftmon: Run, example: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTMON_CONFIG", example.config)
    assert driftmon("check").code == 0


def test_check_fails_edge_by_edge_and_looks_at_the_others(
    driftmon: Run, example: Any, tmp_path: Path
) -> None:
    config = example.variant(tmp_path / "w.yaml", "table: retrieval_log", "table: nope")
    said = driftmon("check", "-c", config, "--json")
    assert said.code == 3
    findings = {f["edge"]: f for f in said.json["findings"]}
    assert not findings["source"]["ok"]
    assert (
        findings["source"]["text"] == "source.table: there is no table or view 'nope'; there is retrieval_log"
    )
    assert findings["index"]["ok"]
    assert findings["suite"]["ok"]
    assert "FAIL example.source: source.table" in driftmon("check", "-c", config).out


def test_check_sees_scores_that_run_the_other_way(driftmon: Run, example: Any, tmp_path: Path) -> None:
    config = example.variant(tmp_path / "w.yaml", "scores: similarity", "scores: distance")
    said = driftmon("check", "-c", config)
    assert "WARNING: scores fall along the answers, `scores: similarity` seems right" in said.out


def test_check_sees_vectors_that_do_not_fit_the_index(driftmon: Run, example: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "small.npz", ids=np.array(["a", "b"]), vectors=np.eye(2, 8, dtype=np.float32))
    config = example.variant(tmp_path / "w.yaml", "driftmon-example/index.npz", str(tmp_path / "small.npz"))
    said = driftmon("check", "-c", config)
    assert said.code == 3
    assert "FAIL example.dimensions: the log has 384 dimensions, the index has 8 dimensions" in said.out


def test_check_hides_the_password_of_a_server_that_is_down(
    driftmon: Run, example: Any, tmp_path: Path
) -> None:
    config = example.variant(
        tmp_path / "w.yaml", "sqlite:///driftmon.db", "postgresql+psycopg://me:s3cret@127.0.0.1:1/db"
    )
    for arguments in (("check",), ("check", "--json"), ("status",), ("db", "upgrade"), ("baseline", "list")):
        said = driftmon(*arguments, "-c", config)
        assert said.code == 3, arguments
        assert "s3cret" not in said.out + said.err
        assert "127.0.0.1" in said.out + said.err
        assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("window: 1h", "windw: 1h", "{file}: collections.example.windw: unknown key; did you mean 'window'?"),
        (
            "window: 1h",
            "window: 7m",
            (
                "{file}: collections.example.window: must divide a day into whole windows: 1m, 5m, 15m, 1h, 6h, 1d "
                "(it is '7m')"
            ),
        ),
        (
            "window: 1h",
            "window: 99999999999999d",
            (
                "{file}: collections.example.window: a duration is a number and a unit, such as 30s, 15m, 6h, 90d "
                "(it is '99999999999999d')"
            ),
        ),
        (
            "type: sql ",
            "type: sqll ",
            "collections.example.source.type: 'sqll' is not one of file, sql; did you mean 'sql'?",
        ),
        (
            "sqlite:///driftmon.db ",
            "${NO_SUCH_VARIABLE} ",
            (
                "database: the environment has no NO_SUCH_VARIABLE; export it before you start driftmon, "
                "or NO_SUCH_VARIABLE_FILE with the path of a file that holds it"
            ),
        ),
        ("collections:", "collection:", "{file}: collection: unknown key; did you mean 'collections'?"),
        (
            "127.0.0.1:9464",
            "here",
            "{file}: web.listen: must be host:port, such as 127.0.0.1:9464 (it is 'here')",
        ),
    ],
)
def test_a_wrong_configuration_is_told_with_path_value_and_mend(
    driftmon: Run, example: Any, tmp_path: Path, old: str, new: str, told: str
) -> None:
    file = example.variant(tmp_path / "w.yaml", old, new)
    said = driftmon("check", "-c", file)
    assert (said.code, said.out) == (2, "")
    assert said.err == f"driftmon: {told.format(file=file)}\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "no such file; `driftmon init` writes one, or name yours with --config"),
        (b"a: [", "not valid YAML"),
        (b"", "must be a mapping with `collections:`"),
        (b"\xff\xfe", "cannot be read"),
        (b"collections: {}", "name at least one collection"),
        (b"collections: {a: {}}", "collections.a.source"),
    ],
)
def test_a_file_that_is_no_configuration(
    driftmon: Run, tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = tmp_path / "driftmon.yaml"
    if content is not None:
        path.write_bytes(content)
    said = driftmon("status", "-c", str(path))
    assert said.code == 2
    assert said.err.startswith(f"driftmon: {path}: ")
    assert told in said.err
