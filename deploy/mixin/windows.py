"""Alerts about windows that cannot be judged, or are not."""

from __future__ import annotations

from deploy.mixin.recording import END, LAG, LENGTH, VERDICT, WINDOWS
from deploy.mixin.values import Alert, Group

INVALID = Alert(
    name="WindowsInvalid",
    expr=f'{VERDICT}{{state="invalid"}} > 0',
    severity="warning",
    summary="{{ $labels.collection }}: the log cannot be judged",
    description=(
        "The last window of {{ $labels.collection }} holds too much bad data (unusable vectors, missing fields, "
        "rejected entries) for a verdict, so drift would go unseen. `driftmon status` says what is wrong."
    ),
    wait="15m",
    keep="15m",
)

# A healthy lag moves between the lateness and window length plus lateness. Three lengths fit every collection whose
# lateness is under two of its windows; raise the factor where it is not.
STALE = Alert(
    name="WindowsStale",
    expr=(
        f"{LAG} > 3 * {LENGTH}\n"
        f"or ({LAG} > 6 * 3600 unless {LENGTH})\n"
        f'or max without (state) ({WINDOWS}{{state="planned"}} > 0 unless ignoring (state) {END})'
    ),
    severity="warning",
    summary="{{ $labels.collection }}: no fresh verdict",
    description=(
        "Windows of {{ $labels.collection }} are planned but not judged: the last verdict is more than three windows "
        "old, or there has never been one. Drift would go unseen."
    ),
    wait="15m",
    keep="5m",
)

PARKED = Alert(
    name="WindowsParked",
    expr=f'{WINDOWS}{{state="parked"}} > 0',
    severity="warning",
    summary="{{ $labels.collection }}: {{ $value }} windows are parked",
    description=(
        "{{ $value }} windows of {{ $labels.collection }} failed on every attempt and were put aside; the collection "
        "goes on without them. `driftmon status` shows the error."
    ),
    wait="5m",
    keep="5m",
)

WINDOWS_GROUP = Group("driftmon.windows", (INVALID, STALE, PARKED))
