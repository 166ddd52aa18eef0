"""Alerts about the daemon, and about the way from it to people."""

from __future__ import annotations

from deploy.mixin.recording import DEAD, OLDEST
from deploy.mixin.values import Alert, Group

ABSENT = Alert(
    name="DriftmonAbsent",
    expr="absent(driftmon_build_info)",
    severity="critical",
    summary="No driftmon is being scraped",
    description=(
        "No replica of driftmon has answered a scrape for ten minutes: nothing is watched, and none of the alerts on "
        "drift can fire."
    ),
    wait="10m",
    keep="5m",
)

# The look back over an hour tells a daemon that stands still and answers no scrape from one that never was.
SNAPSHOT = Alert(
    name="SnapshotStale",
    expr="time() - max without (instance, pod) (max_over_time(driftmon_snapshot_timestamp_seconds[1h])) > 900",
    severity="critical",
    summary="driftmon reads nothing new",
    description=(
        "The last snapshot of the store is {{ $value | humanizeDuration }} old. Readings and incidents are withheld "
        "meanwhile, so that an old one is not taken for a present one."
    ),
    wait="5m",
    keep="5m",
)

RELOAD = Alert(
    name="ConfigReloadFailed",
    expr="min without (instance, pod) (driftmon_config_last_reload_successful) == 0",
    severity="warning",
    summary="driftmon.yaml was refused",
    description=(
        "A replica could not read driftmon.yaml again and runs on with the configuration it had. `driftmon check` "
        "gives the path, the value and the mend."
    ),
    wait="5m",
    keep="5m",
)

HANG = Alert(
    name="EdgesHang",
    expr='max without (instance, pod) (driftmon_windows_in_work{pace="hanging"}) > 0',
    severity="warning",
    summary="An edge of a collection hangs for good",
    description=(
        "{{ $value }} windows of one process hang in their log, embedder or index long after their time-out. Their "
        "collections wait; when all room is taken the process asks to be restarted."
    ),
    wait="15m",
    keep="5m",
)

DROPPED = Alert(
    name="SeriesDropped",
    expr="max without (instance, pod) (driftmon_series_dropped) > 0",
    severity="warning",
    summary="driftmon leaves out series",
    description=(
        "{{ $value }} series are beyond metrics.max_series and are not exported: details first, what alerts rest on "
        "last. Dashboards have gaps; in the end alerts are missing."
    ),
    wait="15m",
    keep="5m",
)

DEAD_LETTERS = Alert(
    name="DeadLetters",
    expr=f"{DEAD} > 0",
    severity="warning",
    summary="{{ $value }} messages to {{ $labels.notifier }} were given up",
    description=(
        "{{ $value }} messages could not be delivered to {{ $labels.notifier }} on any attempt. Nobody was told what "
        "they say by this way. `driftmon outbox list --dead` shows them, `driftmon outbox replay` sends them again."
    ),
    wait="1m",
    keep="5m",
)

_LATE = (
    "A message to {{ $labels.notifier }} has been waiting for {{ $value | humanizeDuration }}. It is tried again; "
    "until it arrives, whoever listens there does not know."
)
# An hour of silence on the way to people is as bad as the drift that it hides.
FAILING = Alert(
    name="NotificationsFailing",
    expr=f"{OLDEST} > 3600",
    severity="critical",
    summary="{{ $labels.notifier }} has not been reached for an hour",
    description=_LATE,
    wait="1m",
    keep="5m",
)
LATE = Alert(
    name="NotificationsFailing",
    expr=f"{OLDEST} > 900",
    severity="warning",
    summary="{{ $labels.notifier }} cannot be reached",
    description=_LATE,
    wait="1m",
    keep="5m",
)

# Always fires. Route it to a dead man's switch, which raises the alarm when it stops.
WATCHDOG = Alert(
    name="Watchdog",
    expr="vector(1)",
    severity="none",
    summary="The alerting pipeline works",
    description=(
        "This alert always fires. When its receiver hears nothing, Prometheus, Alertmanager or the way between them "
        "is down."
    ),
    wait="0m",
    keep="0s",
)

DAEMON = Group(
    "driftmon.daemon",
    (ABSENT, SNAPSHOT, RELOAD, HANG, DROPPED, DEAD_LETTERS, FAILING, LATE, WATCHDOG),
)
