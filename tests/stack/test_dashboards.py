from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from tests.stack.conftest import Stack

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))


DASHBOARDS_BY_NAME = {path.stem: path for path in DASHBOARDS}


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def panels(path: Path) -> list[dict[str, Any]]:
    return [panel for panel in load(path)["panels"] if panel["type"] != "row"]


EVERY_PANEL = [
    pytest.param(panel, id=f"{path.stem}-{panel['title']}") for path in DASHBOARDS for panel in panels(path)
]


VALUES = {
    '="$collection"': '="docs"',
    '=~"$collection"': '=~"docs|wiki"',
    '="$detector"': '="centroid_distance"',
    '=~"$detector"': '=~".+"',
}
UNITS = {"none", "short", "s", "bytes", "percentunit", "sci", "bool_yes_no", "dateTimeFromNow"}
"""Of Grafana's units, by their ids, those that are used: a misspelt one would be shown as a suffix."""
OWN_OPTIONS = {"titleFormat", "textFormat", "tagKeys", "useValueForTime"}
"""Of an annotation: the Prometheus data source reads them, the schema of annotations does not name them."""


def fill(expr: str) -> str:
    for variable, value in VALUES.items():
        expr = expr.replace(variable, value)
    assert "$" not in expr
    return expr


def ask(stack: Stack, expr: str) -> list[dict[str, Any]]:
    """The samples of a query; a rate needs a second scrape first."""
    deadline = time.monotonic() + 10
    while not (samples := stack.query(fill(expr))) and time.monotonic() < deadline:
        time.sleep(0.2)
    return samples


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
    assert names[-1] == "status_page"
    collection = board["templating"]["list"][1]
    assert collection["multi"] == (path.stem in {"driftmon-overview", "driftmon-daemon"})
    # What is chosen for one collection is asked for by name, what is chosen for several by a pattern.
    operator = "=~" if collection["multi"] else "="
    chosen = re.findall(r'collection(=~?)\\"\$collection', json.dumps(board["panels"]))
    assert set(chosen) == {operator}
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers))


FIRST = {
    "driftmon-overview": "Snapshot age",
    "driftmon-collection": "State",
    "driftmon-detector": "Drifting streams",
    "driftmon-daemon": "Replicas",
}


def test_every_dashboard_is_there_and_begins_with_what_it_is_for() -> None:
    assert {path.stem: panels(path)[0]["title"] for path in DASHBOARDS} == FIRST


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_nothing_in_a_dashboard_is_unknown_to_grafanas_schema(path: Path) -> None:
    """What the SDK's model of a dashboard cannot hold would be lost on the way there and back."""
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard")
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins

    register_default_plugins()
    board = load(path)
    for annotation in board["annotations"]["list"]:
        for option in OWN_OPTIONS:
            annotation.pop(option, None)
    kept = json.loads(json.dumps(models.Dashboard.from_json(board), cls=JSONEncoder))
    assert kept == board


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_lead_to_each_other_and_to_the_status_page(path: Path) -> None:
    others, page = load(path)["links"]
    assert (others["type"], others["tags"]) == ("dashboards", ["driftmon"])
    assert "driftmon" in load(path)["tags"]
    assert others["includeVars"]
    assert others["keepTime"]
    assert page["url"].startswith("${status_page}/")
    uids = {path.stem for path in DASHBOARDS}
    assert set(re.findall(r'"/d/([\w-]+)', path.read_text(encoding="utf-8"))) <= uids


def test_provisioning_names_one_source_and_the_dashboards() -> None:
    folder = ROOT / "grafana" / "provisioning"
    sources = yaml.safe_load((folder / "datasources" / "driftmon.yaml").read_text(encoding="utf-8"))
    (source,) = sources["datasources"]
    assert (sources["apiVersion"], source["type"], source["access"]) == (1, "prometheus", "proxy")
    assert source["url"] == "$PROMETHEUS_URL"
    providers = yaml.safe_load((folder / "dashboards" / "driftmon.yaml").read_text(encoding="utf-8"))
    (provider,) = providers["providers"]
    assert (providers["apiVersion"], provider["type"]) == (1, "file")
    assert provider["options"]["path"].startswith("/")


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
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert [target["refId"] for target in panel["targets"]] == list("ABCD")[: len(panel["targets"])]


@pytest.mark.stack
@pytest.mark.parametrize("panel", EVERY_PANEL)
def test_every_query_of_every_panel_returns_data(stack: Stack, panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        samples = ask(stack, target["expr"])
        assert samples, target["expr"]
        shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert all(shown <= set(sample["metric"]) for sample in samples)
        if '"instance"' not in json.dumps(panel.get("transformations")) and "instance" not in shown:
            assert not any({"instance", "pod"} & set(sample["metric"]) for sample in samples)


@pytest.mark.stack
@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_annotation_finds_its_moments_and_has_what_it_shows(stack: Stack, path: Path) -> None:
    marks = load(path)["annotations"]["list"]
    assert [mark["name"] for mark in marks] == ["Incidents", "Baselines", "Deploys and other events"]
    for mark in marks:
        samples = ask(stack, mark["expr"])
        assert samples, mark["expr"]
        shown = set(re.findall(r"{{(\w+)}}", mark["titleFormat"] + mark["textFormat"]))
        for sample in samples:
            assert shown | set(mark["tagKeys"].split(",")) <= set(sample["metric"])
            assert not {"instance", "pod"} & set(sample["metric"])
            assert float(sample["value"][1]) > 0


@pytest.mark.stack
def test_the_overview_tells_drifting_signals_from_calm_and_blind_ones(stack: Stack) -> None:
    (panel,) = (
        p for p in panels(DASHBOARDS_BY_NAME["driftmon-overview"]) if p["title"] == "Collection by signal"
    )
    samples = ask(stack, panel["targets"][0]["expr"])
    states = {s["metric"]["signal"]: s["value"][1] for s in samples if s["metric"]["collection"] == "docs"}
    assert states == {"suite": "2", "canary": "2", "queries": "0", "feedback": "1"}


@pytest.mark.stack
@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_variable_finds_values(stack: Stack, path: Path) -> None:
    for variable in load(path)["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            assert found is not None
            selector, label = found.groups()
            assert {sample["metric"][label] for sample in stack.query(fill(selector))}
