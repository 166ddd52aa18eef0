from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.audit import HORIZONS, Audit, Found, Level
from monitor.audit.findings import Replayed, rate
from monitor.audit.shifts import SHIFTS
from monitor.cli.audit_report import as_dict, show_audit
from monitor.records import BaselineInfo

HOUR, QUARTER = timedelta(hours=1), timedelta(days=90)
START = datetime(2026, 3, 2, tzinfo=UTC)
INFO = BaselineInfo(
    3, "docs", START, "test", "quiet", START, START + timedelta(days=2), active=True, model="m"
)
FOUND = Audit(
    allowed=1 / 2160,
    log_p_at_once=-16.0,
    history=Replayed(rate(0, 48), {"quiet": 47, "insufficient": 1}, {}, 2, 0),
    resampled=Replayed(rate(9, 8760), {"quiet": 8600, "drift": 160}, {"chart.[red]": 9}, 12, 3),
    levels=(
        Level("chart.[red]", 0.05, rate(5, 46), rate(417, 8568), broken=False),
        Level("chart.[red]", 0.01, rate(4, 46), rate(72, 8568), broken=True),
    ),
    found=(Found(SHIFTS[0], {1: None, 4: 0.3, 24: 0.05}, ("chart.[red]",), -90.0),),
    untried={"lost_documents": "there is no suite"},
    runs=40,
    unprovoked=0,
    kept="unproven",
    problems=("chart.[red] does not keep its level",),
)


def shown(capsys: pytest.CaptureFixture[str], found: Audit = FOUND) -> str:
    show_audit("docs", INFO, found, HOUR, QUARTER)
    return capsys.readouterr().out


def test_it_is_told_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys)
    assert "docs, baseline 3 (2026-03-02 00:00 to 2026-03-04 00:00 UTC), windows of 1:00:00" in out
    assert (
        "whether the budget is kept is not shown: it leaves this collection 1 false incident in 90 days"
        in out
    )
    assert "! chart.[red] does not keep its level" in out  # a third party's name is no markup
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "history 48 1 insufficient 0 0 (0 to 160) -" in lines
    assert "resampled (12 baselines) 8760 160 drift 9 2.2 (1 to 4.2) chart.[red]" in lines
    assert "chart.[red] 11% (3.6 to 24) 4.9% 8.7% (2.4 to 21) 0.84%" in lines
    assert "… of the questions on a new topic > 100% 30% 5% chart.[red]" in lines
    assert "lost documents: not tried, there is no suite." in lines


@pytest.mark.parametrize(("kept", "words"), [("yes", "the budget is kept"), ("no", "the budget is NOT kept")])
def test_the_verdict_stands_first(capsys: pytest.CaptureFixture[str], kept: str, words: str) -> None:
    out = shown(capsys, replace(FOUND, kept=kept, allowed=0.5 / 2160))  # type: ignore[arg-type]
    assert out.splitlines()[1].startswith(
        f"{words}: it leaves this collection 0.5 false incidents in 90 days"
    )


def test_it_is_told_without_what_was_not_done(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, replace(FOUND, resampled=None, levels=(), problems=()))
    assert "resampled" not in out
    assert "How often p is small" not in out


def test_it_is_told_for_programs() -> None:
    told = json.loads(json.dumps(as_dict(FOUND, QUARTER / HOUR), allow_nan=False))
    assert told["allowed_per_period"] == pytest.approx(1.0)
    assert told["resampled"]["incidents_per_period"]["value"] == pytest.approx(9 / 8760 * 2160)
    assert told["levels"][1] == {
        "stream": "chart.[red]",
        "level": 0.01,
        "history": told["levels"][1]["history"],
        "resampled": told["levels"][1]["resampled"],
        "broken": True,
    }
    (shift,) = told["shifts"]
    assert [w["windows"] for w in shift["within"]] == list(HORIZONS)
    assert shift["within"][0]["words"] == "100% of the questions on a new topic: not found within 1 window"
    assert shift["within"][2]["words"] == "5% of the questions on a new topic: found within 24 windows"
    assert as_dict(replace(FOUND, resampled=None), 2160.0)["resampled"] is None
