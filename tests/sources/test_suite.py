from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.errors import ConfigError
from monitor.sources.suite import load_suite, parse_judged_query


def write(tmp_path: Path, *rows: Any, encoding: str = "utf-8") -> Path:
    path = tmp_path / "suite.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines), encoding=encoding)
    return path


def row(identifier: Any = "q1", text: Any = "how?", relevant: Any = None, **more: Any) -> dict[str, Any]:
    return {"id": identifier, "text": text, "relevant": {"d1": 1} if relevant is None else relevant, **more}


def test_a_suite_is_read_line_by_line(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        row("q1", relevant={"d1": 2, "d2": 0, "d3": -1}),
        "",
        row(7, text="wie geht das?", relevant=["d4", 5, "d4"]),
        row("q3", vector=[1, 0.5]),
    )
    first, second, third = load_suite(path)
    assert (first.id, first.relevant, first.vector) == ("q1", {"d1": 2}, None)
    assert (second.id, second.relevant) == ("7", {"d4": 1, "5": 1})
    assert third.vector is not None
    assert third.vector.dtype == np.float32


def test_texts_keep_every_character_that_json_allows(tmp_path: Path) -> None:
    text = "one\u2028two\u0085three\x1cfour \U0001f600"
    raw = '{"id": "q1", "text": "one\u2028two\u0085three\\u001cfour \U0001f600", "relevant": ["d"]}'
    (query,) = load_suite(write(tmp_path, raw))
    assert query.text == text


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_files_of_any_editor_are_read(tmp_path: Path, end: str) -> None:
    path = tmp_path / "suite.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + (json.dumps(row()) + end + json.dumps(row("q2")) + end).encode())
    assert [q.id for q in load_suite(path)] == ["q1", "q2"]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("[]", "must be an object"),
        ("{", "Expecting property name"),
        ('{"id": "q"', "delimiter"),
        (row(identifier=True), "`id` must be"),
        (row(""), "`id` must be"),
        (row(1.5), "`id` must be"),
        (row(text=" "), "`text` must be"),
        (row(text=None), "`text` must be"),
        (row(relevant="d1"), "`relevant` must be"),
        (row(relevant={}), "no document with a grade above 0"),
        (row(relevant=[]), "no document with a grade above 0"),
        (row(relevant={"d": 0}), "no document with a grade above 0"),
        (row(relevant={"d": 0.5}), "the grade of 'd' must be a whole number, not 0.5"),
        (row(relevant={"d": True}), "the grade of 'd' must be a whole number"),
        (row(relevant={"d": 10**12}), "must be at most 1000000"),
        ('{"id": "q", "text": "t", "relevant": {"d": NaN}}', "whole number, not nan"),
        (row(vector=[]), "`vector` must be a flat list"),
        (row(vector=[0, 0]), "`vector` must be a flat list"),
        (row(vector=[[1, 2]]), "`vector` must be a flat list"),
        (row(vector=[1, [2]]), "`vector` must be a list of numbers"),
        (row(vector=["a"]), "`vector` must be a list of numbers"),
        (row(vector=[1e39]), "`vector` must be a flat list of finite"),
        (
            '{"id": "q", "text": "t", "relevant": ["d"], "vector": [NaN]}',
            "`vector` must be a flat list of finite",
        ),
        ("[" * 100_000, "recursion"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "row",
)
def test_a_broken_line_is_named_by_file_and_number(tmp_path: Path, bad: Any, said: str) -> None:
    path = write(tmp_path, row("good"), bad)
    with pytest.raises(ConfigError) as refused:
        load_suite(path)
    assert str(refused.value).startswith(f"{path}:2: ")
    assert said in str(refused.value)


def test_an_id_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r":2: id '1' is used twice"):
        load_suite(write(tmp_path, row("1"), row(1)))


def test_a_few_of_many_broken_lines_are_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load_suite(write(tmp_path, *["{"] * 9))
    lines = str(refused.value).splitlines()
    assert len(lines) == 6
    assert lines[-1] == "… and 4 more"


def test_vectors_of_two_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 and 3 dimensions; make all with one model"):
        load_suite(write(tmp_path, row("a", vector=[1, 2]), row("b", vector=[1, 2, 3])))


def test_an_empty_file_shows_what_a_line_looks_like(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is empty; a line looks like") as refused:
        load_suite(write(tmp_path, "", "  "))
    example = str(refused.value).partition("looks like ")[2]
    assert parse_judged_query(json.loads(example)).relevant == {"doc-7": 1}


def test_a_missing_file_a_folder_and_another_encoding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read \(.*name an existing file"):
        load_suite(tmp_path / "nothing.jsonl")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_suite(tmp_path)
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_suite(write(tmp_path, row(text="grüße"), encoding="latin-1"))
