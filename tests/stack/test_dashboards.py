from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.stack.conftest import Stack

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def panels(path: Path) -> list[dict[str, Any]]:
    return [panel for panel in load(path)["panels"] if panel["type"] != "row"]


EVERY_PANEL = [
    pytest.param(panel, id=f"{path.stem}-{panel['title']}") for path in DASHBOARDS for panel in panels(path)
]


def fill(expr: str) -> str:
    return expr.replace("$collection", "docs").replace("$detector", ".+")


def test_the_committed_dashboards_are_the_generated_ones(tmp_path: Path) -> None:
    pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk is not installed")
    subprocess.run([sys.executable, "-m", "grafana.build", str(tmp_path)], cwd=ROOT, check=True)
    generated = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert generated == {path.name: path.read_text(encoding="utf-8") for path in DASHBOARDS}
    assert generated


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_provisioned_anywhere(path: Path) -> None:
    board = load(path)
    assert board["uid"] == path.stem
    assert board.get("id") is None
    names = [variable["name"] for variable in board["templating"]["list"]]
    assert names[:2] == ["datasource", "collection"]
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers))
    first_row = board["panels"].index(next(p for p in board["panels"][1:] if p["type"] == "row"))
    shown_first = [panel["title"] for panel in board["panels"][1:first_row]]
    assert shown_first == ["State", "Last window ended", "Lag in windows", "Snapshot age"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_lie_beside_each_other_and_inside_the_grid(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in load(path)["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells


@pytest.mark.parametrize("panel", EVERY_PANEL)
def test_every_panel_has_a_description_a_unit_and_the_chosen_source(panel: dict[str, Any]) -> None:
    assert len(panel["description"]) > 20
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert [target["refId"] for target in panel["targets"]] == list("ABC")[: len(panel["targets"])]


@pytest.mark.stack
@pytest.mark.parametrize("panel", EVERY_PANEL)
def test_every_query_of_every_panel_returns_data(stack: Stack, panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        samples = stack.query(fill(target["expr"]))
        assert samples, target["expr"]
        shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert all(shown <= set(sample["metric"]) for sample in samples)
        assert not any({"instance", "pod"} & set(sample["metric"]) for sample in samples)


@pytest.mark.stack
@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_variable_finds_values(stack: Stack, path: Path) -> None:
    for variable in load(path)["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            assert found is not None
            selector, label = found.groups()
            assert {sample["metric"][label] for sample in stack.query(fill(selector))}
