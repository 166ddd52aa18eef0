"""The files of a log: which they are, in what order, and what tells one state of a file from another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor.errors import EdgeError
from monitor.sources.log_files import list_files


def write(place: Path, text: str = "{}\n") -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return place


def test_files_come_in_the_order_of_paths(tmp_path: Path) -> None:
    names = ["a-b/1.jsonl", "a/2.jsonl", "a/1.parquet", "a.jsonl", "b/c/3.jsonl.gz"]
    paths = sorted(write(tmp_path / name) for name in names)
    for path in (str(tmp_path), f"{tmp_path}/**/*", f"{tmp_path}/"):
        assert [Path(file.name) for file in list_files(path)] == paths


def test_other_files_folders_and_links_that_lead_nowhere_are_passed_over(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl")
    write(tmp_path / "notes.txt")
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nowhere.jsonl")
    (tmp_path / "round.jsonl").symlink_to(tmp_path / "round.jsonl")
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert [file.name for file in list_files(str(tmp_path))] == [str(log)]


def test_a_version_changes_with_what_the_file_holds_and_only_then(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl")
    (before,) = list_files(str(log))
    assert list_files(f"{tmp_path}/*.jsonl") == [before]
    with log.open("a") as stream:
        stream.write("{}\n")
    (longer,) = list_files(str(log))
    log.unlink()
    write(log, "{}\n{}\n")
    (replaced,) = list_files(str(log))
    assert len({before.version, longer.version, replaced.version}) == 3


@pytest.mark.parametrize("name", ["none.jsonl", "*.jsonl", "."])
def test_no_file_is_an_error_that_names_the_path(tmp_path: Path, name: str) -> None:
    write(tmp_path / "notes.txt")
    with pytest.raises(EdgeError, match=r"no file \.jsonl, \.jsonl\.gz, \.parquet at .*; correct the path"):
        list_files(str(tmp_path / name))


def test_a_file_of_another_kind_is_named_with_the_mend(tmp_path: Path) -> None:
    notes = write(tmp_path / "notes.txt")
    with pytest.raises(EdgeError, match=r"notes\.txt is none of .*; rename or convert it"):
        list_files(str(notes))


def test_a_file_that_may_not_be_looked_at_is_an_error_of_the_edge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, real = write(tmp_path / "log.jsonl"), os.stat

    def refuse(name: str | Path, **options: object) -> os.stat_result:
        if name == str(log):
            raise PermissionError(13, "Permission denied", name)
        return real(name, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(EdgeError, match=r"log\.jsonl: cannot be read \(Permission denied\)"):
        list_files(f"{tmp_path}/*")
