from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.demo import scenario

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ("", "--report: {folder} is a folder; name a file in it"),
        ("no/such/report.html", "--report: {folder}/no/such is not there; name a file in another folder"),
    ],
)
def test_a_report_that_cannot_be_written_is_refused_before_the_play(
    driftmon: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: str, told: str
) -> None:
    monkeypatch.setattr(scenario, "play", lambda *_: pytest.fail("a minute for nothing"))
    said = driftmon("demo", "--report", str(tmp_path / report))
    assert (said.code, said.out) == (2, "")
    assert said.err == f"driftmon: {told.format(folder=tmp_path)}\n"
