from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from monitor.metrics import METRICS, Exporter
from monitor.metrics.budget import WEIGHTS, Weight, choose_dropped, most_series, weigh
from monitor.records import SIGNALS, CollectionStatus, Evidence, Incident, Reading, Snapshot, Verdict
from monitor.slicing import WITH_PARENT
from monitor.wiring import wire_detectors, wire_spans

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
STREAMS = 27


def status(name: str, *, incident: bool = False, streams: int = STREAMS) -> CollectionStatus:
    """A collection with every series that it can have."""
    keys = [("recall_at_k" if i == 0 else f"detector_{i}", "suite") for i in range(streams)]
    return CollectionStatus(
        collection=name,
        window_end=NOW,
        readings=tuple(
            Reading(d, s, 0.5, 9, log_p=-1.0, effect_floor=0.1, detail={"k": 10}) for d, s in keys
        ),
        evidence=tuple(Evidence(d, s, log_e=1.0) for d, s in keys),
        verdict=Verdict("quiet"),
        incidents=(Incident(1, name, NOW, NOW, None, "critical", "unknown", ()),) if incident else (),
        windows={"done": 1},
        sample_sizes={"suite": 9},
        baseline_id=1,
        baseline_model="m",
        log_threshold=math.log(1000),
        window_length=timedelta(minutes=15),
    )


def export(*statuses: CollectionStatus, limit: int) -> dict[str, dict[str, float]]:
    """Family, then collection (or "" for the daemon's), and how many series."""
    exporter = Exporter(max_series=limit)
    exporter.publish(Snapshot(NOW, statuses))
    found: dict[str, dict[str, float]] = {}
    for family in parse_openmetrics(exporter.render(OPENMETRICS)[0].decode()):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            if sample.name.startswith("driftmon_"):
                of = found.setdefault(sample.name, {})
                collection = sample.labels.get("collection", "")
                of[collection] = of.get(collection, 0) + 1
                if not sample.labels:
                    of["value"] = sample.value
    return found


def total(found: dict[str, dict[str, float]]) -> int:
    return int(sum(n for of in found.values() for collection, n in of.items() if collection != "value"))


def test_no_collection_has_more_series_than_the_formula_says() -> None:
    one = export(status("docs", incident=True), limit=10_000)
    of_docs = sum(of.get("docs", 0) for of in one.values())
    # The four kinds of event have a metric of their own only where events are recorded.
    events = 0 if "driftmon_event_timestamp_seconds" in one else 4
    assert of_docs == most_series(STREAMS, signals=1, incidents=1) - events
    assert one["driftmon_series_dropped"]["value"] == 0
    assert one["driftmon_series_exported"]["value"] == total(one)


def test_the_catalogues_examples_follow_from_the_default_detectors() -> None:
    catalogue = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    detectors = wire_detectors({})
    whole = len(detectors) + len(wire_spans(detectors, [4, 8, 32]))
    of_slices = [detector for detector in detectors if detector.signal not in WITH_PARENT]
    sliced = len(of_slices) + len(wire_spans(of_slices, [4, 8, 32]))
    signals = {detector.signal for detector in of_slices}
    assert (
        f"R is {whole} and S at most {len(SIGNALS)}: up to {most_series(whole, len(SIGNALS))} series"
        in catalogue
    )
    expected = f"R = {sliced} and S = {len(signals)} by default: up to {most_series(sliced, len(signals))}."
    assert expected in " ".join(catalogue.split())


@pytest.mark.parametrize("limit", [20_000, 1900, 1500, 1100, 900, 600, 300, 100, 30])
def test_the_budget_is_never_exceeded_and_what_is_left_out_is_counted(limit: int) -> None:
    names = ["a", "a/tenant=x", "a/tenant=y", "b", "b/tenant=x", "c", "d", "e", "f", "g"]
    whole = total(export(*map(status, names), limit=10**6))
    found = export(*map(status, names), limit=limit)
    assert total(found) <= limit
    assert found["driftmon_series_exported"]["value"] == total(found)
    assert found["driftmon_series_dropped"]["value"] == whole - total(found)
    assert found["driftmon_series_limit"]["value"] == limit
    assert (total(found) == whole) == (limit >= whole)


def test_details_of_segments_go_first_and_the_last_segment_before_the_first() -> None:
    statuses = [status("a"), status("a/tenant=x"), status("a/tenant=y"), status("b")]
    whole = total(export(*statuses, limit=10**6))
    found = export(*statuses, limit=whole - 1)
    details = {name for name, weight in WEIGHTS.items() if weight == "detail"}
    for name in details:
        assert set(found[name]) == {"a", "a/tenant=x", "b"}
    assert "a/tenant=y" in found["driftmon_evidence"]
    assert found["driftmon_series_dropped"]["value"] == sum(3 * [STREAMS]) + 2


def test_a_collection_with_an_open_incident_outlasts_the_others() -> None:
    statuses = [status("a"), status("b"), status("c", incident=True)]
    whole = total(export(*statuses, limit=10**6))
    found = export(*statuses, limit=whole - 100)
    assert set(found["driftmon_reading"]) == {"c"}
    assert set(found["driftmon_evidence"]) == {"a", "b", "c"}


def test_states_go_last_and_the_daemon_never() -> None:
    found = export(status("a"), status("b"), limit=60)
    families = {name for name, of in found.items() if {"a", "b"} & set(of)}
    assert all(weigh(name) == "state" for name in families)
    assert set(found["driftmon_incident_active"]) == {"a", "b"}
    nothing = export(status("a"), limit=1)
    assert all(set(of) <= {"", "value"} for of in nothing.values())
    assert {"driftmon_build_info", "driftmon_snapshot_timestamp_seconds"} <= set(nothing)


def test_nothing_goes_while_there_is_room() -> None:
    assert choose_dropped({"f": {("a",): 1.0}}, ["f"], (), 1) == {}
    assert choose_dropped({"f": {("a",): 1.0}}, ["f"], (), 0) == {("f", "a"): 1}


def test_what_alerts_rest_on_is_neither_detail_nor_course_unless_they_do_without() -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/driftmon.rules.yaml").read_text(encoding="utf-8"))
    expressions = " ".join(rule["expr"] for group in rules["groups"] for rule in group["rules"])
    named = set(re.findall(r"\bdriftmon_[a-z0-9_]+", expressions))
    assert {weigh(name) for name in named} <= {"stream", "state"}


def test_every_weight_is_of_a_family_that_exists_and_every_weight_is_used() -> None:
    of_collections = {info.name for info in METRICS if "collection" in info.labels}
    assert set(WEIGHTS) <= of_collections
    assert {weigh(name) for name in of_collections} == set(get_args(Weight))


def test_a_smaller_limit_holds_from_the_next_snapshot() -> None:
    exporter = Exporter()
    exporter.publish(Snapshot(NOW, (status("a"),)))
    exporter.max_series = 50
    exporter.publish(Snapshot(NOW, (replace(status("a")),)))
    assert b"driftmon_series_limit 50.0" in exporter.render()[0]
    assert b"driftmon_reading{" not in exporter.render()[0]
