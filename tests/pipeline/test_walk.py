from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pytest

from monitor.baseline import Baseline
from monitor.errors import EdgeError
from monitor.judge.evidence import Budget
from monitor.pipeline import Collection, History, walk
from monitor.profile import Profile
from monitor.records import Outcome, Ranking, Reading, Record, Rejection, VectorArray
from tests.core_fakes import rag, world


@dataclass(frozen=True)
class Forgetful(world.FakeIndex):
    """Holds every document and does not reach some of them in a search."""

    reached: world.FakeIndex

    def search(self, vectors: VectorArray, k: int) -> Ranking:
        return self.reached.search(vectors, k)


THRESHOLD = Budget().log_threshold(world.QUARTER, 15)


def step(
    collection: Collection,
    number: int,
    history: History | None = None,
    baseline: Baseline | None = None,
    **options: Any,
) -> Outcome:
    return walk(
        world.span(number),
        collection,
        baseline or rag.quiet_baseline().baseline,
        3,
        history or History(),
        threshold=THRESHOLD,
        **options,
    )


def run(collection: Collection, first: int, count: int, baseline: Baseline | None = None) -> list[Outcome]:
    """Consecutive windows, each starting from what the one before left behind."""
    history, outcomes = History(), []
    for number in range(first, first + count):
        outcome = step(collection, number, history, baseline)
        outcomes.append(outcome)
        history = History(outcome.evidence or (), outcome.corpus_seen, ingest=outcome.ingest)
    return outcomes


def by_key(outcome: Outcome) -> dict[str, Reading]:
    return {r.key: r for r in outcome.readings}


def assert_no_nan(outcome: Outcome) -> None:
    profile = Profile.unpack(outcome.profile)
    assert all(np.isfinite(array).all() for array in profile.sums.values())
    plain = {
        "readings": [asdict(r) for r in outcome.readings],
        "evidence": [asdict(e) for e in outcome.evidence or () if math.isfinite(e.log_e)],
    }
    text = json.dumps(plain)
    assert "NaN" not in text
    assert "Infinity" not in text


def log(*numbers: int, **options: Any) -> tuple[Record, ...]:
    return tuple(r for number in numbers for r in rag.ask(number, **options))


def test_quiet_traffic_is_quiet() -> None:
    numbers = range(100, 112)
    outcomes = run(rag.Service(log(*numbers)).collection(), 100, len(numbers))
    assert {o.verdict.state for o in outcomes} == {"quiet"}
    for outcome in outcomes:
        assert_no_nan(outcome)
        # No document is new, so the two charts of new documents have nothing to say; all else speaks.
        silent = {r.key for r in outcome.readings if r.status != "ok"}
        nothing_new = {"centroid_distance.corpus", "spatial_kl.corpus", "foreign_vectors.corpus"}
        assert silent == nothing_new | {"ingest_gap.corpus"}


def test_an_outcome_carries_all_that_the_store_keeps_and_no_record() -> None:
    ticks = iter([10.0, 12.5])
    entries: list[Record | Rejection] = [*log(100), Rejection("bad_id", "line 7")]
    collection = rag.Service().collection(source=world.FakeSource(entries))
    outcome = step(collection, 100, stopwatch=lambda: next(ticks))
    assert outcome.window == world.span(100)
    assert outcome.baseline_id == 3
    assert outcome.duration == 2.5
    assert outcome.sample.records == ()
    assert outcome.sample.seen == 150
    assert outcome.sample.rejected == {"bad_id": 1}
    assert outcome.corpus_seen is not None
    profile = Profile.unpack(outcome.profile)
    assert profile.basis == rag.quiet_baseline().baseline.basis
    assert profile.count("records.rejected") == 1


def test_the_same_window_twice_gives_the_same_outcome() -> None:
    collection = rag.Service(log(100)).collection()
    first, second = (step(collection, 100, stopwatch=lambda: 0.0) for _ in range(2))
    assert first.profile == second.profile
    assert first.readings == second.readings
    assert first.verdict == second.verdict
    assert first.evidence == second.evidence


def test_records_of_other_windows_do_not_count() -> None:
    both = rag.Service(log(100, 101)).collection()
    alone = rag.Service(log(100)).collection()
    assert step(both, 100).profile == step(alone, 100).profile


def test_an_empty_log_is_insufficient() -> None:
    collection = rag.Service().collection(index=None, live_embedder=None)
    outcome = step(collection, 100)
    assert outcome.verdict.state == "insufficient"
    # That nothing came is all there is to say, and the log's shape says it.
    assert {r.key for r in outcome.readings if r.status != "insufficient"} == {"log_shape.queries"}
    assert outcome.verdict.cause == "logging"
    assert_no_nan(outcome)


def test_three_records_are_insufficient() -> None:
    collection = rag.Service(log(100, n=3)).collection(index=None)
    outcome = step(collection, 100)
    assert outcome.verdict.state == "insufficient"
    assert by_key(outcome)["canary.canary"].status == "ok"
    assert "too few records" in outcome.verdict.problems[0]


def test_nan_vectors_make_the_window_invalid_and_leave_no_nan_anywhere() -> None:
    records = tuple(
        replace(r, vector=np.full(world.D, np.nan, dtype=np.float32)) if i % 4 == 0 else r
        for i, r in enumerate(rag.ask(100, logs_vectors=True))
    )
    outcome = step(rag.Service(records).collection(), 100)
    assert outcome.verdict.state == "invalid"
    assert "bad vectors 25.3%" in outcome.verdict.problems[0]
    assert by_key(outcome)["centroid_distance.queries"].n == 112
    assert_no_nan(outcome)


def test_vectors_of_another_dimension_make_the_window_invalid() -> None:
    narrow = world.FakeEmbedder(d=16)
    records = tuple(replace(r, text=None, vector=narrow.embed([r.text or ""])[0]) for r in rag.ask(100))
    outcome = step(rag.Service(records).collection(), 100)
    assert outcome.verdict.state == "invalid"
    assert by_key(outcome)["data_quality.queries"].detail["wrong_dimension"] == 150.0
    assert_no_nan(outcome)


def test_a_log_of_rejected_entries_is_invalid() -> None:
    entries = [Rejection("bad_time", f"line {i}") for i in range(60)]
    collection = rag.Service().collection(source=world.FakeSource(entries), index=None)
    outcome = step(collection, 100)
    assert outcome.verdict.state == "invalid"
    assert "rejected 100.0%" in outcome.verdict.problems[0]


def test_a_model_push_moves_the_canaries_and_is_named() -> None:
    pushed = world.FakeEmbedder(turn=world.random_turn())
    outcome = step(rag.Service(log(100, live=pushed), live=pushed).collection(), 100)
    assert outcome.verdict.state == "drift"
    assert outcome.verdict.severity == "critical"
    assert outcome.verdict.cause == "model_query_side"
    assert {"canary.canary", "era_recall.suite", "score_psi.scores"} <= set(outcome.verdict.fired)
    # The texts are what they were, and so is the index when it is asked with the stored vectors.
    assert not {"centroid_distance.queries", "spatial_kl.queries", "era_recall.index"} & set(
        outcome.verdict.fired
    )
    assert by_key(outcome)["era_recall.index"].value == 1.0
    assert by_key(outcome)["era_recall.suite"].value < 0.5
    assert_no_nan(outcome)


def test_a_push_to_another_dimension_is_a_push() -> None:
    pushed = world.FakeEmbedder(d=32)
    outcome = step(rag.Service(log(100), live=pushed).collection(), 100)
    assert outcome.verdict.cause == "model_query_side"
    assert by_key(outcome)["canary.canary"].value == 1.0
    assert by_key(outcome)["era_recall.suite"].value == 0.0
    assert by_key(outcome)["era_recall.index"].value == 1.0
    assert_no_nan(outcome)


def test_an_endpoint_that_answers_nan_fires_without_nan() -> None:
    broken = world.FakeEmbedder(broken=rag.CANARIES[:3])
    outcome = step(rag.Service(log(100), live=broken).collection(), 100)
    assert outcome.verdict.fired == ("canary.canary",)
    assert by_key(outcome)["canary.canary"].value == pytest.approx(0.25)
    assert_no_nan(outcome)


@pytest.mark.parametrize("d", [world.D, 32])
def test_a_reembedded_corpus_is_named_whatever_its_dimension(d: int) -> None:
    # Both sides moved to a new model; the baseline still speaks of the old one.
    new = world.FakeEmbedder(d=d, turn=world.random_turn(d))
    index = rag.documents(embedder=new)
    outcome = step(rag.Service(log(100, live=new, index=index), index=index, live=new).collection(), 100)
    assert outcome.verdict.cause == "model_reembedded"
    readings = by_key(outcome)
    assert readings["persistent_vectors.corpus"].value == 1.0
    assert readings["era_recall.index"].value < 0.5
    assert readings["era_recall.suite"].value == 1.0  # users are served as before
    assert_no_nan(outcome)


def test_a_mixed_index_is_named() -> None:
    old, new = world.FakeEmbedder(), world.FakeEmbedder(turn=world.random_turn())
    vectors = np.where(
        (np.arange(len(rag.DOCUMENTS)) % 3 == 0)[:, None], new.embed(rag.DOCUMENTS), old.embed(rag.DOCUMENTS)
    )
    index = world.FakeIndex(rag.DOCUMENTS, vectors)
    outcome = step(rag.Service(log(100, index=index), index=index).collection(), 100)
    assert outcome.verdict.cause == "model_mixed_index"
    assert 0.2 < by_key(outcome)["persistent_vectors.corpus"].value < 0.5


def test_an_index_that_lost_documents_is_named() -> None:
    index = rag.documents(rag.DOCUMENTS[::2])
    first, second = run(rag.Service(log(100, 101, index=index), index=index).collection(), 100, 2)
    assert by_key(first)["era_recall.index"].value == 0.5
    assert by_key(first)["persistent_vectors.corpus"].detail["gone_share"] == 0.5
    assert second.verdict.cause == "index_degraded"
    assert second.verdict.severity == "critical"


def test_an_emptied_index_is_drift_and_no_crash() -> None:
    empty = world.FakeIndex((), np.zeros((0, world.D), dtype=np.float32))
    records = tuple(replace(r, hits=(), scores=None) for r in rag.ask(100))
    outcome = step(rag.Service(records, index=empty).collection(), 100)
    assert outcome.verdict.state == "drift"
    assert outcome.verdict.cause == "empty_results"
    assert "index_degraded" in {c.name for c in outcome.verdict.causes}
    assert_no_nan(outcome)


def test_new_questions_are_found_and_named() -> None:
    numbers = range(100, 104)
    topics = (*rag.TOPICS, *["news"] * 3)
    outcomes = run(rag.Service(log(*numbers, topics=topics)).collection(), 100, 4)
    assert outcomes[-1].verdict.state == "drift"
    assert outcomes[-1].verdict.cause == "questions"
    assert outcomes[-1].verdict.severity == "warning"


def test_new_documents_are_tested_once_and_named() -> None:
    texts = (*rag.DOCUMENTS, *(f"news document {i}" for i in range(120)))
    index = rag.documents(texts)
    outcomes = run(
        rag.Service(log(100, 101, 102, index=index), index=index).collection(corpus_sample=1000), 100, 3
    )
    first, second, _ = (by_key(o) for o in outcomes)
    assert first["centroid_distance.corpus"].n == 120
    assert second["centroid_distance.corpus"].status == "insufficient"
    assert outcomes[0].verdict.cause == "corpus_shift"
    # What is new is in the verdict of the first window and stays until the stream is calm again.
    assert outcomes[1].verdict.state == "drift"
    assert not {"era_recall.suite", "era_recall.index"} & set(outcomes[0].verdict.fired)


def test_what_arrives_is_carried_from_window_to_window() -> None:
    collection = rag.Service(log(100)).collection()
    first = step(collection, 100)
    assert first.ingest is not None
    assert (first.ingest.size, first.ingest.gaps) == (len(rag.DOCUMENTS), 0)
    more = rag.documents((*rag.DOCUMENTS, "topic0 late 1"))
    second = step(rag.Service(log(101), index=more).collection(), 101, History(ingest=first.ingest))
    assert second.ingest is not None
    assert second.ingest.newest == world.span(101).end
    # A window made up late learns nothing of arrivals, and the time up to it is no silence.
    late = step(
        rag.Service(log(140), index=more).collection(), 140, History(ingest=second.ingest), backfill=True
    )
    assert late.ingest is not None
    assert (late.ingest.newest, late.ingest.gaps) == (world.span(140).end, second.ingest.gaps)
    assert by_key(late)["ingest_gap.corpus"].status == "insufficient"


def test_an_index_that_misses_what_is_near_is_told_from_one_that_lost_it() -> None:
    texts = [text for i, text in enumerate(rag.DOCUMENTS) if i % 4]
    reached, held = rag.documents(texts), rag.documents()
    forgetful = Forgetful(held.ids, held.vectors, reached)
    outcome = step(rag.Service(log(100, index=forgetful), index=forgetful).collection(), 100)
    assert by_key(outcome)["index_recall.index"].value < 0.9
    assert outcome.verdict.cause == "index_degraded"
    lost = step(rag.Service(log(100, index=reached), index=reached).collection(), 100)
    assert by_key(lost)["index_recall.index"].value == 1.0
    assert by_key(lost)["corpus_turnover.corpus"].detail["gone_share"] == pytest.approx(0.25)
    assert lost.verdict.cause == "index_degraded"


def test_the_loss_of_recall_is_split() -> None:
    reached = rag.documents([text for i, text in enumerate(rag.DOCUMENTS) if i % 4])
    held = rag.documents()
    forgetful = Forgetful(held.ids, held.vectors, reached)
    by_index = by_key(step(rag.Service(log(100), index=forgetful).collection(), 100))[
        "recall_at_k.suite"
    ].detail
    assert by_index["loss_ann"] == pytest.approx(by_index["loss"])
    assert by_index["loss_embedding"] == by_index["loss_relevance"] == pytest.approx(0.0)
    by_data = by_key(step(rag.Service(log(100), index=reached).collection(), 100))["recall_at_k.suite"].detail
    assert by_data["loss_relevance"] == pytest.approx(by_data["loss"])
    pushed = world.FakeEmbedder(turn=world.random_turn())
    by_model = by_key(step(rag.Service(log(100), live=pushed).collection(), 100))["recall_at_k.suite"].detail
    assert by_model["loss_embedding"] == pytest.approx(by_model["loss"])


def test_scores_on_another_scale_are_found_in_the_first_window() -> None:
    records = tuple(replace(r, scores=tuple(1.2 * s for s in r.scores or ())) for r in log(100))
    outcome = step(rag.Service(records).collection(), 100)
    assert by_key(outcome)["reported_scores.scores"].value == 1.0
    assert outcome.verdict.cause == "score_scale"


def test_growth_beside_every_judged_document_is_no_harm() -> None:
    texts = (*rag.DOCUMENTS, *(f"{topic} fresh {i}" for topic in rag.TOPICS for i in range(30)))
    index = rag.documents(texts)
    outcome = step(rag.Service(log(100, index=index), index=index).collection(corpus_sample=1000), 100)
    readings = by_key(outcome)
    assert readings["era_recall.suite"].value == readings["era_recall.index"].value == 1.0
    assert readings["persistent_vectors.corpus"].detail["new_share"] == pytest.approx(1 / 3)
    assert outcome.verdict.severity != "critical"


def test_evidence_and_incident_end_after_a_roll_back() -> None:
    pushed = world.FakeEmbedder(turn=world.random_turn())
    broken = step(rag.Service(log(100, live=pushed), live=pushed).collection(), 100)
    history = History(broken.evidence or (), broken.corpus_seen)
    states = []
    for number in range(101, 105):
        outcome = step(rag.Service(log(number)).collection(), number, history)
        states.append(outcome.verdict.state)
        history = History(outcome.evidence or (), outcome.corpus_seen, ingest=outcome.ingest)
    assert states == ["drift", "drift", "quiet", "quiet"]
    assert not any(e.firing for e in history.evidence)


def test_a_late_window_is_measured_and_rewrites_nothing() -> None:
    history = History(step(rag.Service(log(100)).collection(), 100).evidence or ())
    pushed = world.FakeEmbedder(turn=world.random_turn())
    outcome = step(rag.Service(log(90, live=pushed), live=pushed).collection(), 90, history, late=True)
    assert outcome.evidence is None
    assert outcome.corpus_seen is None
    assert outcome.verdict.state == "quiet"
    assert by_key(outcome)["canary.canary"].value > 0.1


def test_canaries_that_were_switched_off_say_nothing() -> None:
    outcome = step(rag.Service(log(100)).collection(canaries=()), 100)
    assert by_key(outcome)["canary.canary"].status == "insufficient"
    assert outcome.verdict.state == "quiet"


def test_queries_that_left_the_suite_file_are_asked_as_they_were() -> None:
    fewer = rag.Service(log(100)).collection(suite=rag.judged()[:10])
    outcome = step(fewer, 100)
    assert by_key(outcome)["era_recall.suite"].value == 1.0
    assert by_key(outcome)["era_recall.suite"].n == 40
    none = step(rag.Service(log(100)).collection(suite=()), 100)
    assert by_key(none)["era_recall.suite"].value == 1.0


def test_the_control_is_asked_once_while_the_endpoint_stands() -> None:
    asked: list[int] = []

    class Counting(world.FakeIndex):
        def search(self, vectors: Any, k: int) -> Any:
            asked.append(len(vectors))
            return super().search(vectors, k)

    base = rag.documents()
    step(rag.Service(log(100), index=Counting(base.ids, base.vectors)).collection(), 100)
    assert asked == [40]


def test_an_edge_that_fails_fails_the_window() -> None:
    class Down(world.FakeSource):
        def read(self, start: Any, end: Any) -> Any:
            raise EdgeError("the log does not answer")

    with pytest.raises(EdgeError, match="does not answer"):
        step(rag.Service().collection(source=Down(())), 100)
