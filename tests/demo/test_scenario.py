"""The demo as people see it: one whole story, and what must and must not fire in it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from monitor.demo.material import load_material
from monitor.demo.report import write_report
from monitor.demo.scenario import Story, play
from monitor.demo.summary import summarise

pytestmark = pytest.mark.power

PSI = {"score_psi.scores", "score_psi.scores_mean", "score_psi.scores_margin"}
POPULATION = {"centroid_distance.queries", "spatial_kl.queries"}


@pytest.fixture(scope="module")
def story() -> Story:
    return play(load_material(), 1)


@pytest.fixture(scope="module")
def acts(story: Story) -> dict[str, Any]:
    return {act["act"]: act for act in summarise(story)["acts"]}


def test_nothing_fires_in_a_quiet_stretch(story: Story, acts: dict[str, Any]) -> None:
    assert all(act["fired_in_quiet"] == [] for act in acts.values())
    assert all(m.verdict.state == "quiet" for act in story.acts for m in act.quiet)


def test_growth_moves_the_population_charts_and_not_the_endpoint(acts: dict[str, Any]) -> None:
    growth = acts["growth"]
    assert set(growth["fired"]) >= POPULATION | {"centroid_distance.corpus", "spatial_kl.corpus"}
    assert not set(growth["fired"]) & ({"canary.canary", "era_recall.suite"} | PSI)
    assert growth["cause"].startswith("corpus")
    assert growth["severity"] == "warning"
    assert growth["recall_at_k"]["after"] < growth["recall_at_k"]["before"]


def test_a_model_push_moves_scores_recall_and_canaries_and_not_the_population(acts: dict[str, Any]) -> None:
    push = acts["model_push"]
    assert set(push["fired"]) >= PSI | {"canary.canary", "era_recall.suite"}
    assert not set(push["fired"]) & POPULATION
    assert (push["cause"], push["severity"]) == ("model_query_side", "critical")
    assert push["windows_to_detect"] == 1
    assert push["recall_at_k"]["after"] < 0.2 * push["recall_at_k"]["before"]


def test_a_silent_push_is_heard_by_canaries(acts: dict[str, Any]) -> None:
    silent = acts["silent_push"]
    assert "canary.canary" in silent["fired"]
    assert silent["cause"] == "model_query_side"
    assert silent["windows_to_detect"] == 1


def test_the_adapter_brings_recall_back(acts: dict[str, Any], story: Story) -> None:
    push, adapter = acts["model_push"]["recall_at_k"], acts["adapter"]["recall_at_k"]
    assert adapter["after"] - push["after"] >= 0.7 * (push["before"] - push["after"])
    assert story.offer is not None
    agreement = story.offer.agreement
    assert agreement[story.offer.adapter.kind] == max(agreement.values())


def test_the_summary_is_plain_data_without_nan(story: Story) -> None:
    summary = summarise(story)
    json.dumps(summary, allow_nan=False)
    for act in summary["acts"]:
        for row in act["readings"].values():
            assert all(v is None or math.isfinite(v) for v in row.values())


def test_the_report_is_one_file_that_asks_for_nothing(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(story, path)
    html = path.read_text(encoding="utf-8")
    assert len(html) < 1_600_000
    for act in story.acts:
        assert act.title in html
    ours = html[: html.index("<script>")]
    assert "<script src" not in html
    assert "<link" not in ours
    assert "http" not in ours  # no address that a browser would ask
    write_report(story, path)
    assert path.read_text(encoding="utf-8") == html
