from __future__ import annotations

import io
import math
import sys
from datetime import UTC, datetime

import pytest
from rich.console import Console

from monitor.cli import show
from monitor.cli.show import format_p, print_json, progress, readings_table, verdict_line
from monitor.records import Cause, Evidence, Reading, Verdict

THRESHOLD = 10.0


@pytest.mark.parametrize(
    ("log_p", "shown"),
    [
        (None, "-"),
        (0.0, "1"),
        (math.log(0.0123), "0.012"),
        (math.log(3.2e-7), "3.2e-07"),
        (-2302.585, "1e-1000"),
    ],
)
def test_a_p_value_is_short_and_never_zero(log_p: float | None, shown: str) -> None:
    assert format_p(log_p) == shown


def test_json_refuses_nan_and_writes_times(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"at": datetime(2026, 3, 2, tzinfo=UTC)})
    assert capsys.readouterr().out == '{\n  "at": "2026-03-02T00:00:00+00:00"\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json({"value": math.nan})
    with pytest.raises(TypeError, match="cannot print set as JSON"):
        print_json({"value": set()})
    assert capsys.readouterr().out == ""


def test_no_bar_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert not sys.stderr.isatty()
    with progress() as advance:
        advance("walking windows", 1, 2)
    said = capsys.readouterr()
    assert said.out == said.err == ""


def _lines(readings: list[Reading], evidence: list[Evidence]) -> dict[str, list[str]]:
    out = Console(width=80, highlight=False)
    with out.capture() as captured:
        out.print(readings_table("a window", readings, evidence, THRESHOLD))
    text = captured.get()
    assert "…" not in text, "a cut number is another number"
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}


def test_readings_fit_a_terminal_of_80_columns() -> None:
    readings = [
        Reading(
            "persistent_vectors",
            "corpus",
            0.000123456,
            1000,
            log_p=-750.0,
            effect=0.0123456,
            effect_floor=0.0001,
        ),
        Reading("centroid_distance", "queries", 0.0227, 200, log_p=-1.0, effect_floor=0.02),
        Reading("canary", "canary", 0.0471, 64, threshold=0.001),
        Reading("spatial_kl", "corpus", 0.0, 3, status="insufficient"),
    ]
    evidence = [
        Evidence("persistent_vectors", "corpus", 700.0, firing=True),
        Evidence("centroid_distance", "queries", -5.0),
        Evidence("canary", "canary", firing=True),
    ]
    rows = _lines(readings, evidence)
    assert rows["persistent_vectors.corpus"] == [
        "0.000123", "0.0123", "0.0001", "1e-326", "304.0", "of", "4.3", "1000", "fires",
    ]  # fmt: skip
    assert rows["centroid_distance.queries"] == [
        "0.0227",
        "0.0227",
        "0.02",
        "0.37",
        "0.0",
        "of",
        "4.3",
        "200",
    ]
    assert rows["canary.canary"] == ["0.0471", "0.0471", "0.001", "-", "-", "64", "fires"]
    assert rows["spatial_kl.corpus"] == ["-", "-", "-", "-", "insufficient", "3"]


def test_a_verdict_names_every_cause() -> None:
    verdict = Verdict("drift", "critical", (Cause("model_query_side", 0.9), Cause("unknown", 0.1)))
    assert verdict_line(verdict) == (
        "[bold red]drift[/], severity critical, cause: [bold]model_query_side (90%), unknown (10%)[/]"
    )
    assert verdict_line(Verdict("quiet")) == "[green]quiet[/]"


def test_a_text_does_nothing_to_a_terminal_and_our_colours_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    said = io.StringIO()
    monkeypatch.setattr("sys.stdout", said)
    out = show.console()
    out.print("[green]ok[/] \x1b[2J\x07 \u202e", "second", soft_wrap=True)
    out.print("\x1b]0;title\x07", markup=False)
    assert "\x1b[32mok\x1b[0m" in said.getvalue()
    plain = said.getvalue().replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert not any(c in plain for c in "\x1b\x07\u202e")
    assert "ok \\x1b[2J \\u202e second" in plain  # rich drops the bell itself
    assert "\\x1b]0;title" in plain


@pytest.mark.parametrize("text", ["", "plain", "größe 数 🦄", "two\nlines"])
def test_what_is_harmless_stays(text: str) -> None:
    assert show.harmless(text) == text


def test_half_a_character_can_be_printed() -> None:
    show.harmless("\ud800 \t\r\x85\u2028\x00").encode()
    assert show.harmless("a\rb\u2028") == "a\\rb\\u2028"
