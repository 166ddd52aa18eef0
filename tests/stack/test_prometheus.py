from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from deploy.mixin.build import GROUPS
from deploy.mixin.recording import RECORDING
from deploy.mixin.values import Alert
from monitor.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stack.conftest import Stack

pytestmark = pytest.mark.stack

FIRING = 'ALERTS{alertstate="firing"}'


@pytest.fixture
def mended(stack: Stack) -> Iterator[Stack]:
    """The stack after the mend; the push comes back for those who test next."""
    stack.mend()
    yield stack
    stack.push_model()
    stack.wait("driftmon_incident_active > 0", lambda samples: len(samples) == len(stack.exporters))


def alerts(samples: list[dict[str, dict[str, str]]]) -> list[str]:
    return sorted(sample["metric"]["alertname"] for sample in samples)


def test_every_metric_arrives_from_every_replica(stack: Stack) -> None:
    for info in METRICS:
        samples = stack.wait(info.name, lambda samples: len({s["metric"]["instance"] for s in samples}) == 2)
        labels = {label for sample in samples for label in sample["metric"]}
        assert labels == {"__name__", "instance", "job", *info.labels}


def test_values_arrive_as_they_were_published(stack: Stack) -> None:
    values = {
        'max(driftmon_reading_effect{detector="recall_at_k"})': 0.25,
        'min(driftmon_recall_at_k{collection="docs",k="10"})': 0.75,
        'sum(driftmon_windows_total{state="done"})': 24.0,
        'max(driftmon_incident_active{severity="warning",cause="none"})': 0.0,
        'max(driftmon_notifications_total{notifier="hook",result="delivered"})': 3.0,
    }
    found = {expr: float(stack.query(expr)[0]["value"][1]) for expr in values}
    assert found == values
    (evidence,) = stack.query('max(driftmon_evidence{signal="queries"})')
    assert float(evidence["value"][1]) == pytest.approx(20 / 2.302585, rel=1e-6)


def test_the_scrape_is_openmetrics_and_the_types_are_known(stack: Stack) -> None:
    assert {s["value"][1] for s in stack.query('up{job="driftmon"}')} == {"1"}
    assert len(stack.query("scrape_samples_scraped > 30")) == 2


def test_a_model_push_fires_each_of_its_alerts_once_for_both_replicas(stack: Stack) -> None:
    expected = ["CanaryMoved", "DriftDetected", "RecallLoss", "Watchdog", "WindowsParked"]
    samples = stack.wait(FIRING, lambda samples: alerts(samples) == expected)
    (drift,) = (s["metric"] for s in samples if s["metric"]["alertname"] == "DriftDetected")
    assert (drift["severity"], drift["cause"]) == ("critical", "model_query_side")
    assert (drift["cause_group"], drift["family"]) == ("model", "docs")
    assert not {"instance", "pod"} & {label for sample in samples for label in sample["metric"]}


def test_the_alerts_resolve_when_the_incident_does(mended: Stack) -> None:
    mended.wait(FIRING, lambda samples: alerts(samples) == ["Watchdog"])
    gone = mended.query('driftmon_incident_active{cause="model_query_side"}')
    assert gone == []
    zeros = mended.query('driftmon_incident_active{cause="none"}')
    assert [sample["value"][1] for sample in zeros] == ["0"] * 4


def test_every_recording_rule_gives_one_series_for_both_replicas(stack: Stack) -> None:
    names = {s["metric"]["__name__"] for s in stack.query('{__name__=~".+:driftmon.*"}')}
    assert names == {rule.name for rule in RECORDING.rules}
    for name in names:
        samples = stack.query(name)
        assert len(samples) == len({tuple(sorted(s["metric"].items())) for s in samples})
        assert all("instance" not in sample["metric"] for sample in samples)


def test_prometheus_evaluates_every_rule_without_a_complaint(stack: Stack) -> None:
    def answer() -> list[dict[str, str]]:
        body = httpx.get(f"{stack.url}/api/v1/rules", timeout=5, trust_env=False).json()
        return [rule for group in body["data"]["groups"] for rule in group["rules"]]

    stack.wait(FIRING, bool)
    assert len(answer()) == sum(len(group.rules) for group in GROUPS)
    assert {(rule["health"], rule.get("lastError", "")) for rule in answer()} == {("ok", "")}


@pytest.mark.parametrize(
    "rule",
    [rule for group in GROUPS for rule in group.rules if isinstance(rule, Alert)],
    ids=lambda rule: f"{rule.name}-{rule.anchor or rule.severity}",
)
def test_everything_that_an_alert_looks_at_is_there(stack: Stack, rule: Alert) -> None:
    stack.query(rule.expr)
    named = set(re.findall(r"(?:\w+:)?\bdriftmon_\w+(?::\w+)?", rule.expr))
    for name in named:
        stack.wait(name, bool)  # the first evaluation may be still to come
    assert named or rule.name == "Watchdog"
