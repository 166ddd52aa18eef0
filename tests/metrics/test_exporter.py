from __future__ import annotations

import math
import shutil
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from monitor import __version__
from monitor.metrics import METRICS, Exporter
from monitor.metrics.exporter import LABEL_LENGTH, _Families
from monitor.records import (
    Backlog,
    Cause,
    CollectionStatus,
    Evidence,
    Incident,
    Reading,
    Severity,
    Snapshot,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# What Prometheus 2.42 sends.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KINDS = {info.name: info.kind for info in METRICS}

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def incident(severity: Severity, cause: str, resolved_at: datetime | None = None) -> Incident:
    return Incident(1, "docs", NOW, NOW, resolved_at, severity, cause, ("canary.canary",))


def collection(name: str = "docs") -> CollectionStatus:
    """A collection with nothing but a name: the state before its first window."""
    return CollectionStatus(
        collection=name,
        window_end=None,
        readings=(),
        evidence=(),
        verdict=None,
        incidents=(),
        windows={},
        sample_sizes={},
        baseline_id=None,
        baseline_model="",
        log_threshold=math.log(1000),
    )


def drifting() -> CollectionStatus:
    """A collection with a value for every metric."""
    return replace(
        collection(),
        window_end=NOW - timedelta(minutes=20),
        window_length=timedelta(minutes=15),
        readings=(
            Reading("centroid_distance", "queries", 0.25, 400, log_p=math.log(1e-6), effect_floor=0.02),
            Reading(
                "recall_at_k",
                "suite",
                0.75,
                50,
                log_p=-1.0,
                effect_floor=0.02,
                effect=0.2,
                detail={"k": 10.0},
            ),
            Reading("canary", "canary", 0.59, 64, threshold=1e-3, harmful=True),
        ),
        evidence=(
            Evidence("centroid_distance", "queries", log_e=math.log(100)),
            Evidence("canary", "canary", firing=True),
        ),
        verdict=Verdict("drift", "critical", (Cause("query_model", 0.9),), ("canary.canary",)),
        incidents=(incident("critical", "query_model"),),
        windows={"done": 12, "parked": 1},
        sample_sizes={"queries": 400},
        baseline_id=7,
        baseline_model="all-MiniLM-L6-v2",
    )


FULL = Snapshot(
    NOW,
    (drifting(),),
    {("hook", "delivered"): 3},
    {"hook": Backlog(2, 61.5, 1)},
    config_read_at=NOW - timedelta(hours=1),
    in_work={"brisk": 2, "slow": 1, "hanging": 0},
    events={("docs", "model_push"): NOW - timedelta(hours=2)},
)
"""A snapshot with a value for every metric."""


def series(exporter: Exporter, *, ours: bool = True) -> Series:
    """Render as OpenMetrics and read back with prometheus_client's own strict parser."""
    body, _ = exporter.render(OPENMETRICS)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_openmetrics(body.decode())  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.name.startswith("driftmon_") == ours
    }


def export(
    *collections: CollectionStatus, notifications: Mapping[tuple[str, str], int] | None = None
) -> Series:
    exporter = Exporter()
    exporter.publish(Snapshot(NOW, collections, notifications or {}))
    return series(exporter)


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_every_metric_is_exported_with_exactly_its_labels() -> None:
    exporter = Exporter()
    exporter.publish(FULL)
    found = series(exporter)
    labels = {name: {label for label, _ in pairs} for name, pairs in found}
    assert labels == {info.name: set(info.labels) for info in METRICS}


def test_values_are_those_of_the_snapshot() -> None:
    found = export(drifting(), notifications={("hook", "delivered"): 3})
    stream = {"collection": "docs", "detector": "centroid_distance", "signal": "queries"}
    assert found[key("driftmon_reading", **stream)] == 0.25
    assert found[key("driftmon_reading_effect", **stream)] == 0.25
    assert found[key("driftmon_reading_threshold", **stream)] == 0.02
    assert found[key("driftmon_reading_p_value", **stream)] == pytest.approx(1e-6)
    assert found[key("driftmon_reading_valid", **stream)] == 1
    assert found[key("driftmon_evidence", **stream)] == pytest.approx(2.0)
    assert found[key("driftmon_evidence_firing", **stream)] == 0
    assert found[key("driftmon_evidence_threshold", collection="docs")] == pytest.approx(3.0)
    assert found[key("driftmon_recall_at_k", collection="docs", k="10")] == 0.75
    assert found[key("driftmon_window_lag_seconds", collection="docs")] == 1200
    assert found[key("driftmon_window_length_seconds", collection="docs")] == 900
    assert found[key("driftmon_window_end_timestamp_seconds", collection="docs")] == NOW.timestamp() - 1200
    assert found[key("driftmon_sample_size", collection="docs", signal="queries")] == 400
    assert found[key("driftmon_notifications_total", notifier="hook", result="delivered")] == 3
    assert found[key("driftmon_snapshot_timestamp_seconds")] == NOW.timestamp()
    assert found[key("driftmon_build_info", version=__version__)] == 1
    exporter = Exporter()
    exporter.publish(FULL)
    whole = series(exporter)
    assert whole[key("driftmon_windows_in_work", pace="slow")] == 1
    read_at = whole[key("driftmon_config_last_reload_success_timestamp_seconds")]
    assert read_at == NOW.timestamp() - 3600
    baseline = key("driftmon_baseline_info", collection="docs", baseline="7", model="all-MiniLM-L6-v2")
    assert found[baseline] == 1


def test_a_loss_and_a_probe_are_held_against_their_own_threshold() -> None:
    found = export(drifting())
    recall = {"collection": "docs", "detector": "recall_at_k", "signal": "suite"}
    assert found[key("driftmon_reading", **recall)] == 0.75
    assert found[key("driftmon_reading_effect", **recall)] == 0.2
    canary = {"collection": "docs", "detector": "canary", "signal": "canary"}
    assert found[key("driftmon_reading_threshold", **canary)] == 1e-3
    assert found[key("driftmon_evidence_firing", **canary)] == 1
    assert key("driftmon_reading_p_value", **canary) not in found


def test_zero_valued_series_exist_before_the_first_window() -> None:
    found = export(collection())
    for severity in ("warning", "critical"):
        assert found[key("driftmon_incident_active", collection="docs", severity=severity, cause="none")] == 0
    for state in ("planned", "running", "done", "parked"):
        assert found[key("driftmon_windows_total", collection="docs", state=state)] == 0
    for state in ("quiet", "drift", "insufficient", "invalid"):
        assert found[key("driftmon_verdict", collection="docs", state=state)] == 0
    assert found[key("driftmon_nonfinite_total")] == 0


def test_an_open_incident_stands_at_one_and_a_resolved_one_is_gone() -> None:
    active = key("driftmon_incident_active", collection="docs", severity="critical", cause="query_model")
    assert export(drifting())[active] == 1
    resolved = replace(drifting(), incidents=(incident("critical", "query_model", resolved_at=NOW),))
    assert active not in export(resolved)


def test_an_open_incident_without_a_cause_is_not_hidden_by_its_zero() -> None:
    found = export(replace(collection(), incidents=(incident("warning", "none"),)))
    assert found[key("driftmon_incident_active", collection="docs", severity="warning", cause="none")] == 1


def test_a_reading_that_cannot_be_used_shows_its_validity_and_no_value() -> None:
    reading = Reading(
        "recall_at_k", "suite", 0.0, 3, status="insufficient", effect_floor=0.02, detail={"k": 10.0}
    )
    found = export(replace(collection(), readings=(reading,)))
    stream = {"collection": "docs", "detector": "recall_at_k", "signal": "suite"}
    assert found[key("driftmon_reading_valid", **stream)] == 0
    assert found[key("driftmon_reading_threshold", **stream)] == 0.02
    assert {name for name, _ in found}.isdisjoint({"driftmon_reading", "driftmon_recall_at_k"})


def test_a_reading_that_never_fires_has_no_threshold() -> None:
    found = export(replace(collection(), readings=(Reading("ranking_churn", "suite", 0.4, 50),)))
    assert "driftmon_reading" in {name for name, _ in found}
    assert "driftmon_reading_threshold" not in {name for name, _ in found}


def test_stale_series_are_dropped_by_the_next_snapshot() -> None:
    exporter = Exporter()
    exporter.publish(Snapshot(NOW, (drifting(), replace(drifting(), collection="wiki"))))
    exporter.publish(Snapshot(NOW, (collection("wiki"),)))
    found = series(exporter)
    assert {value for _, labels in found for name, value in labels if name == "collection"} == {"wiki"}
    assert "driftmon_reading" not in {name for name, _ in found}


def test_a_snapshot_that_nobody_renews_is_withheld_and_comes_back() -> None:
    now = [0.0]
    exporter = Exporter(max_age=60.0, clock=lambda: now[0])
    exporter.publish(Snapshot(NOW, (drifting(),)))
    now[0] = 60.0
    assert "driftmon_reading" in {name for name, _ in series(exporter)}
    now[0] = 60.1
    lasting = {"driftmon_snapshot_timestamp_seconds", "driftmon_nonfinite_total", "driftmon_build_info"}
    assert {name for name, _ in series(exporter)} == lasting
    exporter.publish(Snapshot(NOW, (drifting(),)))
    assert "driftmon_reading" in {name for name, _ in series(exporter)}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nonfinite_values_are_withheld_and_counted_once_per_snapshot(bad: float) -> None:
    status = replace(
        drifting(),
        readings=(Reading("spatial_kl", "queries", bad, 400, log_p=math.nan), drifting().readings[0]),
        evidence=(Evidence("spatial_kl", "queries", log_e=math.nan),),
        log_threshold=math.inf,
    )
    exporter = Exporter()
    exporter.publish(Snapshot(NOW, (status,)))
    for _ in range(2):  # rendering twice must not count twice
        found = series(exporter)
        assert all(math.isfinite(value) for value in found.values())
        # reading, effect, p-value, evidence, threshold of the evidence
        assert found[key("driftmon_nonfinite_total")] == 5
    exporter.publish(Snapshot(NOW, (status,)))
    assert series(exporter)[key("driftmon_nonfinite_total")] == 10


def test_no_evidence_is_zero_and_not_minus_infinity() -> None:
    found = export(drifting())
    assert found[key("driftmon_evidence", collection="docs", detector="canary", signal="canary")] == 0
    assert found[key("driftmon_nonfinite_total")] == 0


def test_a_p_value_that_underflows_is_zero_and_one_above_one_is_withheld() -> None:
    tiny = Reading("spatial_kl", "queries", 3.0, 400, log_p=-2000.0)
    wrong = Reading("score_psi", "scores", 3.0, 400, log_p=800.0)
    found = export(replace(collection(), readings=(tiny, wrong)))
    stream = {"collection": "docs", "detector": "spatial_kl", "signal": "queries"}
    assert found[key("driftmon_reading_p_value", **stream)] == 0
    assert found[key("driftmon_nonfinite_total")] == 1


@given(st.text(), st.text(), st.text())
def test_hostile_names_parse_and_stay_short_and_plain(name: str, word: str, model: str) -> None:
    status = replace(
        drifting(),
        collection=name,
        readings=(Reading(word, word, 0.5, 10),),
        incidents=(incident("critical", word),),
        baseline_model=model,
    )
    exporter = Exporter()
    exporter.publish(Snapshot(NOW, (status,), {(name, word): 1}))
    for labels in (dict(pairs) for _, pairs in series(exporter)):
        for value in labels.values():
            assert value
            assert len(value) <= LABEL_LENGTH
            assert value.isprintable()
    list(parse_text(exporter.render("")[0].decode()))


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ('a"} 1\nevil_metric 2', 'a"} 1evil_metric 2'),
        ("back\\slash", "back\\slash"),
        ("x\x00\x1b[31m\u202e\u2028y", "x[31my"),
        ("\ud800", "unnamed"),
        ("", "unnamed"),
        ("名" * 300, "名" * 192),
    ],
)
def test_a_hostile_collection_name_is_cleaned(hostile: str, shown: str) -> None:
    found = export(collection(hostile))
    assert {dict(labels)["collection"] for _, labels in found if "collection" in dict(labels)} == {shown}


def test_a_sentence_never_becomes_a_cause() -> None:
    found = export(replace(collection(), incidents=(incident("critical", "how do I reset my password"),)))
    assert found[key("driftmon_incident_active", collection="docs", severity="critical", cause="other")] == 1


def test_names_that_become_equal_by_cleaning_give_one_series() -> None:
    body = Exporter()
    body.publish(Snapshot(NOW, (collection("n" * 128 + "a"), collection("n" * 128 + "b"))))
    lines = body.render(OPENMETRICS)[0].decode().splitlines()
    names = [line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("text/html", "text/plain; version=0.0.4"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0"),
        (PROMETHEUS, "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text; version=x", "text/plain; version=0.0.4"),
    ],
)
def test_the_accept_header_chooses_the_format(accept: str, content_type: str) -> None:
    exporter = Exporter()
    exporter.publish(Snapshot(NOW, (drifting(),)))
    body, found = exporter.render(accept)
    assert found.startswith(content_type)
    assert body.endswith(b"# EOF\n") == ("openmetrics" in content_type)


def test_the_text_format_says_the_type_of_every_metric() -> None:
    exporter = Exporter()
    exporter.publish(FULL)
    text = exporter.render("")[0].decode()
    types = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE driftmon_"))
    plain = {"info": "gauge", "unknown": "untyped"}
    assert types == {name: plain.get(kind, kind) for name, kind in KINDS.items()}


@pytest.mark.stack
@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian package prometheus) is not installed"
)
def test_promtool_finds_nothing_to_say() -> None:
    exporter = Exporter()
    exporter.publish(FULL)
    text = exporter.render("")[0]
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_before_the_first_snapshot_the_build_is_shown_and_nothing_is_invented() -> None:
    assert series(Exporter()) == {
        key("driftmon_build_info", version=__version__): 1,
        key("driftmon_nonfinite_total"): 0,
    }


def test_the_process_is_exported_beside_the_snapshot() -> None:
    names = {name for name, _ in series(Exporter(), ours=False)}
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "python_info"} <= names


def test_a_scrape_never_sees_half_a_snapshot() -> None:
    exporter = Exporter()
    states = [Snapshot(NOW, tuple(collection(f"{letter}{i}") for i in range(5))) for letter in "ab"]
    exporter.publish(states[0])
    stop = threading.Event()

    def publish() -> None:
        while not stop.is_set():
            for state in states:
                exporter.publish(state)

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        for _ in range(30):
            names = {
                value for _, labels in series(exporter) for label, value in labels if label == "collection"
            }
            assert names in ({f"a{i}" for i in range(5)}, {f"b{i}" for i in range(5)})
    finally:
        stop.set()
        publisher.join()


def test_a_snapshot_is_encoded_when_it_is_published_and_no_scrape_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded: list[int] = []

    def choose_counting(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
        encode, content_type = choose_encoder(accept)

        def counting(registry: CollectorRegistry) -> bytes:
            if isinstance(registry, _Families):
                encoded.append(1)
            return encode(registry)

        return counting, content_type

    monkeypatch.setattr("monitor.metrics.exporter.choose_encoder", choose_counting)
    exporter = Exporter()
    first = exporter.render(PROMETHEUS)[0]
    assert (len(encoded), first.count(b"# EOF")) == (1, 1)
    exporter.publish(Snapshot(NOW, (collection("docs"),)))
    assert len(encoded) == 2
    bodies = [exporter.render(PROMETHEUS)[0] for _ in range(5)]
    assert len(encoded) == 2
    assert all(body.endswith(b"# EOF\n") and body.count(b"# EOF") == 1 for body in bodies)
    assert all(b'collection="docs"' in body and b"process_cpu_seconds" in body for body in bodies)
    exporter.render("text/plain")
    assert len(encoded) == 3
