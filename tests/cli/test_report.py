from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_a_report_is_one_file(driftmon: Run, example: Any, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    said = driftmon("report", "--output", str(file), "--json", "-c", example.config)
    assert (said.code, said.err) == (0, "")
    text = file.read_text()
    assert said.json == {"output": str(file), "bytes": len(text.encode())}
    assert "<h1>example" in text
    assert "<link" not in text
    assert "<form" not in text
    assert "src=" not in text.partition("<script>")[0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--incident", "99"), "no incident 99 is kept"),
        (("example", "--incident", "1"), "not both"),
        (("none",), "no collection 'none'"),
        (("--output", "no/such/report.html"), "is not there; name a file in another folder"),
    ],
)
def test_what_is_wrong_is_told(
    driftmon: Run, example: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = driftmon("report", *arguments, "-c", example.config)
    assert said.code == 2
    assert told in said.err
    assert list(tmp_path.iterdir()) == []
