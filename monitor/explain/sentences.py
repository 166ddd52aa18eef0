"""A verdict in sentences: what happened, what decided, what stood still, and the next step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from monitor.records import Cause, Reading, Verdict

CAUSES: Mapping[str, tuple[str, str]] = {
    "empty_results": (
        "More queries come back with nothing.",
        "Look at filters, at the index' availability and at ingestion.",
    ),
    "model_query_side": (
        "Queries are embedded by another model, version, prefix or precision; the documents' vectors stand.",
        "Undo the push, or re-embed the documents with the same model; an adapter bridges the time between.",
    ),
    "model_reembedded": (
        "Nearly all stored vectors were made anew.",
        "If that was planned, check that queries go through the same model, then build a new baseline.",
    ),
    "model_mixed_index": (
        "A part of the stored vectors comes from another model: two spaces lie in one index.",
        (
            "Find the re-index that stopped half-way, or the ingestion that embeds with another model; finish it or "
            "take it back."
        ),
    ),
    "index_degraded": (
        "The index finds less with the same query vectors: it misses neighbours, or documents are gone.",
        "Look at index parameters, a rebuild, quantisation or a lost shard.",
    ),
    "corpus_shift": (
        "New documents are unlike the old ones.",
        "Look at what was ingested: a new source, a broken parser, another chunking.",
    ),
    "corpus_growth": (
        "Many documents were added; what was there before is still found. No harm is measured.",
        "If that was planned, extend the reference suite to the new documents and build a new baseline.",
    ),
    "chunking": (
        "Texts were cut anew: the sources are the same, their pieces have other ids.",
        (
            "If that was planned, judge the reference suite against the new pieces and build a new baseline; else find "
            "the change of the splitter, its version or its settings."
        ),
    ),
    "ingest_dead": (
        "New documents no longer arrive: the silence is longer than three times the longest gap there was.",
        "Look at the ingestion job, its schedule, credentials and source; users are answered from an old state.",
    ),
    "logging": (
        "The log itself changed: what it says of this window cannot be compared.",
        (
            "Look at what writes the log (a release, a client library, a renamed field), then at the column mapping "
            "with `driftmon check`."
        ),
    ),
    "questions": (
        "Users ask about other things; endpoint and documents stand.",
        "Look at the regions that gained: a launch, an outage elsewhere, a crawler in the log.",
    ),
    "score_scale": (
        "Scores are made in another way: questions, endpoint and documents stand, and the same pairs score otherwise.",
        "Look for a change of the metric, of a re-ranker or of how scores are scaled.",
    ),
    "unknown": (
        "No rule explains what fired.",
        "Look at each reading that fired; more probes (canaries, an index, a reference suite) tell more.",
    ),
}
"""What each cause means, and where to look next."""

_MEASURES = {
    "centroid_distance": "the mean direction of {what} moved by a cosine distance of {value:.3g}",
    "spatial_kl": "{what} fall into other regions: a divergence of {value:.3g} nats",
    "score_psi": "the distribution of {what} moved: a PSI of {value:.3g}",
    "recall_at_k": "recall of {what} is {value:.3f}",
    "era_recall": "recall of {what} among the documents of the baseline's time is {value:.3f}",
    "ranking_churn": "answers to {what} changed: a churn of {value:.3f}",
    "canary": "canary texts are embedded elsewhere: a mean of 1 - cos of {value:.3g}",
    "persistent_vectors": "{value:.1%} of the stored document vectors changed",
    "empty_results": "{value:.1%} of the answers are empty",
    "domain_classifier": "a linear classifier tells {what} from the baseline's with an AUC of {value:.3f}",
    "variance_shift": "the spread of {what} changed by {value:.1%}",
    "score_anderson_darling": "the distribution of {what} moved: an Anderson-Darling distance of {value:.3g}",
    "norm_shift": "the typical norm of {what} is {value:.3g}",
    "duplicate_rate": "{value:.1%} of the log's entries came twice",
    "feedback": "feedback fell by {value:.3g} standard deviations where it fell most",
    "corpus_turnover": "{value:.1%} of the documents are new, or gone",
    "ingest_gap": "no new document for {value:.1f} times the longest gap there was",
    "log_shape": "the log carries something else: {value:.1f} times the limit",
    "index_recall": "the index finds {value:.1%} of what exact search finds",
    "reported_scores": "{value:.1%} of the logged scores are not what question and document give",
    "foreign_vectors": "{value:.1%} of the new documents' vectors come from another model",
}
_CHANGES = {
    "volume": "far fewer records",
    "no_text": "texts are missing",
    "no_vector": "vectors are missing",
    "no_scores": "hits come without scores",
    "duplicates": "records come twice",
    "rejected": "entries cannot be read",
}
"""What changed in a log, by the detector's word for it."""
_PARTS = {
    "ann": "by the index (approximate search)",
    "embedding": "by the questions' embedding",
    "relevance": "by what the documents are",
}
"""Where recall is lost, by the detector's word for it."""
LEAST_LOSS = 0.005
"""A smaller loss of recall is not split."""
_SIGNALS = {
    "queries": "questions",
    "corpus": "new documents",
    "scores": "best scores",
    "scores_mean": "mean scores",
    "scores_margin": "margins between the first and the second score",
    "suite": "the reference suite, embedded now",
    "index": "the reference suite, asked with its stored vectors",
}
_CONTROLS = {
    "canary.canary": "the embedding endpoint (canaries)",
    "persistent_vectors.corpus": "the stored document vectors",
    "era_recall.suite": "recall among old documents",
    "era_recall.index": "recall with the stored query vectors",
    "spatial_kl.queries": "the questions",
    "spatial_kl.corpus": "the kind of new documents",
    "score_psi.scores": "the scores",
    "index_recall.index": "the index against exact search",
    "reported_scores.scores": "the way scores are made",
    "corpus_turnover.corpus": "the ids of the documents",
    "ingest_gap.corpus": "the arrival of new documents",
    "log_shape.queries": "the shape of the log",
}


@dataclass(frozen=True, slots=True)
class ToldCause:
    """One cause: what it means, what decided it, and the next step."""

    name: str
    confidence: float
    meaning: str
    because: tuple[str, ...]
    next_step: str


@dataclass(frozen=True, slots=True)
class Told:
    """A verdict in sentences."""

    headline: str
    causes: tuple[ToldCause, ...] = ()
    stood: tuple[str, ...] = ()
    """What was measured and did not fire: the controls."""
    problems: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    """What was done to the service before, as it was told."""


def tell(verdict: Verdict, readings: Sequence[Reading], events: Sequence[str] = ()) -> Told:
    """Return the verdict of one window in sentences; ``readings`` are all of that window.

    ``events`` are what :func:`monitor.explain.events.tell_events` says of what was done before it.
    """
    known = {reading.key: reading for reading in readings}
    stood = tuple(
        said
        for key, said in _CONTROLS.items()
        if key in known and known[key].status == "ok" and key not in verdict.fired
    )
    causes = tuple(_tell_cause(cause, known) for cause in verdict.causes)
    return Told(_headline(verdict), causes, stood, verdict.problems, tuple(events))


def tell_reading(reading: Reading) -> str:
    """Return one reading as a sentence: what it is, against what, on how many observations.

    >>> tell_reading(Reading("canary", "canary", 0.059, 64, threshold=0.001))
    'canary texts are embedded elsewhere: a mean of 1 - cos of 0.059 (fires at 0.001; n = 64)'
    """
    what = _tell_signal(reading.signal)
    pattern = _MEASURES.get(reading.detector)
    said = (
        pattern.format(what=what, value=reading.value) if pattern else f"{reading.key} is {reading.value:.3g}"
    )
    return f"{said} ({', '.join((*_particulars(reading), *_limits(reading)))}; n = {reading.n})"


def _tell_signal(signal: str) -> str:
    """Return a signal in words; one of several windows says how many.

    >>> _tell_signal("queries_32")
    'questions of the last 32 windows together'
    """
    plain, _, windows = signal.rpartition("_")
    if windows.isdigit():
        return f"{_SIGNALS.get(plain, plain)} of the last {windows} windows together"
    return _SIGNALS.get(signal, signal)


def _particulars(reading: Reading) -> list[str]:
    """Return what else a reading has to say in plain words: which part of it moved."""
    detail = reading.detail
    if reading.detector == "log_shape" and isinstance(worst := detail.get("worst"), str):
        return [_CHANGES.get(worst, worst)]
    if reading.detector == "corpus_turnover":
        new, gone, kept = (detail.get(name) for name in ("new_share", "gone_share", "sources_kept"))
        said = [f"{share:.1%} {word}" for share, word in ((new, "new"), (gone, "gone")) if _is(share)]
        return [*said, *([f"{kept:.0%} of the new ones of known sources"] if _is(kept) and kept >= 0 else [])]
    if reading.detector == "canary" and _is(levels := detail.get("levels")):
        return [f"rounded: {levels:.0f} distinct values are left in a vector, as of 8 bits"]
    if reading.detector == "ingest_gap" and _is(silent := detail.get("silent_hours")):
        return [f"{silent:.1f} hours"]
    if reading.detector == "recall_at_k" and _is(total := detail.get("loss")) and total >= LEAST_LOSS:
        parts = ((detail.get(f"loss_{name}"), f"{said}") for name, said in _PARTS.items())
        return [f"of the loss of {total:.3f}: " + ", ".join(f"{p:.3f} {w}" for p, w in parts if _is(p))]
    return []


def _is(number: float | str | None) -> TypeGuard[float]:
    return isinstance(number, float | int)


def _limits(reading: Reading) -> list[str]:
    limits = []
    if isinstance(baseline := reading.detail.get("baseline"), float):
        limits.append(f"{baseline:.3g} in the baseline")
    if reading.effect is not None:
        limits.append(f"an effect of {reading.effect:.3g}")
    if reading.threshold is not None:
        limits.append(f"fires at {reading.threshold:.3g}")
    elif reading.effect_floor > 0:
        limits.append(f"counts from {reading.effect_floor:.3g}")
    if reading.log_p is not None:
        limits.append(f"p = 10^{reading.log_p / 2.302585093:.1f}")
    return limits or ["no limit"]


def _tell_cause(cause: Cause, known: Mapping[str, Reading]) -> ToldCause:
    meaning, next_step = CAUSES.get(cause.name, CAUSES["unknown"])
    because = tuple(_tell_because(key, known.get(key)) for key in cause.because)
    return ToldCause(cause.name, cause.confidence, meaning, because, next_step)


def _tell_because(key: str, reading: Reading | None) -> str:
    """Return what decided: a reading, or a stream that fires without one, as spans are not measured in every window."""
    if reading is not None and reading.status == "ok":
        return tell_reading(reading)
    detector, _, signal = key.partition(".")
    if reading is None and not signal.rpartition("_")[2].isdigit():
        return key
    return f"{detector} of {_tell_signal(signal)} has fired before and is not measured in this window"


def _headline(verdict: Verdict) -> str:
    if verdict.state == "drift":
        others = len(verdict.causes) - 1
        beside = "" if others < 1 else f" and {others} more cause{'s' if others > 1 else ''}"
        harm = "users are served worse" if verdict.severity == "critical" else "no harm is measured yet"
        return f"Drift, {verdict.severity} ({harm}): {verdict.cause}{beside}."
    return {
        "quiet": "Quiet: nothing fires.",
        "invalid": "Invalid: the data of this window cannot be believed.",
        "insufficient": "Insufficient: too little was measured to say anything.",
    }[verdict.state]
