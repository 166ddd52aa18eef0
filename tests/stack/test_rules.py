from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.mixin import build
from deploy.mixin.causes import CAUSES, UNKNOWN
from monitor.judge import attribution

ROOT = Path(__file__).parents[2]
PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = PROMETHEUS / "driftmon.rules.yaml"
TESTS = PROMETHEUS / "driftmon.rules.test.yaml"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian package prometheus) is not installed"
)


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def rules(kind: str) -> list[dict[str, Any]]:
    return [rule for group in load(RULES)["groups"] for rule in group["rules"] if kind in rule]


def test_the_committed_files_are_the_generated_ones(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "deploy.mixin.build", str(tmp_path)], cwd=ROOT, check=True)
    for name in build.FILES:
        assert (tmp_path / name).read_text(encoding="utf-8") == (PROMETHEUS / name).read_text(
            encoding="utf-8"
        )


def test_the_resource_holds_the_same_rules_for_the_operator() -> None:
    resource = load(PROMETHEUS / "driftmon.prometheusrule.yaml")
    assert (resource["apiVersion"], resource["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert re.fullmatch(r"[a-z0-9-]{1,63}", resource["metadata"]["name"])
    assert resource["spec"] == load(RULES)


def test_runbooks_can_be_published_anywhere() -> None:
    alerts = [
        rule
        for group in build.plain("https://runbooks.example.com/driftmon")["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert len(alerts) == len(rules("alert"))
    for alert in alerts:
        assert alert["annotations"]["runbook_url"].startswith("https://runbooks.example.com/driftmon/")


@pytest.mark.stack
@needs_promtool
@pytest.mark.parametrize(
    "arguments", [("check", "rules", "--lint-fatal", RULES), ("test", "rules", TESTS)], ids=["check", "test"]
)
def test_promtool_agrees(arguments: tuple[str | Path, ...]) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.stack
@needs_promtool
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("DriftDetected", {"for": "30m"}),
        ("DriftDetected", {"labels": {"severity": "critical", "cause_group": "index"}}),
        ("DriftDetected", {"expr": "max without (instance, pod) (driftmon_incident_active) > 0"}),
        ("DriftDetected", {"keep_firing_for": "0s"}),
        ("RecallLoss", {"expr": 'driftmon_reading_effect{detector="recall_at_k"} > 0'}),
        ("CanaryMoved", {"expr": 'driftmon_reading_effect{detector="canary"} > 0'}),
        ("WindowsInvalid", {"expr": 'driftmon_verdict{state!="quiet"} > 0'}),
        ("WindowsStale", {"expr": "driftmon_window_lag_seconds > 3600"}),
        ("WindowsParked", {"expr": "driftmon_windows_total > 0"}),
        ("DriftmonAbsent", {"expr": "vector(0) > 1"}),
        ("SnapshotStale", {"expr": "time() - driftmon_snapshot_timestamp_seconds > 900"}),
        (
            "SnapshotStale",
            {"expr": "time() - max without (instance, pod) (driftmon_snapshot_timestamp_seconds) > 900"},
        ),
        ("ConfigReloadFailed", {"expr": "driftmon_config_last_reload_successful == 0"}),
        ("EdgesHang", {"expr": "driftmon_windows_in_work > 0"}),
        ("SeriesDropped", {"expr": "driftmon_series_dropped > 0"}),
        ("DeadLetters", {"expr": "driftmon_outbox_dead >= 0"}),
        ("NotificationsFailing", {"expr": "driftmon_outbox_oldest_age_seconds > 900"}),
    ],
)
def test_the_rule_tests_notice_a_wrong_rule(tmp_path: Path, name: str, change: dict[str, str]) -> None:
    wrong = load(RULES)
    rule = next(r for group in wrong["groups"] for r in group["rules"] if r.get("alert") == name)
    rule.update(change)
    (tmp_path / RULES.name).write_text(yaml.safe_dump(wrong))
    tests = load(TESTS)
    tests["tests"] = [test for test in tests["tests"] if test["name"].startswith(name)]
    (tmp_path / TESTS.name).write_text(yaml.safe_dump(tests))
    done = subprocess.run(
        ["promtool", "test", "rules", tmp_path / TESTS.name], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"alertname: {name}" in done.stdout + done.stderr


def test_every_alert_is_tested_firing_and_not_firing_and_absent() -> None:
    *cases, nothing = load(TESTS)["tests"]
    alerts = {rule["alert"] for rule in rules("alert")}
    firing, quiet = set(), set()
    for case in cases:
        assert case["input_series"]
        told: dict[str, bool] = {}
        for check in case.get("alert_rule_test", ()):
            told[check["alertname"]] = told.get(check["alertname"], False) or bool(check["exp_alerts"])
        firing |= {name for name, fired in told.items() if fired}
        quiet |= {name for name, fired in told.items() if not fired}
    assert nothing["input_series"] == []
    absent = {check["alertname"]: check["exp_alerts"] for check in nothing["alert_rule_test"]}
    assert set(absent) == alerts
    assert {name for name, expected in absent.items() if expected} == {"DriftmonAbsent", "Watchdog"}
    # What always fires has no other case than that nothing is there.
    assert firing == quiet == alerts - {"Watchdog"}


@pytest.mark.parametrize(
    "rule",
    rules("alert"),
    ids=lambda rule: f"{rule['alert']}-{rule['labels'].get('cause', rule['labels']['severity'])}",
)
def test_every_alert_says_what_an_engineer_needs(rule: dict[str, Any]) -> None:
    assert rule["alert"].isalnum()
    assert rule["alert"][0].isupper()
    assert rule["labels"]["severity"] in {"critical", "warning", "none", "{{ $labels.severity }}"}
    assert {"for", "keep_firing_for"} <= set(rule)
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert path == f"docs/runbooks/{rule['alert']}.md"
    assert not anchor or f"### {anchor}\n" in (ROOT / path).read_text(encoding="utf-8")


def test_every_cause_that_the_judge_names_has_an_alert_with_its_own_next_step() -> None:
    named = set(re.findall(r'Cause\(\s*"(\w+)"', inspect.getsource(attribution)))
    assert {cause.name for cause in (*CAUSES, UNKNOWN)} == named
    assert len({cause.step for cause in CAUSES}) == len(CAUSES)
    alerts = [rule for rule in rules("alert") if rule["alert"] == "DriftDetected"]
    assert len(alerts) == len(named)
    assert len({rule["annotations"]["description"] for rule in alerts}) == len(alerts)


def test_consequences_wait_longer_than_what_they_follow_from() -> None:
    def wait(name: str) -> int:
        return min(int(rule["for"].rstrip("m")) for rule in rules("alert") if rule["alert"] == name)

    drift = max(int(rule["for"].rstrip("m")) for rule in rules("alert") if rule["alert"] == "DriftDetected")
    assert drift < min(wait("RecallLoss"), wait("CanaryMoved"))


def test_recording_rules_drop_the_replica_and_every_one_is_used() -> None:
    expressions = " ".join(rule["expr"] for rule in rules("alert"))
    for rule in rules("record"):
        assert ('"family"' in rule["expr"]) == rule["record"].startswith("collection")
        assert "without (instance, pod)" in rule["expr"]
        assert rule["record"] in expressions
