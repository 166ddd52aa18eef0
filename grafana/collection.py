"""The dashboard of one collection: can the verdict be believed, is anyone harmed, what drifts, why."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import common, dashboard
from grafana_foundation_sdk.models.common import BigValueColorMode, BigValueTextMode, ScaleDistribution
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, DynamicConfigValue

from grafana.board import frame, variable
from grafana.panels import lines, rows, single, spans, steps
from grafana.queries import now, of, query

STATES = {"quiet": "green", "drift": "red", "insufficient": "blue", "invalid": "orange"}


def fresh_and_judged() -> list[Any]:
    """Return the panels that say whether the rest can be believed."""
    state = single(
        "State",
        "The last verdict. Insufficient: too few records for a statistical detector; invalid: bad data.",
        "none",
        now(f"{of('driftmon_verdict')} == 1", "{{state}}"),
    ).text_mode(BigValueTextMode.NAME)
    for name, colour in STATES.items():
        state = state.override_by_name(
            name, [DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})]
        )
    lag, length = of("driftmon_window_lag_seconds"), of("driftmon_window_length_seconds")
    return [
        state.color_mode(BigValueColorMode.BACKGROUND),
        single(
            "Last window ended",
            "End of the last judged window.",
            "dateTimeFromNow",
            now(f"{of('driftmon_window_end_timestamp_seconds')} * 1000"),
        ),
        single(
            "Lag in windows",
            "Age of the last judged window in window lengths; up to two is healthy, three are stale.",
            "none",
            now(f"{lag} / {length}"),
        )
        .decimals(1)
        .thresholds(steps((None, "green"), (2, "yellow"), (3, "red"))),
        single(
            "Snapshot age",
            "Time since a replica last read the store. Beyond 15 minutes readings are withheld.",
            "s",
            now("time() - max(driftmon_snapshot_timestamp_seconds)"),
        ).thresholds(steps((None, "green"), (300, "yellow"), (900, "red"))),
    ]


def harm() -> list[Any]:
    """Return the panels that say whether users are served worse, and why."""
    return [
        rows(
            "Open incidents",
            "Severity says whether users are served worse, cause what changed (runbook DriftDetected).",
            {"severity": "Severity", "cause": "Cause"},
            now(f"{of('driftmon_incident_active')} > 0"),
        ).span(8),
        spans(
            "Incidents",
            "When an incident of each severity and cause was open.",
            {"0": ("none open", "transparent"), "1": ("open", "red")},
            query(of("driftmon_incident_active"), "{{severity}} · {{cause}}"),
        ).span(8),
        lines(
            "Recall@K",
            "Share of the reference suite's relevant documents that users would find among the first K.",
            "percentunit",
            query(of("driftmon_recall_at_k"), "recall@{{k}}"),
        )
        .min(0)
        .max(1)
        .span(8),
    ]


def drift() -> list[Any]:
    """Return the panels that say what drifts and how sure that is."""
    return [
        spans(
            "What drifts",
            "Streams that the judge holds to drift: from their threshold until some calm windows later.",
            {"0": ("calm", "green"), "1": ("drifts", "red")},
            query(of("driftmon_evidence_firing"), "{{detector}} · {{signal}}"),
        ),
        lines(
            "Evidence against its threshold",
            "log10 of the running e-value of each stream. The threshold follows from the budget of false "
            "alarms; deterministic probes fire without it.",
            "none",
            query(of("driftmon_evidence"), "{{detector}} · {{signal}}"),
            query(of("driftmon_evidence_threshold"), "threshold"),
        )
        .min(0)
        .decimals(2),
        lines(
            "p-values",
            "Probability of a window at least this far off without drift, on a logarithmic scale. One small "
            "value is no drift: evidence adds them up.",
            "sci",
            query(of("driftmon_reading_p_value"), "{{detector}} · {{signal}}"),
        )
        .scale_distribution(common.ScaleDistributionConfig().type(ScaleDistribution.LOG).log(10))
        .span(24),
    ]


def readings() -> list[Any]:
    """Return one panel for every detector, whichever are installed."""
    detector = '=~"$detector"'
    link = (
        dashboard.DashboardLink("This detector over time")
        .type(DashboardLinkType.LINK)
        .url("/d/driftmon-detector?var-collection=${collection}&var-detector=${detector}&${__url_time_range}")
    )
    return [
        lines(
            "$detector",
            "The effect that counts, and the threshold it must reach: a probe fires there at once, a "
            "statistical detector with enough evidence. Without a threshold the reading never fires.",
            "none",
            query(of("driftmon_reading_effect", detector=detector), "{{signal}}"),
            query(of("driftmon_reading_threshold", detector=detector), "threshold {{signal}}"),
        )
        .decimals(4)
        .links([link])
        .repeat("detector")
        .repeat_direction("h")
        .span(8),
    ]


def ground() -> list[Any]:
    """Return the panels that say what the verdicts rest on."""
    return [
        lines(
            "Sample size",
            "Observations behind the last window's readings, by signal. Small windows have little power.",
            "short",
            query(of("driftmon_sample_size"), "{{signal}}"),
        ).span(8),
        spans(
            "Usable readings",
            "Where a detector had the data it needs.",
            {"0": ("insufficient or invalid", "orange"), "1": ("usable", "green")},
            query(of("driftmon_reading_valid"), "{{detector}} · {{signal}}"),
        ).span(8),
        lines(
            "Windows in the ledger",
            "Windows by state. Parked ones failed on every attempt: see the runbook WindowsParked.",
            "short",
            query(of("driftmon_windows_total"), "{{state}}"),
        ).span(8),
        rows(
            "Baseline in use",
            "What the windows are compared with, and the model it was built with.",
            {"baseline": "Baseline", "model": "Model"},
            now(of("driftmon_baseline_info")),
        )
        .span(24)
        .height(5),
    ]


def collection_dashboard() -> dashboard.Dashboard:
    """Return the dashboard of one collection."""
    sections = {
        "Is it fresh, and judged?": fresh_and_judged(),
        "Is anyone harmed?": harm(),
        "What drifts, and how sure is it?": drift(),
        "Each detector against its threshold": readings(),
        "What does the verdict rest on?": ground(),
    }
    detector = variable("detector", 'driftmon_reading_valid{collection="$collection"}')
    return frame(
        "driftmon-collection",
        "Retrieval drift: collection",
        "One watched collection: can the verdict be believed, is anyone harmed, what drifts, why.",
        sections,
        variables=[detector.multi(multi=True).include_all(include_all=True)],
    )
