"""What docs/kubernetes.md tells people to write, tried."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from deploy.helm.scan import EXPLAINED
from monitor.metrics import METRICS
from tests.deploy.conftest import CHART, ROOT, helm, only

PAGE = ROOT / "docs" / "kubernetes.md"


@pytest.mark.helm
def test_the_values_shown_are_rendered(tmp_path: Path) -> None:
    block = re.search(r"(?m)^3\. Values.*\n\n((?: {8}.*\n)+)", PAGE.read_text())
    assert block is not None
    values = tmp_path / "values.yaml"
    values.write_text(textwrap.dedent(block[1]))
    result = helm("template", "watch", str(CHART), "-f", str(values))
    assert result.returncode == 0, result.stderr
    manifests = tuple(each for each in yaml.safe_load_all(result.stdout) if each)
    assert only(manifests, "PrometheusRule")
    assert only(manifests, "Deployment")["spec"]["replicas"] == 2


def test_links_lead_somewhere_and_metrics_exist() -> None:
    text = PAGE.read_text()
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (PAGE.parent / link).exists(), link
    for path in re.findall(r"`((?:deploy|docs)/[\w/.-]+)`", text):
        assert (ROOT / path).exists(), path
    known = {metric.name for metric in METRICS}
    for name in set(re.findall(r"`?(driftmon_\w+)", text)):
        assert name in known, name


def test_every_rule_that_is_not_met_is_explained_and_no_other() -> None:
    assert set(re.findall(r"CKV_\w+", PAGE.read_text())) == set(EXPLAINED)


def test_the_table_of_symptoms_leads_to_every_runbook() -> None:
    table = PAGE.read_text().partition("| symptom | metric | runbook |")[2].partition("\n\n")[0]
    rows = [row.strip("|").split("|") for row in table.strip().splitlines()[1:]]
    runbooks = {path.name for path in (PAGE.parent / "runbooks").glob("*.md")} - {"README.md", "detectors.md"}
    assert {name for row in rows for name in re.findall(r"runbooks/([\w.]+)", row[2])} == runbooks
    for symptom, metric, _ in rows:
        assert re.search(r"`[^`]+`|Watchdog", metric), symptom
