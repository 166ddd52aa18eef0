"""The dashboard of one detector: its statistic, its p-value and its history, here and in the other collections."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import common, dashboard
from grafana_foundation_sdk.models.common import ScaleDistribution

from grafana.board import frame, variable
from grafana.panels import lines, single, spans, steps
from grafana.queries import now, of, over, query

DETECTOR = '="$detector"'


def stream(metric: str) -> str:
    """Return a metric of the chosen detector on the chosen collection."""
    return of(metric, detector=DETECTOR)


def present() -> list[Any]:
    """Return the panels of the last window."""
    return [
        single(
            "Drifting streams",
            "Signals on which the judge holds this detector to drift.",
            "none",
            now(f"sum({stream('driftmon_evidence_firing')}) or vector(0)"),
        ).thresholds(steps((None, "green"), (1, "red"))),
        single(
            "Reading",
            "What was measured in the last window, in the detector's own unit; the largest of its signals.",
            "none",
            now(f"max({stream('driftmon_reading')})"),
        ).decimals(4),
        single(
            "Smallest p-value",
            "Probability of a window at least this far off without drift; probes have none.",
            "sci",
            now(f"min({stream('driftmon_reading_p_value')})"),
        ),
        single(
            "Usable readings",
            "Share of its signals that had the data they need in the last window.",
            "percentunit",
            now(f"avg({stream('driftmon_reading_valid')})"),
        ).thresholds(steps((None, "orange"), (1, "green"))),
    ]


def history() -> list[Any]:
    """Return the panels of the detector's past on this collection."""
    return [
        lines(
            "Statistic",
            "What the detector measured in each window, in its own unit.",
            "none",
            query(stream("driftmon_reading"), "{{signal}}"),
        ).decimals(4),
        lines(
            "Effect against its threshold",
            "What counts as drift: a probe fires there at once, a statistical detector with enough evidence.",
            "none",
            query(stream("driftmon_reading_effect"), "{{signal}}"),
            query(stream("driftmon_reading_threshold"), "threshold {{signal}}"),
        ).decimals(4),
        lines(
            "p-value",
            "On a logarithmic scale. One small value is no drift: evidence adds them up.",
            "sci",
            query(stream("driftmon_reading_p_value"), "{{signal}}"),
        ).scale_distribution(common.ScaleDistributionConfig().type(ScaleDistribution.LOG).log(10)),
        lines(
            "Evidence against its threshold",
            "log10 of the running e-value; the threshold follows from the budget of false alarms.",
            "none",
            query(stream("driftmon_evidence"), "{{signal}}"),
            query(of("driftmon_evidence_threshold"), "threshold"),
        )
        .min(0)
        .decimals(2),
        spans(
            "Drift",
            "When the judge held the detector's streams to drift.",
            {"0": ("calm", "green"), "1": ("drifts", "red")},
            query(stream("driftmon_evidence_firing"), "{{signal}}"),
        ),
        spans(
            "Usable readings over time",
            "Where the detector had the data it needs.",
            {"0": ("insufficient or invalid", "orange"), "1": ("usable", "green")},
            query(stream("driftmon_reading_valid"), "{{signal}}"),
        ),
        lines(
            "Sample size",
            "Observations behind the readings, by signal of the collection. Small windows have little power.",
            "short",
            query(of("driftmon_sample_size"), "{{signal}}"),
        ).span(24),
    ]


def elsewhere() -> list[Any]:
    """Return the panel of the same detector on all collections: a change of everybody's is nobody's corpus."""
    return [
        lines(
            "Effect on every collection",
            "The same detector elsewhere. A move of all at once points to what they share: a model, an index.",
            "none",
            query(over("driftmon_reading_effect", detector=DETECTOR), "{{collection}} · {{signal}}"),
        )
        .decimals(4)
        .span(24),
    ]


def detector_dashboard() -> dashboard.Dashboard:
    """Return the dashboard of one detector."""
    return frame(
        "driftmon-detector",
        "Retrieval drift: detector",
        "One detector on one collection: statistic, p-value, evidence and history, and the other collections.",
        {
            "The last window": present(),
            "History": history(),
            "Elsewhere": elsewhere(),
        },
        variables=[variable("detector", 'driftmon_reading_valid{collection="$collection"}')],
    )
