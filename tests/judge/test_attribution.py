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
    "index_recall.index",
)
QUERIES = ("centroid_distance.queries", "spatial_kl.queries")
CORPUS = ("centroid_distance.corpus", "spatial_kl.corpus")
SCORES = ("score_psi.scores", "score_psi.scores_mean", "score_psi.scores_margin")
RECALL = ("recall_at_k.suite", "era_recall.suite")
CANARY, STORED, CONTROL = "canary.canary", "persistent_vectors.corpus", "era_recall.index"
ANN, REPORTED, TURNOVER = "index_recall.index", "reported_scores.scores", "corpus_turnover.corpus"
FOREIGN, INGEST, LOG = "foreign_vectors.corpus", "ingest_gap.corpus", "log_shape.queries"
QUALITY = "data_quality.queries"


def window(
    *,
    changed: float = 0.0,
    step: float = 1.0,
    new: float = 0.0,
    gone: float = 0.0,
    kept: float = -1.0,
    elsewhere: float = 0.0,
    told_by: str = "texts",
    tight: bool = False,
    spoilt: str = "",
    without: tuple[str, ...] = (),
) -> list[Reading]:
    """All readings of a window with every part measured; those named in ``without`` are insufficient.

    ``kept`` is the share of the new documents' sources that are known, ``elsewhere`` how far from the old they lie,
    ``told_by`` and ``tight`` what is known of who made them, ``spoilt`` what makes the window's data invalid.
    """
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
            detail={"new_share": new, "gone_share": gone, "common_step": step},
        )
    )
    readings[3] = replace(readings[3], value=elsewhere)
    turned = {
        "new_share": new,
        "gone_share": gone,
        "sources_kept": kept,
        "sources": 0.0 if kept < 0 else 90.0,
    }
    made_by: dict[str, float | str] = {"told_by": told_by, "tight": float(tight)}
    readings += [
        Reading("corpus_turnover", "corpus", max(new, gone), 400, threshold=0.2, detail=turned),
        Reading("foreign_vectors", "corpus", 0.0, 40, threshold=0.3, detail=made_by),
        Reading("reported_scores", "scores", 0.0, 900, threshold=0.2),
        Reading("ingest_gap", "corpus", 0.0, 40, threshold=3.0),
        Reading("log_shape", "queries", 0.0, 900, threshold=1.0),
        Reading(
            "data_quality",
            "queries",
            0.0,
            900,
            "invalid" if spoilt else "ok",
            detail={"worst": spoilt or "missing"},
        ),
    ]
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
    ("index misses what is near", (ANN,), window(), ("index_degraded",)),
    ("index misses what is near, and it shows", (ANN, CONTROL, *RECALL), window(), ("index_degraded",)),
    ("a shard is gone", (TURNOVER,), window(gone=0.3), ("index_degraded",)),
    ("a shard is gone, scores fall", (TURNOVER, *SCORES), window(gone=0.3), ("index_degraded",)),
    (
        "texts cut anew",
        (TURNOVER, CONTROL, *RECALL, *CORPUS),
        window(new=0.6, gone=0.6, kept=1.0),
        ("chunking",),
    ),
    (
        "a third of the texts cut anew",
        (TURNOVER, *RECALL),
        window(new=0.3, gone=0.3, kept=0.9),
        ("chunking",),
    ),
    (
        "sources exchanged for others",
        (TURNOVER, *CORPUS),
        window(new=0.4, gone=0.3, kept=0.1),
        ("corpus_shift", "corpus_growth"),
    ),
    ("texts cut anew, ids name no source", (TURNOVER, CONTROL), window(new=1.0, gone=1.0), ("chunking",)),
    (
        "the same with pieces of another length",
        (TURNOVER, CONTROL, *CORPUS),
        window(new=1.0, gone=1.0, elsewhere=0.1),
        ("chunking",),
    ),
    (
        "a corpus exchanged for another one",
        (TURNOVER, *CORPUS),
        window(new=1.0, gone=0.9, elsewhere=2.0),
        ("corpus_shift", "corpus_growth"),
    ),
    (
        "texts cut into more pieces under ids of the same scheme",
        (STORED, TURNOVER, *RECALL),
        window(changed=1.0, step=0.01, new=0.4, kept=1.0),
        ("chunking",),
    ),
    (
        "texts cut into fewer",
        (STORED, TURNOVER, CONTROL),
        window(changed=0.9, step=0.01, gone=0.3, kept=0.0),
        ("chunking",),
    ),
    (
        "another model embedded a corpus that grew",
        (STORED, TURNOVER, CONTROL),
        window(changed=1.0, step=0.4, new=0.4, kept=1.0),
        ("model_reembedded",),
    ),
    (
        "cut anew or made by another model: the endpoint moved as well",
        (STORED, TURNOVER, CANARY),
        window(changed=1.0, step=0.01, new=0.4, kept=1.0),
        ("model_reembedded",),
    ),
    ("ingest is dead", (INGEST,), window(), ("ingest_dead",)),
    ("ingest is dead and questions moved", (INGEST, *QUERIES), window(), ("ingest_dead", "questions")),
    ("growth that changes no ranking", (TURNOVER,), window(new=0.25), ("corpus_growth",)),
    ("foreign new documents, by their texts", (FOREIGN, *CORPUS), window(new=0.2), ("model_mixed_index",)),
    ("push over a corpus whose texts are known", (FOREIGN, CANARY), window(new=0.2), ("model_query_side",)),
    (
        "new documents where none can be",
        (FOREIGN, *CORPUS),
        window(new=0.2, told_by="place"),
        ("corpus_shift", "model_mixed_index"),
    ),
    (
        "new documents more alike than any",
        CORPUS,
        window(new=0.2, told_by="place", tight=True),
        ("corpus_shift", "model_mixed_index"),
    ),
    (
        "foreign new and old documents",
        (FOREIGN, STORED),
        window(new=0.2, changed=0.3),
        ("model_mixed_index",),
    ),
    ("the log lost its scores", (LOG,), window(), ("logging",)),
    ("the log lost records, and a mix with them", (LOG, *QUERIES), window(), ("logging", "questions")),
    ("data that cannot be believed", (LOG,), window(spoilt="rejected"), ("logging",)),
    (
        "a push whose logged vectors have another dimension",
        (CANARY,),
        window(spoilt="bad_vectors"),
        ("model_query_side",),
    ),
    ("nothing fires and the data is bad", (), window(spoilt="rejected"), ("logging",)),
    ("bad documents are no matter of the log", (), window(spoilt="bad_documents"), ()),
    ("scores are made in another way", (REPORTED,), window(), ("score_scale",)),
    ("scores are made in another way, charts follow", (REPORTED, *SCORES), window(), ("score_scale",)),
    ("a push moves recomputed scores too", (REPORTED, CANARY, *SCORES), window(), ("model_query_side",)),
    ("scores moved, and are what they should be", SCORES, window(), ("unknown",)),
    (
        "another scale and other questions",
        (REPORTED, *QUERIES, *SCORES),
        window(),
        ("score_scale", "questions"),
    ),
    ("index lost answers, no canaries", (CONTROL, *RECALL), window(without=(CANARY,)), ("index_degraded",)),
    ("push and index loss", (CANARY, CONTROL, *RECALL), window(), ("model_query_side", "index_degraded")),
    ("empty answers", ("empty_results.scores",), window(), ("empty_results",)),
    (
        "empty answers of an index that lost documents",
        ("empty_results.scores", CONTROL, *RECALL),
        window(),
        ("empty_results", "index_degraded"),
    ),
    ("another scale, nothing to recompute", SCORES, window(without=(REPORTED,)), ("score_scale",)),
    (
        "scores moved and nobody looked at the endpoint",
        SCORES,
        window(without=(CANARY, REPORTED)),
        ("unknown",),
    ),
    (
        "scores of an index that lost answers",
        (*SCORES, CONTROL),
        window(without=(REPORTED,)),
        ("index_degraded",),
    ),
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
        # Growth also rests on the share of new documents, and bad data needs nothing that fires.
        assert set(cause.because) <= {*fired, TURNOVER, QUALITY}
        assert set(cause.because) & {*fired, QUALITY}
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


def test_what_may_still_become_another_cause_claims_little() -> None:
    """An incident keeps the surest cause: one that may be an early sign of others must not outweigh them."""
    (early,) = attribute(SCORES, window(without=(REPORTED,)))
    (late,) = attribute((*SCORES, CONTROL), window(without=(REPORTED, ANN)))
    (recomputed,) = attribute((REPORTED, *SCORES), window())
    assert early.confidence <= 0.5 < late.confidence < recomputed.confidence


def test_a_loss_without_a_reason_claims_little() -> None:
    """Old documents there, unchanged and reachable, and yet not found."""
    (strange,) = attribute((CONTROL, *RECALL), window())
    (shard,) = attribute((CONTROL, *RECALL), window(gone=0.3))
    (near,) = attribute((ANN, CONTROL, *RECALL), window())
    assert strange.confidence <= 0.5 < shard.confidence < near.confidence


def test_places_alone_prove_no_other_model() -> None:
    by_text = attribute((FOREIGN, *CORPUS), window(new=0.2))
    by_place = attribute((FOREIGN, *CORPUS), window(new=0.2, told_by="place"))
    assert by_text[0].confidence > 0.9
    assert max(c.confidence for c in by_place) <= 0.5


def test_growth_is_sure_where_the_new_documents_were_found_alike() -> None:
    alike = window(new=0.25)
    apart = [replace(r, effect=0.2) if r.key in CORPUS else r for r in alike]
    untested = window(new=0.25, without=CORPUS)
    sure, suspicious, unknown = (attribute((TURNOVER,), w)[0] for w in (alike, apart, untested))
    assert sure.name == suspicious.name == unknown.name == "corpus_growth"
    assert suspicious.confidence == unknown.confidence == 0.5 < sure.confidence
