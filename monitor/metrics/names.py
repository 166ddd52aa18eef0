"""Every metric that driftmon exports: names and labels here are API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from monitor.metrics.budget import WEIGHTS, Weight

Kind = Literal["gauge", "counter", "info", "unknown"]

_STREAM = ("collection", "detector", "signal")


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """One exported metric: its name on the wire, its type, its labels and what it says."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


METRICS: tuple[MetricInfo, ...] = (
    MetricInfo(
        "driftmon_reading",
        "gauge",
        _STREAM,
        "What the detector measured in the last window (distance, divergence, recall), in its own unit.",
    ),
    MetricInfo(
        "driftmon_reading_effect",
        "gauge",
        _STREAM,
        "What is held against driftmon_reading_threshold: the reading, or its loss where it is a recall.",
    ),
    MetricInfo(
        "driftmon_reading_threshold",
        "gauge",
        _STREAM,
        "Effect at which a probe fires, or the floor of what counts as drift; absent where none can fire.",
    ),
    MetricInfo(
        "driftmon_reading_p_value",
        "gauge",
        _STREAM,
        "Probability of an effect at least this large without drift; absent for deterministic probes.",
    ),
    MetricInfo(
        "driftmon_reading_valid",
        "gauge",
        _STREAM,
        "1 where the last window's reading can be used, 0 where its data was insufficient or invalid.",
    ),
    MetricInfo(
        "driftmon_evidence",
        "gauge",
        _STREAM,
        "log10 of the stream's running e-value, floored at 0: an e-value under 1 is no evidence of drift.",
    ),
    MetricInfo(
        "driftmon_evidence_threshold",
        "gauge",
        ("collection",),
        "log10 of the e-value at which a stream of the collection fires; it follows from the budget.",
    ),
    MetricInfo(
        "driftmon_evidence_firing",
        "gauge",
        _STREAM,
        "1 while the judge holds the stream to drift: from its threshold until some calm windows later.",
    ),
    MetricInfo(
        "driftmon_recall_at_k",
        "gauge",
        ("collection", "k"),
        "Mean recall at k over the reference suite in the last window.",
    ),
    MetricInfo(
        "driftmon_verdict",
        "gauge",
        ("collection", "state"),
        "1 for the state of the last verdict (quiet, drift, insufficient, invalid), 0 for the others.",
    ),
    MetricInfo(
        "driftmon_incident_active",
        "gauge",
        ("collection", "severity", "cause"),
        'Whether an incident of this severity and cause is open; cause="none" stands at 0 where none is.',
    ),
    MetricInfo(
        "driftmon_window_end_timestamp_seconds",
        "gauge",
        ("collection",),
        "End of the last judged window, in seconds since the epoch.",
    ),
    MetricInfo(
        "driftmon_window_length_seconds",
        "gauge",
        ("collection",),
        "Length of the collection's windows, in seconds.",
    ),
    MetricInfo(
        "driftmon_window_lag_seconds",
        "gauge",
        ("collection",),
        "Age of the last judged window's end at the snapshot; healthy up to window length plus lateness.",
    ),
    MetricInfo(
        # Not a counter, whatever the suffix says: planned and running windows come and go, and parked ones
        # are taken up again, which rate() would read as resets.
        "driftmon_windows_total",
        "unknown",
        ("collection", "state"),
        "Windows in the ledger by state (planned, running, done, parked).",
    ),
    MetricInfo(
        "driftmon_sample_size",
        "gauge",
        ("collection", "signal"),
        "Observations of the signal in the last window's sample.",
    ),
    MetricInfo(
        "driftmon_baseline_info",
        "info",
        ("collection", "baseline", "model"),
        "The baseline in use and the model it was built with; absent where there is none.",
    ),
    MetricInfo(
        "driftmon_notifications_total",
        "counter",
        ("notifier", "result"),
        "Notifications by notifier and result: delivered, dead, silenced, superseded; and retried, failed attempts.",
    ),
    MetricInfo(
        "driftmon_outbox_pending",
        "gauge",
        ("notifier",),
        "Notifications on their way; what a silence holds back is not counted.",
    ),
    MetricInfo(
        "driftmon_outbox_oldest_age_seconds",
        "gauge",
        ("notifier",),
        "For how long the oldest notification should have been delivered; 0 where none is late.",
    ),
    MetricInfo(
        "driftmon_outbox_dead",
        "gauge",
        ("notifier",),
        "Notifications given up: refused, or undelivered for too long; until they are replayed or dropped.",
    ),
    MetricInfo(
        "driftmon_silences_active",
        "gauge",
        (),
        "Silences that hold at this moment.",
    ),
    MetricInfo(
        "driftmon_snapshot_timestamp_seconds",
        "gauge",
        (),
        "When the exported snapshot was read from the store, in seconds since the epoch.",
    ),
    MetricInfo(
        "driftmon_config_last_reload_successful",
        "gauge",
        (),
        "1 where the last reading of driftmon.yaml succeeded.",
    ),
    MetricInfo(
        "driftmon_config_last_reload_success_timestamp_seconds",
        "gauge",
        (),
        "When driftmon.yaml was last read successfully, in seconds since the epoch.",
    ),
    MetricInfo(
        "driftmon_windows_in_work",
        "gauge",
        ("pace",),
        "Windows in work in this very process: brisk, slow (they take no place), hanging past their time-out.",
    ),
    MetricInfo(
        "driftmon_nonfinite_total",
        "counter",
        (),
        "NaN and infinite values withheld from the exposition, counted once per snapshot.",
    ),
    MetricInfo(
        "driftmon_series_exported",
        "gauge",
        (),
        "Series of the exported snapshot, these three included and those of the process not.",
    ),
    MetricInfo(
        "driftmon_series_dropped",
        "gauge",
        (),
        "Series that the snapshot was left without, because there would have been more than the limit.",
    ),
    MetricInfo(
        "driftmon_series_limit",
        "gauge",
        (),
        "How many series a snapshot may have: metrics.max_series.",
    ),
    MetricInfo("driftmon_build_info", "info", ("version",), "The running release."),
)

_HEAD = """\
# Metrics

Every replica exports the same snapshot of the store at `/metrics`, as Prometheus text or as OpenMetrics,
whichever the scraper asks for. The snapshot is read once per tick and never during a scrape. A series whose
collection, reading or incident is gone is gone from the next snapshot. When no snapshot has come for 15
minutes, only `driftmon_snapshot_timestamp_seconds`, `driftmon_nonfinite_total` and `driftmon_build_info` are
left: an old reading is never shown as a present one. NaN and infinity are never exported. Only
`driftmon_windows_in_work`, `driftmon_config_last_reload_successful`, its timestamp, `driftmon_nonfinite_total` and
`driftmon_build_info` are the process' own, and the usual `process_*` and `python_info` beside them.

Label values are configured names, cut to 192 characters and without control characters; a detector, signal,
cause or result that is not a plain word is exported as `other`. Query texts, document ids and model output
are never label values. This page is `monitor.metrics.catalogue()`; names and labels are API.
"""
_BUDGET = """\
## Series budget

A collection, or a segment, with R streams (detector × signal, spans of several windows included), S signals and I
open incidents exports at most

    7 R + S + I + 20

series: seven for each stream, the four kinds of event among the twenty. With every default detector, an index, a
suite and three spans R is 27 and S at most 9: up to 218 series. A segment watches only the questions, the scores,
the answers and the feedback of its slice, R = 15 and S = 4 by default: up to 129. Beside them stand some thirty of the
daemon. `metrics: {max_series: 50000}` in `driftmon.yaml` is the most that a replica exports; the limit holds
without exception for what belongs to collections. What is beyond it is left out in this order, and
`driftmon_series_dropped` says how many series that were:

{order}

Within each step segments go before whole collections, those without an open incident before those with one, and
the last in the order of names first; a family of a collection goes as a whole. What belongs to no collection never
goes. `driftmon_series_exported` is what is left. The alert
[SeriesDropped](runbooks/SeriesDropped.md) tells of it.
"""


def catalogue() -> str:
    """Return the metrics catalogue as Markdown; ``docs/metrics.md`` is this text."""
    rows = (
        f"| `{info.name}` | {info.kind} | {', '.join(f'`{label}`' for label in info.labels)} | {info.help} |"
        for info in METRICS
    )
    table = [_HEAD, "| metric | type | labels | meaning |", "|---|---|---|---|", *rows, ""]
    return "\n".join([*table, _BUDGET.replace("{order}", "\n".join(_dropping_order()))])


def _dropping_order() -> Iterator[str]:
    words = {
        "detail": "details of a dashboard",
        "course": "the course of the evidence and its thresholds",
        "stream": "what alerts on a single detector rest on",
        "state": "all else that belongs to a collection: its state, windows, incidents and baseline",
    }
    for number, weight in enumerate(get_args(Weight), 1):
        families = sorted(f"`{name}`" for name, each in WEIGHTS.items() if each == weight)
        yield f"{number}. {words[weight]}" + (f": {', '.join(families)}" if families else "")
