"""Alerts about drift itself: one per cause, and the two probes that mean harm."""

from __future__ import annotations

from deploy.mixin.causes import CAUSES, UNKNOWN, Cause
from deploy.mixin.recording import EFFECT, FIRING, INCIDENT
from deploy.mixin.values import Alert, Group

_HARM = (
    '{{ if eq $labels.severity "critical" }}A reading that stands for harm (recall of known documents, empty '
    "answers, the embedding endpoint) is among those that fired{{ else }}No reading that stands for harm has fired"
    "{{ end }}."
)


def drift(cause: Cause) -> Alert:
    """Return the alert of one cause, as severe as its incident.

    The evidence behind an incident has its own threshold and hysteresis: the wait only outlasts a replica that is a
    snapshot behind, and the keeping a restart. ``alertname`` is one for all causes, so that a silence or a route can
    mean all drift, and ``cause`` or ``cause_group`` some of it.
    """
    known = "|".join(sorted(each.name for each in CAUSES))
    matcher = f'cause!~"{known}"' if cause is UNKNOWN else f'cause="{cause.name}"'
    return Alert(
        name="DriftDetected",
        expr=f"{INCIDENT}{{{matcher}}} > 0",
        severity=None,
        summary=f"{{{{ $labels.collection }}}}: {cause.says} ({{{{ $labels.cause }}}})",
        description=(
            f"{_HARM} {cause.step} `driftmon explain {{{{ $labels.collection }}}}` tells what decided and what stood "
            "still."
        ),
        wait="1m",
        keep="15m",
        # `cause` is the series' own; promtool takes rules of one name and equal labels for duplicates.
        labels={"cause_group": cause.group} | ({} if cause is UNKNOWN else {"cause": cause.name}),
        anchor=cause.name,
    )


def firing(detector: str) -> str:
    """Return the largest effect among the streams of a detector that the judge holds to drift."""
    return (
        f'max without (detector, signal) ({EFFECT}{{detector="{detector}"}} '
        f'and {FIRING}{{detector="{detector}"}} > 0)'
    )


# Consequences wait longer than what they follow from, so that Alertmanager knows the cause when they come.
RECALL_LOSS = Alert(
    name="RecallLoss",
    expr=firing("era_recall"),
    severity="critical",
    summary="{{ $labels.collection }}: the reference suite finds less than it did",
    description=(
        "Recall of the reference suite on {{ $labels.collection }} is {{ $value | humanizePercentage }} under the "
        "baseline's, counted over documents that were there before: growth of the corpus does not explain it."
    ),
    wait="2m",
    keep="15m",
)

_MOVED = (
    "Fixed texts re-embedded for {{ $labels.collection }} lie {{ $value | humanize }} (1 - cosine) from their stored "
    "vectors, beyond the endpoint's own noise. A model push, another precision, prompt, truncation or pooling does "
    "this."
)
_PAGED = f'max without (severity, cause) ({INCIDENT}{{severity="critical"}} > 0)'
# Canaries warn before they page, so the alert is as severe as the incident that they are part of.
CANARY_PAGES = Alert(
    name="CanaryMoved",
    expr=f"{firing('canary')} and {_PAGED}",
    severity="critical",
    summary="{{ $labels.collection }}: the embedding model answers differently",
    description=_MOVED,
    wait="2m",
    keep="15m",
)
CANARY_WARNS = Alert(
    name="CanaryMoved",
    expr=f"{firing('canary')} unless {_PAGED}",
    severity="warning",
    summary="{{ $labels.collection }}: the embedding model answers a little differently",
    description=_MOVED,
    wait="5m",
    keep="15m",
)

DRIFT = Group(
    "driftmon.drift",
    (*(drift(cause) for cause in (*CAUSES, UNKNOWN)), RECALL_LOSS, CANARY_PAGES, CANARY_WARNS),
)
