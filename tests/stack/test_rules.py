from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

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
        ("DriftDetected", {"keep_firing_for": "0s"}),
        ("RecallLoss", {"expr": 'driftmon_reading_effect{detector="recall_at_k"} > 0'}),
        ("CanaryMoved", {"expr": 'driftmon_reading_effect{detector="canary"} > 0'}),
        ("WindowsInvalid", {"expr": 'driftmon_verdict{state!="quiet"} > 0'}),
        ("WindowsStale", {"expr": "driftmon_window_lag_seconds > 3600"}),
        ("WindowsParked", {"expr": "driftmon_windows_total > 0"}),
        ("DriftmonAbsent", {"expr": "vector(0) > 1"}),
        ("SnapshotStale", {"expr": "time() - driftmon_snapshot_timestamp_seconds > 900"}),
        ("ConfigReloadFailed", {"expr": "driftmon_config_last_reload_successful == 0"}),
    ],
)
def test_the_rule_tests_notice_a_wrong_rule(tmp_path: Path, name: str, change: dict[str, str]) -> None:
    wrong = load(RULES)
    rule = next(r for group in wrong["groups"] for r in group["rules"] if r.get("alert") == name)
    rule.update(change)
    (tmp_path / RULES.name).write_text(yaml.safe_dump(wrong))
    shutil.copy(TESTS, tmp_path)
    done = subprocess.run(
        ["promtool", "test", "rules", tmp_path / TESTS.name], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"alertname: {name}" in done.stdout + done.stderr


def test_every_alert_is_tested_firing_and_not_firing() -> None:
    checks = [check for test in load(TESTS)["tests"] for check in test["alert_rule_test"]]
    firing = {check["alertname"] for check in checks if check["exp_alerts"]}
    silent = {check["alertname"] for check in checks if not check["exp_alerts"]}
    absent = {check["alertname"] for check in load(TESTS)["tests"][-1]["alert_rule_test"]}
    alerts = {rule["alert"] for rule in rules("alert")}
    assert firing == absent == alerts
    assert silent == alerts - {"Watchdog"}
    assert load(TESTS)["tests"][-1]["input_series"] == []


@pytest.mark.parametrize(
    "rule", rules("alert"), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}"
)
def test_every_alert_says_what_an_engineer_needs(rule: dict[str, Any]) -> None:
    assert rule["alert"].isalnum()
    assert rule["alert"][0].isupper()
    assert rule["labels"]["severity"] in {"critical", "warning", "none"}
    assert {"for", "keep_firing_for"} <= set(rule)
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"


def test_recording_rules_drop_the_replica_and_every_one_is_used() -> None:
    expressions = " ".join(rule["expr"] for rule in rules("alert"))
    for rule in rules("record"):
        assert "without (instance, pod)" in rule["expr"]
        assert rule["record"] in expressions
