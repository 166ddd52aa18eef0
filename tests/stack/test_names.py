"""Rules, dashboards, documents and code name the same metrics, alerts, causes and detectors."""

from __future__ import annotations

import inspect
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.judge import attribution
from monitor.metrics import METRICS

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"
# Exported by events, which dashboards name already.
NAMES = {info.name for info in METRICS}
METRIC = re.compile(r"\bdriftmon_[a-z0-9_]+")


def named_in(*patterns: str) -> set[str]:
    files = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    assert files
    return {name for path in files for name in METRIC.findall(path.read_text(encoding="utf-8"))}


def alerts() -> list[str]:
    rules = yaml.safe_load(
        (ROOT / "deploy" / "prometheus" / "driftmon.rules.yaml").read_text(encoding="utf-8")
    )
    return sorted({rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule})


def sections(path: Path) -> list[str]:
    return re.findall(r"^## (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    "pattern", ["deploy/prometheus/*.yaml", "grafana/dashboards/*.json", "docs/**/*.md", "README.md"]
)
def test_only_metrics_that_exist_are_named(pattern: str) -> None:
    assert named_in(pattern) <= NAMES


def test_every_metric_is_in_a_rule_or_a_dashboard_and_in_the_catalogue() -> None:
    assert named_in("deploy/prometheus/*.rules.yaml", "grafana/dashboards/*.json") == NAMES
    assert {info.name for info in METRICS} <= named_in("docs/metrics.md")


@pytest.mark.parametrize("alert", alerts())
def test_every_alert_has_a_runbook(alert: str) -> None:
    path = RUNBOOKS / f"{alert}.md"
    assert path.read_text(encoding="utf-8").startswith(f"# {alert}\n")
    assert sections(path) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert f"[{alert}]({alert}.md)" in (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert "driftmon " in path.read_text(encoding="utf-8").split("## Diagnosis")[1]


def test_every_runbook_belongs_to_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {*alerts(), "README", "detectors"}


def test_every_detector_has_a_paragraph() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert sorted(sections(RUNBOOKS / "detectors.md")) == sorted(project["entry-points"]["monitor.detectors"])


def test_every_cause_is_explained() -> None:
    causes = set(re.findall(r'Cause\(\s*"(\w+)"', inspect.getsource(attribution)))
    table = (RUNBOOKS / "DriftDetected.md").read_text(encoding="utf-8").split("## Diagnosis")[1]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == causes


def test_links_between_runbooks_lead_somewhere() -> None:
    for path in RUNBOOKS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def commands_in(text: str) -> list[list[str]]:
    fenced = [
        line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
    ]
    lines = fenced + re.findall(r"`(driftmon [^`\n]+)`", text)
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("driftmon ")]


def test_every_command_in_the_documents_exists() -> None:
    from typer.main import get_command

    from monitor.cli.main import app

    found = [
        words
        for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
        for words in commands_in(path.read_text(encoding="utf-8"))
    ]
    assert len(found) > 40
    for words in found:
        command: Any = get_command(app)
        for word in words:
            if not hasattr(command, "commands"):
                break
            assert word in command.commands, " ".join(words)
            command = command.commands[word]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, " ".join(words)
