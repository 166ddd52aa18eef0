"""The dashboard of all collections: is the data fresh, what drifts where, who is harmed."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import dashboard

from grafana.board import frame
from grafana.panels import lines, matrix, rows, single, spans, steps
from grafana.queries import now, of_each, query

LAG = f"{of_each('driftmon_window_lag_seconds')} / {of_each('driftmon_window_length_seconds')}"
FIRING, VALID = of_each("driftmon_evidence_firing"), of_each("driftmon_reading_valid")
INVALID = of_each("driftmon_verdict", state='="invalid"')
CRITICAL = of_each("driftmon_incident_active", severity='="critical"')
SIGNALS = f"2 * (max by (collection, signal) ({FIRING}) > 0) or min by (collection, signal) (1 - {VALID})"
"""2 where a stream of the signal drifts, 1 where none of its detectors could judge, 0 where all is calm."""
COLLECTION = (
    "/d/driftmon-collection?var-collection=${__value.text}&${datasource:queryparam}&${__url_time_range}"
)


def freshness() -> list[Any]:
    """Return the panels that say whether the rest can be believed."""
    return [
        single(
            "Snapshot age",
            "Time since a replica last read the store. Beyond 15 minutes readings are withheld.",
            "s",
            now("time() - max(driftmon_snapshot_timestamp_seconds)"),
        ).thresholds(steps((None, "green"), (300, "yellow"), (900, "red"))),
        single(
            "Stale collections",
            "Chosen collections whose last verdict is more than three window lengths old (runbook WindowsStale).",
            "none",
            now(f"count({LAG} > 3) or vector(0)"),
        ).thresholds(steps((None, "green"), (1, "red"))),
        single(
            "Invalid collections",
            "Chosen collections whose last window held too much bad data (runbook WindowsInvalid).",
            "none",
            now(f"sum({INVALID})"),
        ).thresholds(steps((None, "green"), (1, "orange"))),
        single(
            "Critical incidents",
            "Open incidents in which users are served worse.",
            "none",
            now(f"sum({CRITICAL})"),
        ).thresholds(steps((None, "green"), (1, "red"))),
        lines(
            "Age of the last verdict",
            "In window lengths of each collection; up to two is healthy, three are stale.",
            "none",
            query(LAG, "{{collection}}"),
        )
        .decimals(1)
        .thresholds(steps((None, "green"), (3, "red")))
        .span(24),
    ]


def states() -> list[Any]:
    """Return the panels of collections against signals."""
    return [
        matrix(
            "Collection by signal",
            "What each collection's signals are doing now. A click on a collection opens its dashboard.",
            "collection",
            "signal",
            {"0": ("calm", "green"), "1": ("cannot be judged", "orange"), "2": ("drifts", "red")},
            now(SIGNALS),
            COLLECTION,
        ),
        spans(
            "Drifting signals over time",
            "Signals of which the judge held a stream to drift.",
            {"0": ("calm", "green"), "1": ("drifts", "red")},
            query(f"max by (collection, signal) ({FIRING})", "{{collection}} · {{signal}}"),
        ).span(24),
    ]


def harm() -> list[Any]:
    """Return the panels of incidents and of what users get."""
    active = of_each("driftmon_incident_active")
    return [
        rows(
            "Open incidents",
            "Severity says whether users are served worse, cause what changed (runbook DriftDetected).",
            {"collection": "Collection", "severity": "Severity", "cause": "Cause"},
            now(f"{active} > 0"),
        ),
        spans(
            "Incidents over time",
            "When an incident of each collection was open.",
            {"0": ("none open", "transparent"), "1": ("open", "red")},
            query(f"max by (collection, severity) ({active})", "{{collection}} · {{severity}}"),
        ),
        lines(
            "Recall@K",
            "Share of the reference suite's relevant documents that users would find among the first K.",
            "percentunit",
            query(of_each("driftmon_recall_at_k"), "{{collection}} @{{k}}"),
        )
        .min(0)
        .max(1),
        lines(
            "Strongest evidence against its threshold",
            "log10 of the largest e-value of each collection over that at which a stream fires: 1 is drift.",
            "percentunit",
            query(
                f"max by (collection) ({of_each('driftmon_evidence')}) "
                f"/ max by (collection) ({of_each('driftmon_evidence_threshold')})",
                "{{collection}}",
            ),
        ).min(0),
    ]


def told() -> list[Any]:
    """Return the panels of what was done and told."""
    return [
        rows(
            "Baselines in use",
            "What the windows are compared with, and the model it was built with.",
            {"collection": "Collection", "baseline": "Baseline", "model": "Model"},
            now(of_each("driftmon_baseline_info")),
        ),
        lines(
            "Time since the last event",
            "Deploys, re-indexings and model pushes that were told to driftmon; purple marks on every panel.",
            "s",
            query(f"time() - {of_each('driftmon_event_timestamp_seconds')}", "{{collection}} · {{kind}}"),
        ),
    ]


def overview_dashboard() -> dashboard.Dashboard:
    """Return the dashboard of all collections."""
    return frame(
        "driftmon-overview",
        "Retrieval drift: overview",
        "All watched collections: is the data fresh, what drifts where, is anyone harmed.",
        {
            "Is the data fresh?": freshness(),
            "What drifts where?": states(),
            "Is anyone harmed?": harm(),
            "What changed on purpose?": told(),
        },
        many=True,
    )
