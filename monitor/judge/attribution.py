"""Naming the cause by controlled comparisons: what stood still tells as much as what moved."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.judge.findings import (
    ANN,
    CANARY,
    CORPUS_CHARTS,
    FOREIGN,
    GROWTH,
    GROWTH_ASKED,
    INGEST,
    LOG,
    LOST,
    QUALITY,
    QUERY_CHARTS,
    RECALL,
    REEMBEDDED,
    REPLAY,
    REPORTED,
    SCORE_CHARTS,
    STORED,
    TURNOVER,
    Findings,
)
from monitor.records import Cause, Reading


def attribute(fired: Sequence[str], readings: Sequence[Reading]) -> tuple[Cause, ...]:
    """Return every cause that the readings support, the most telling comparison first; ``unknown`` if none does.

    Parameters
    ----------
    fired : sequence of str
        Keys (``detector.signal``) of the streams that fire now.
    readings : sequence of Reading
        All readings of the window, quiet ones included: they are the controls. Data that cannot be believed has a cause
        as well, whether or not anything fires.
    """
    findings = Findings(tuple(fired), {r.key: r for r in readings})
    if not fired:
        cause = _logging(findings)
        return () if cause is None else (cause,)
    causes = [c for rule in _RULES if (c := rule(findings)) is not None]
    return tuple(causes) or (Cause("unknown", 0.0, tuple(fired)),)


def _logging(f: Findings) -> Cause | None:
    """Tell a log that carries something else than it did; bad documents are the index' affair, not the log's."""
    because = f.any(LOG)
    quality = f.readings.get(QUALITY)
    if quality is not None and quality.status == "invalid" and quality.detail.get("worst") != "bad_documents":
        # Vectors of another dimension in the log are the push's, where the endpoint itself has moved.
        because = because if f.any(CANARY) and not because else (*because, QUALITY)
    return Cause("logging", 0.95 if LOG in because else 0.8, because) if because else None


def _empty_results(f: Findings) -> Cause | None:
    because = f.any("empty_results.scores")
    return Cause("empty_results", 0.95, because) if because else None


def _model_query_side(f: Findings) -> Cause | None:
    """Tell a query-side push: canaries moved while the documents' stored vectors stand.

    Without canaries the replays tell it: live embeddings lose what the stored query vectors still find.
    """
    if f.value(STORED) >= REEMBEDDED:
        return None  # both sides moved: the re-embed rule tells it
    because = f.any(CANARY, "era_recall.suite", REPORTED, *SCORE_CHARTS, *QUERY_CHARTS)
    if not f.any(CANARY):
        lost = f.any("era_recall.suite") and f.stands(REPLAY)
        return Cause("model_query_side", 0.7, because) if lost and not f.measured(CANARY) else None
    return Cause("model_query_side", 0.98 if f.measured(STORED) else 0.8, because)


def _model_reembedded(f: Findings) -> Cause | None:
    if f.value(STORED) < REEMBEDDED or f.cut_in_place:
        return None
    return Cause("model_reembedded", 0.98, (STORED, *f.any(CANARY, REPLAY)))


def _model_mixed_index(f: Findings) -> Cause | None:
    """Tell two spaces in one index: a part of the old vectors is another model's, or the new ones are."""
    share = f.value(STORED)
    if f.any(STORED) and share < REEMBEDDED and not f.cut_in_place:
        return Cause("model_mixed_index", 0.95, (STORED, *f.any(FOREIGN, *RECALL)))
    # After a push the live endpoint itself disagrees with every stored vector.
    if f.any(FOREIGN) and share < REEMBEDDED and not f.any(CANARY) and not f.strange:
        return Cause("model_mixed_index", 0.95, (FOREIGN, *f.any(*CORPUS_CHARTS)))
    return None


def _perhaps_foreign(f: Findings) -> Cause | None:
    """Tell that another model may have made the new documents, where only their places say so."""
    if not f.strange or f.any(STORED) or not (because := f.any(FOREIGN, *CORPUS_CHARTS)):
        return None
    return Cause("model_mixed_index", 0.4, because)


def _score_scale(f: Findings) -> Cause | None:
    """Tell another scale: logged scores are no longer what question and document give, while the endpoint stands.

    Where scores cannot be recomputed only the charts speak, and the controls may not have gathered their evidence yet:
    that is told with less confidence, and the next finding takes its place.
    """
    because = f.any(REPORTED, *SCORE_CHARTS)
    if not because or f.any(CANARY, STORED, FOREIGN):
        return None
    if REPORTED in because:
        return Cause("score_scale", 0.95, because)
    quiet = not f.any(*QUERY_CHARTS, *CORPUS_CHARTS, *RECALL, ANN, "empty_results.scores", LOG)
    if f.measured(REPORTED) or not quiet or not f.measured(CANARY) or f.new + f.gone >= GROWTH:
        return None
    return Cause("score_scale", 0.5, because)


def _index_degraded(f: Findings) -> Cause | None:
    """Tell an index that lost answers: it misses what exact search finds, or documents are gone and none came."""
    if f.any(ANN):
        return Cause("index_degraded", 0.97, (ANN, *f.any(*RECALL)))
    if f.cut_anew or f.any(STORED):
        return None
    lost = f.gone >= LOST and f.new < f.gone / 4.0
    if f.any(REPLAY):
        # Old documents that are there, unchanged and reachable, and yet not found: that is not known to happen.
        sure = 0.85 if lost or not f.measured(ANN) else 0.5
        return Cause("index_degraded", sure, f.any(REPLAY, "era_recall.suite", TURNOVER))
    return Cause("index_degraded", 0.7, f.any(TURNOVER)) if lost and f.any(TURNOVER) else None


def _chunking(f: Findings) -> Cause | None:
    """Tell texts that were cut anew: ids turned over, sources kept."""
    because = f.any(TURNOVER, *CORPUS_CHARTS, *RECALL, "recall_at_k.suite", *SCORE_CHARTS)
    return Cause("chunking", f.cut_anew, because) if f.cut_anew and because else None


def _ingest_dead(f: Findings) -> Cause | None:
    because = f.any(INGEST)
    return Cause("ingest_dead", 0.9, because) if because else None


def _corpus_shift(f: Findings) -> Cause | None:
    because = f.any(*CORPUS_CHARTS)
    if not because or (f.any(FOREIGN) and not f.strange) or f.cut_anew:
        return None
    return Cause(
        "corpus_shift", 0.5 if f.strange else 0.9, (*because, *f.any("recall_at_k.suite", *QUERY_CHARTS))
    )


def _corpus_growth(f: Findings) -> Cause | None:
    """Tell growth: new documents, while the endpoint and the old ones stand and these are still found.

    Every corpus grows a little; growth is named only for what it can do: push judged documents down, raise scores, draw
    questions of its own when there is much of it, or outgrow the baseline.
    """
    if f.new < GROWTH or f.any(CANARY, STORED, ANN, *RECALL) or f.cut_anew:
        return None
    if f.any(FOREIGN) and not f.strange:
        return None
    if f.any(*CORPUS_CHARTS) and f.strange:
        return None
    asked, crowded = f.any(*QUERY_CHARTS), f.any("recall_at_k.suite", "recall_at_k.index")
    scores = () if f.any(REPORTED) else f.any(*SCORE_CHARTS)
    outgrown = f.any(TURNOVER) if f.new > f.gone else ()
    if not outgrown and not crowded and not (scores and not asked) and not (asked and f.new >= GROWTH_ASKED):
        return None
    rests_on = outgrown or ((TURNOVER,) if f.measured(TURNOVER) else (STORED,))
    # That it is growth and no shift rests on the test of the new documents.
    sure = 0.8 if f.newcomers_alike else 0.5
    return Cause("corpus_growth", sure, (*rests_on, *crowded, *scores, *asked))


def _questions(f: Findings) -> Cause | None:
    """Tell other questions: the query charts moved and the model stands; scores may follow, as other questions do."""
    because = f.any(*QUERY_CHARTS)
    if not because or f.any("era_recall.suite", CANARY, STORED):
        return None
    return Cause("questions", 0.85 if not f.any(*SCORE_CHARTS) else 0.7, because)


_RULES = (
    _logging,
    _empty_results,
    _model_query_side,
    _model_reembedded,
    _model_mixed_index,
    _score_scale,
    _index_degraded,
    _chunking,
    _ingest_dead,
    _corpus_shift,
    _perhaps_foreign,
    _corpus_growth,
    _questions,
)
