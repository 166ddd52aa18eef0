"""Naming the cause by controlled comparisons: what stood still tells as much as what moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.records import Cause, Reading

REEMBEDDED = 0.95
"""Changed share of stored vectors from which the whole corpus was embedded anew."""
GROWTH = 0.02
"""Share of new documents from which growth may crowd old ones out of an answer."""
GROWTH_ASKED = 0.1
"""Share of new documents from which other questions may be questions about them."""
_QUERY_CHARTS = ("centroid_distance.queries", "spatial_kl.queries")
_CORPUS_CHARTS = ("centroid_distance.corpus", "spatial_kl.corpus")
_SCORE_CHARTS = ("score_psi.scores", "score_psi.scores_mean", "score_psi.scores_margin")


@dataclass(frozen=True, slots=True)
class Findings:
    """What fired in a window, and the readings to look things up in."""

    fired: tuple[str, ...]
    readings: Mapping[str, Reading]

    def any(self, *keys: str) -> tuple[str, ...]:
        """Return those of ``keys`` that fired."""
        return tuple(k for k in keys if k in self.fired)

    def measured(self, key: str) -> bool:
        """Return whether a usable reading of ``key`` is there."""
        reading = self.readings.get(key)
        return reading is not None and reading.status == "ok"

    def stands(self, key: str) -> bool:
        """Return whether ``key`` was measured and did not fire: a control that holds."""
        return self.measured(key) and key not in self.fired

    def value(self, key: str) -> float:
        """Return a reading's value, 0.0 where it was not measured."""
        reading = self.readings.get(key)
        return reading.value if reading is not None and reading.status == "ok" else 0.0

    def detail(self, key: str, name: str) -> float:
        """Return a number of a reading's detail, 0.0 where it is missing."""
        reading = self.readings.get(key)
        number = reading.detail.get(name, 0.0) if reading is not None else 0.0
        return float(number) if isinstance(number, int | float) else 0.0


def attribute(fired: Sequence[str], readings: Sequence[Reading]) -> tuple[Cause, ...]:
    """Return every cause that the readings support, the most telling comparison first; ``unknown`` if none does.

    Parameters
    ----------
    fired : sequence of str
        Keys (``detector.signal``) of the streams that fire now.
    readings : sequence of Reading
        All readings of the window, quiet ones included: they are the controls.
    """
    if not fired:
        return ()
    findings = Findings(tuple(fired), {r.key: r for r in readings})
    causes = [c for rule in _RULES if (c := rule(findings)) is not None]
    return tuple(causes) or (Cause("unknown", 0.0, tuple(fired)),)


def _empty_results(f: Findings) -> Cause | None:
    because = f.any("empty_results.scores")
    return Cause("empty_results", 0.95, because) if because else None


def _model_query_side(f: Findings) -> Cause | None:
    """Tell a query-side push: canaries moved while the documents' stored vectors stand.

    Without canaries the replays tell it: live embeddings lose what the stored query vectors still find.
    """
    if f.value("persistent_vectors.corpus") >= REEMBEDDED:
        return None  # both sides moved: the re-embed rule tells it
    because = f.any("canary.canary", "era_recall.suite", *_SCORE_CHARTS, *_QUERY_CHARTS)
    if not f.any("canary.canary"):
        lost = f.any("era_recall.suite") and f.stands("era_recall.index")
        return Cause("model_query_side", 0.7, because) if lost and not f.measured("canary.canary") else None
    return Cause("model_query_side", 0.98 if f.measured("persistent_vectors.corpus") else 0.8, because)


def _model_reembedded(f: Findings) -> Cause | None:
    if f.value("persistent_vectors.corpus") < REEMBEDDED:
        return None
    return Cause(
        "model_reembedded", 0.98, ("persistent_vectors.corpus", *f.any("canary.canary", "era_recall.index"))
    )


def _model_mixed_index(f: Findings) -> Cause | None:
    share = f.value("persistent_vectors.corpus")
    if not f.any("persistent_vectors.corpus") or share >= REEMBEDDED:
        return None
    return Cause(
        "model_mixed_index",
        0.9,
        ("persistent_vectors.corpus", *f.any("era_recall.index", "era_recall.suite")),
    )


def _index_degraded(f: Findings) -> Cause | None:
    """Tell an index that lost answers: stored query vectors find less among documents that did not change."""
    if not f.any("era_recall.index") or f.any("persistent_vectors.corpus"):
        return None
    return Cause("index_degraded", 0.85, f.any("era_recall.index", "era_recall.suite"))


def _corpus_shift(f: Findings) -> Cause | None:
    because = f.any(*_CORPUS_CHARTS)
    if not because:
        return None
    return Cause("corpus_shift", 0.9, (*because, *f.any("recall_at_k.suite", *_QUERY_CHARTS)))


def _corpus_growth(f: Findings) -> Cause | None:
    """Tell growth: new documents, while the endpoint and the old ones stand and these are still found.

    Every corpus grows a little; growth is named only for what it can do: push judged documents down, raise scores, and,
    when there is much of it, draw questions of its own.
    """
    new = f.detail("persistent_vectors.corpus", "new_share")
    if new < GROWTH or f.any(
        "canary.canary", "persistent_vectors.corpus", "era_recall.suite", "era_recall.index"
    ):
        return None
    asked, crowded = f.any(*_QUERY_CHARTS), f.any("recall_at_k.suite", "recall_at_k.index")
    scores = f.any(*_SCORE_CHARTS)
    if not crowded and not (scores and not asked) and not (asked and new >= GROWTH_ASKED):
        return None
    return Cause("corpus_growth", 0.8, ("persistent_vectors.corpus", *crowded, *scores, *asked))


def _questions(f: Findings) -> Cause | None:
    """Tell other questions: the query charts moved and the model stands; scores may follow, as other questions do."""
    because = f.any(*_QUERY_CHARTS)
    if not because or f.any("era_recall.suite", "canary.canary", "persistent_vectors.corpus"):
        return None
    return Cause("questions", 0.85 if not f.any(*_SCORE_CHARTS) else 0.7, because)


def _score_scale(f: Findings) -> Cause | None:
    """Tell another scale: scores moved while questions, endpoint and documents all stand."""
    because = f.any(*_SCORE_CHARTS)
    quiet = not f.any(
        *_QUERY_CHARTS, *_CORPUS_CHARTS, "canary.canary", "era_recall.suite", "persistent_vectors.corpus"
    )
    turnover = sum(f.detail("persistent_vectors.corpus", name) for name in ("new_share", "gone_share"))
    if not because or not quiet or not f.measured("canary.canary") or turnover >= GROWTH:
        return None
    return Cause("score_scale", 0.6, because)


_RULES = (
    _empty_results,
    _model_query_side,
    _model_reembedded,
    _model_mixed_index,
    _index_degraded,
    _corpus_shift,
    _corpus_growth,
    _questions,
    _score_scale,
)
