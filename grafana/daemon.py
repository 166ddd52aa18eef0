"""The dashboard of the daemon: does it tick, does it keep up, does it reach people, what does it use."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import dashboard

from grafana.board import frame
from grafana.panels import lines, rows, single, steps
from grafana.queries import now, of_each, over, query

OURS = "and on (instance, job) driftmon_build_info"
"""Of the processes that Prometheus knows, the daemon's."""


def ticks() -> list[Any]:
    """Return the panels that say whether every replica is alive."""
    return [
        single(
            "Replicas",
            "Replicas that answered the last scrape.",
            "none",
            now("count(driftmon_build_info)"),
        ).thresholds(steps((None, "red"), (1, "green"))),
        single(
            "Snapshot age",
            "Time since a replica last read the store. Beyond 15 minutes readings are withheld.",
            "s",
            now("time() - max(driftmon_snapshot_timestamp_seconds)"),
        ).thresholds(steps((None, "green"), (300, "yellow"), (900, "red"))),
        single(
            "Configuration",
            "1 where every replica's last reading of driftmon.yaml succeeded (runbook ConfigReloadFailed).",
            "bool_yes_no",
            now("min(driftmon_config_last_reload_successful)"),
        ).thresholds(steps((None, "red"), (1, "green"))),
        single(
            "Configuration read",
            "When a replica last took up driftmon.yaml.",
            "dateTimeFromNow",
            now("max(driftmon_config_last_reload_success_timestamp_seconds) * 1000"),
        ),
        lines(
            "Ticks in five minutes",
            "Snapshots of each replica; a tick comes every 15 seconds, twenty in five minutes.",
            "short",
            query("changes(driftmon_snapshot_timestamp_seconds[5m])", "{{instance}}"),
        ).min(0),
        rows(
            "Releases",
            "The release that each replica runs; during an upgrade there are two.",
            {"instance": "Replica", "version": "Release"},
            now("driftmon_build_info"),
        ),
    ]


def windows() -> list[Any]:
    """Return the panels that say whether the work is done in time."""
    total = of_each("driftmon_windows_total")
    return [
        lines(
            "Windows by state",
            "In the ledger, over the chosen collections. Parked ones failed on every attempt (WindowsParked).",
            "short",
            query(f"sum by (state) ({total})", "{{state}}"),
        ).span(8),
        lines(
            "Windows in work",
            "In each process: brisk, slow (they take no place), hanging past their time-out (EdgesHang).",
            "short",
            query("driftmon_windows_in_work", "{{instance}} · {{pace}}"),
        ).span(8),
        lines(
            "Lag",
            "Age of the last judged window's end; healthy up to window length plus lateness.",
            "s",
            query(of_each("driftmon_window_lag_seconds"), "{{collection}}"),
        ).span(8),
    ]


def people() -> list[Any]:
    """Return the panels of the way to people."""
    return [
        lines(
            "Messages that wait",
            "In the outbox, by notifier.",
            "short",
            query(over("driftmon_outbox_pending"), "{{notifier}}"),
        ).span(8),
        lines(
            "Oldest message",
            "How long the oldest message to a notifier has been waiting (runbook NotificationsFailing).",
            "s",
            query(over("driftmon_outbox_oldest_age_seconds"), "{{notifier}}"),
        ).span(8),
        lines(
            "Dead letters",
            "Messages that were given up (runbook DeadLetters).",
            "short",
            query(over("driftmon_outbox_dead"), "{{notifier}}"),
        ).span(8),
        lines(
            "Notifications in an hour",
            "By notifier and result: delivered, retried, silenced, superseded, dead.",
            "short",
            query(
                "max without (instance, pod) (increase(driftmon_notifications_total[1h]))",
                "{{notifier}} · {{result}}",
            ),
        ).span(16),
        single(
            "Silences",
            "Silences that hold now: nobody is told of what they cover.",
            "none",
            now(f"max({over('driftmon_silences_active')})"),
        )
        .span(8)
        .height(9),
    ]


def process() -> list[Any]:
    """Return the panels of what the processes use and export."""
    return [
        lines(
            "Memory",
            "Resident memory of each replica; docs/operations.md has the formula.",
            "bytes",
            query(f"process_resident_memory_bytes {OURS}", "{{instance}}"),
        )
        .min(0)
        .span(8),
        lines(
            "CPU",
            "Cores that each replica uses.",
            "short",
            query(f"rate(process_cpu_seconds_total[5m]) {OURS}", "{{instance}}"),
        )
        .min(0)
        .decimals(2)
        .span(8),
        lines(
            "Open files",
            "File descriptors of each replica, and how many it may have.",
            "short",
            query(f"process_open_fds {OURS}", "{{instance}}"),
            query(f"process_max_fds {OURS}", "threshold {{instance}}"),
        ).span(8),
        lines(
            "Series",
            "Series of a snapshot against metrics.max_series; what is beyond is left out (SeriesDropped).",
            "short",
            query(over("driftmon_series_exported"), "exported"),
            query(over("driftmon_series_dropped"), "left out"),
            query(over("driftmon_series_limit"), "threshold"),
        ).min(0),
        lines(
            "Values withheld in an hour",
            "NaN and infinite values that were not exported: each is a fault of a detector.",
            "short",
            query("increase(driftmon_nonfinite_total[1h])", "{{instance}}"),
        ).min(0),
    ]


def daemon_dashboard() -> dashboard.Dashboard:
    """Return the dashboard of the daemon."""
    return frame(
        "driftmon-daemon",
        "Retrieval drift: daemon",
        "The daemon itself: does it tick, does it keep up, does it reach people, what does it use.",
        {
            "Does it tick?": ticks(),
            "Does it keep up?": windows(),
            "Does it reach people?": people(),
            "What does it use?": process(),
        },
        many=True,
    )
