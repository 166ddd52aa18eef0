from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.judge.attribution import attribute
from monitor.records import Reading, Status

CHARTS = (
    "centroid_distance.queries",
    "spatial_kl.queries",
    "centroid_distance.corpus",
    "spatial_kl.corpus",
    "score_psi.scores",
    "score_psi.scores_mean",
    "score_psi.scores_margin",
    "empty_results.scores",
    "recall_at_k.suite",
    "era_recall.suite",
    "era_recall.index",
)
QUERIES = ("centroid_distance.queries", "spatial_kl.queries")
CORPUS = ("centroid_distance.corpus", "spatial_kl.corpus")
SCORES = ("score_psi.scores", "score_psi.scores_mean", "score_psi.scores_margin")
RECALL = ("recall_at_k.suite", "era_recall.suite")
CANARY, STORED, CONTROL = "canary.canary", "persistent_vectors.corpus", "era_recall.index"


def window(
    *, changed: float = 0.0, new: float = 0.0, gone: float = 0.0, without: tuple[str, ...] = ()
) -> list[Reading]:
    """All readings of a window with every part measured; the named ones are insufficient."""
    streams = [key.split(".") for key in CHARTS]
    readings = [Reading(detector, signal, 0.0, 100, log_p=-0.5) for detector, signal in streams]
    readings.append(Reading("canary", "canary", 0.0, 64, threshold=1e-3))
    readings.append(
        Reading(
            "persistent_vectors",
            "corpus",
            changed,
            200,
            threshold=0.05,
            detail={"new_share": new, "gone_share": gone},
        )
    )
    nothing: Status = "insufficient"
    return [replace(r, status=nothing, value=0.0) if r.key in without else r for r in readings]


TABLE: list[tuple[str, tuple[str, ...], list[Reading], tuple[str, ...]]] = [
    ("nothing fired", (), window(new=0.5), ()),
    ("only the questions", QUERIES, window(), ("questions",)),
    ("questions score otherwise", (*QUERIES, *SCORES), window(), ("questions",)),
    ("questions over a corpus that grew a little", QUERIES, window(new=0.03), ("questions",)),
    ("much growth, and questions about it", QUERIES, window(new=0.2), ("corpus_growth", "questions")),
    ("growth pushes judged documents down", ("recall_at_k.suite",), window(new=0.03), ("corpus_growth",)),
    ("growth raises scores", SCORES[:1], window(new=0.03), ("corpus_growth",)),
    ("scores of an index that lost documents", SCORES, window(gone=0.3), ("unknown",)),
    (
        "growth and questions",
        ("recall_at_k.suite", *QUERIES),
        window(new=0.2),
        ("corpus_growth", "questions"),
    ),
    ("new documents unlike the old", CORPUS, window(), ("corpus_shift",)),
    (
        "a new area and questions about it",
        (*CORPUS, *QUERIES),
        window(new=0.2),
        ("corpus_shift", "corpus_growth", "questions"),
    ),
    ("query-side push", (CANARY, *RECALL, *SCORES), window(), ("model_query_side",)),
    ("silent push", (CANARY,), window(), ("model_query_side",)),
    ("push over a corpus that grew", (CANARY, *SCORES), window(new=0.3), ("model_query_side",)),
    ("push seen by logged vectors", (CANARY, *QUERIES, *RECALL), window(), ("model_query_side",)),
    ("push without a corpus to hold against", (CANARY,), window(without=(STORED,)), ("model_query_side",)),
    ("push without canaries", RECALL, window(without=(CANARY,)), ("model_query_side",)),
    (
        "push without canaries and without the control",
        RECALL,
        window(without=(CANARY, CONTROL)),
        ("unknown",),
    ),
    ("loss that the canaries do not explain", RECALL, window(), ("unknown",)),
    ("full re-embed", (STORED, CONTROL, *RECALL), window(changed=1.0), ("model_reembedded",)),
    ("both sides moved", (CANARY, STORED, *RECALL), window(changed=0.99), ("model_reembedded",)),
    ("mixed index", (STORED, CONTROL, *RECALL), window(changed=0.4), ("model_mixed_index",)),
    (
        "push over a mixed index",
        (CANARY, STORED, *RECALL),
        window(changed=0.4),
        ("model_query_side", "model_mixed_index"),
    ),
    ("index lost answers", (CONTROL, *RECALL), window(), ("index_degraded",)),
    ("index lost answers, no canaries", (CONTROL, *RECALL), window(without=(CANARY,)), ("index_degraded",)),
    ("push and index loss", (CANARY, CONTROL, *RECALL), window(), ("model_query_side", "index_degraded")),
    ("empty answers", ("empty_results.scores",), window(), ("empty_results",)),
    (
        "empty answers of an index that lost documents",
        ("empty_results.scores", CONTROL, *RECALL),
        window(),
        ("empty_results", "index_degraded"),
    ),
    ("another scale", SCORES, window(), ("score_scale",)),
    ("scores moved and nobody looked at the endpoint", SCORES, window(without=(CANARY,)), ("unknown",)),
    ("plain recall alone", ("recall_at_k.suite",), window(), ("unknown",)),
    ("a third party's stream", ("mystery.queries",), window(), ("unknown",)),
    ("a third party's stream over growth", ("mystery.queries",), window(new=0.3), ("unknown",)),
]


@pytest.mark.parametrize(("what", "fired", "readings", "causes"), TABLE, ids=[row[0] for row in TABLE])
def test_the_cause_is_named(
    what: str, fired: tuple[str, ...], readings: list[Reading], causes: tuple[str, ...]
) -> None:
    found = attribute(fired, readings)
    assert tuple(c.name for c in found) == causes


@pytest.mark.parametrize(("what", "fired", "readings", "causes"), TABLE, ids=[row[0] for row in TABLE])
def test_a_cause_rests_on_what_fired_and_says_so(
    what: str, fired: tuple[str, ...], readings: list[Reading], causes: tuple[str, ...]
) -> None:
    for cause in attribute(fired, readings):
        assert 0.0 <= cause.confidence < 1.0
        # Growth also rests on the share of new documents, which the look at stored vectors carries.
        assert set(cause.because) <= {*fired, STORED}
        assert set(cause.because) & set(fired)
        assert len(set(cause.because)) == len(cause.because)


def test_what_is_unknown_is_not_claimed() -> None:
    (cause,) = attribute(("mystery.queries",), window())
    assert (cause.name, cause.confidence, cause.because) == ("unknown", 0.0, ("mystery.queries",))


def test_a_control_that_was_measured_makes_it_surer() -> None:
    (with_control,) = attribute((CANARY,), window())
    (without,) = attribute((CANARY,), window(without=(STORED,)))
    (no_canary,) = attribute(RECALL, window(without=(CANARY,)))
    assert with_control.confidence > without.confidence > no_canary.confidence


def test_questions_are_less_sure_where_scores_moved_too() -> None:
    (alone,) = attribute(QUERIES, window())
    (followed,) = attribute((*QUERIES, *SCORES), window())
    assert alone.confidence > followed.confidence


def test_streams_of_earlier_windows_need_no_reading_now() -> None:
    assert [c.name for c in attribute((CANARY,), [])] == ["model_query_side"]
    assert [c.name for c in attribute(QUERIES, [])] == ["questions"]
    assert [c.name for c in attribute((STORED,), [])] == ["model_mixed_index"]
