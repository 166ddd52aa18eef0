"""The report's plots as plain data: which readings stand together, over which windows, against which limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.demo.scenario import Moment, Story
from monitor.records import Evidence, Reading

LN_10 = 2.302585092994046
CALM_STRETCHES = frozenset({"quiet"})


@dataclass(frozen=True, slots=True)
class Plot:
    """One chart: what it shows in words, and the streams that stand in it."""

    id: str
    title: str
    text: str
    unit: str
    keys: tuple[tuple[str, str], ...]
    """(stream, name in the legend)."""
    limits: tuple[tuple[str, str], ...] = ()
    """(name, stream whose floor or threshold is drawn)."""
    log: bool = False
    maximum: float | None = None


PLOTS = (
    Plot(
        "recall",
        "Does it hurt? recall@10 of the reference suite",
        "Plain recall is what users get. Era recall leaves newcomers out and pages when what was there is lost.",
        "recall@10",
        (
            ("recall_at_k.suite", "recall@10"),
            ("era_recall.suite", "era recall"),
            ("era_recall.index", "stored vectors"),
        ),
        maximum=1.0,
    ),
    Plot(
        "population",
        "The questions: centroid distance and spatial KL",
        "Both answer to the population of questions, and only to it: the pushed models leave them alone.",
        "distance, nats",
        (("centroid_distance.queries", "centroid distance"), ("spatial_kl.queries", "spatial KL")),
    ),
    Plot(
        "scores",
        "The scores: PSI of best score, mean score and margin",
        "The embedding function decides how scores are distributed. Beyond its floor a shift counts.",
        "PSI",
        (
            ("score_psi.scores", "best score"),
            ("score_psi.scores_mean", "mean score"),
            ("score_psi.scores_margin", "margin"),
        ),
        limits=(("floor", "score_psi.scores"),),
    ),
    Plot(
        "canary",
        "The endpoint: canaries",
        "64 fixed texts embedded anew in every window; mean 1 - cos to their stored vectors. Zero is not drawn.",
        "1 - cos",
        (("canary.canary", "canaries"),),
        limits=(("fires at", "canary.canary"),),
        log=True,
    ),
)
EVIDENCE_KEYS = (
    ("centroid_distance.queries", "centroid distance"),
    ("spatial_kl.queries", "spatial KL"),
    ("score_psi.scores", "PSI best score"),
    ("score_psi.scores_mean", "PSI mean score"),
    ("score_psi.scores_margin", "PSI margin"),
    ("recall_at_k.suite", "recall@10"),
    ("era_recall.suite", "era recall"),
    ("centroid_distance.corpus", "new documents: centroid"),
)
EVIDENCE_TOP = 12.0
"""Evidence beyond 10^12 is drawn at the top: it says no more than that."""


def plot_data(story: Story) -> dict[str, Any]:
    """Return the times, the stretches and every chart's series."""
    threshold = story.threshold / LN_10
    return {
        "times": [f"{m.window.start:%b %d %H:%M}" for m in story.moments],
        "stretchOf": [m.stretch for m in story.moments],
        "stretches": _stretches(story.moments),
        "charts": [
            *(_chart(plot, story.moments) for plot in PLOTS),
            {
                "id": "evidence",
                "unit": "log10 of evidence",
                "log": False,
                "max": EVIDENCE_TOP,
                "limits": [{"name": "fires at", "value": threshold}],
                "series": [_series(name, story.moments, key, _evidence) for key, name in EVIDENCE_KEYS],
            },
        ],
    }


def _stretches(moments: Sequence[Moment]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for i, moment in enumerate(moments):
        # The next baseline begins a new stretch even where its name is the same.
        gap = i > 0 and moment.window.start != moments[i - 1].window.end
        if not found or found[-1]["name"] != moment.stretch or gap:
            drift = moment.stretch not in CALM_STRETCHES
            found.append({"name": moment.stretch, "first": i, "last": i, "drift": drift})
        found[-1]["last"] = i
    return found


def _chart(plot: Plot, moments: Sequence[Moment]) -> dict[str, Any]:
    limits = []
    for name, key in plot.limits:
        reading = next((r for m in moments for r in m.readings if r.key == key), None)
        if reading is not None:
            limit = reading.effect_floor if reading.threshold is None else reading.threshold
            limits.append({"name": name, "value": limit})
    return {
        "id": plot.id,
        "unit": plot.unit,
        "log": plot.log,
        "max": plot.maximum,
        "limits": limits,
        "series": [_series(name, moments, key, _value) for key, name in plot.keys],
    }


def _series(
    name: str,
    moments: Sequence[Moment],
    key: str,
    value: Callable[[Reading, Evidence | None], float],
) -> dict[str, Any]:
    points: list[dict[str, Any] | None] = []
    for moment in moments:
        reading = next((r for r in moment.readings if r.key == key and r.status == "ok"), None)
        state = next((e for e in moment.evidence if e.key == key), None)
        if reading is None:
            points.append(None)
            continue
        points.append(
            {
                "value": round(value(reading, state), 6),
                "p": reading.p_value,
                "n": reading.n,
                "firing": state is not None and state.firing,
            }
        )
    return {"name": name, "points": points}


def _value(reading: Reading, _: Evidence | None) -> float:
    return reading.value


def _evidence(_: Reading, state: Evidence | None) -> float:
    return 0.0 if state is None else min(EVIDENCE_TOP, max(0.0, state.log_e / LN_10))
