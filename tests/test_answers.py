from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from monitor import answers
from monitor.errors import EdgeError
from monitor.records import CorpusSample, Ranking
from tests.core_fakes import rag
from tests.pipeline.test_walk import step

ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)
SAMPLE = CorpusSample(("a", "b", "c"), ROWS, 9)
ANSWER = Ranking([["a", "b"], ["b"], []], np.array([[2, 1], [1, np.nan], [np.nan, np.nan]], dtype=np.float32))


@dataclass(frozen=True)
class Says:
    """Every edge at once: it says what it was told to say."""

    what: Any

    def embed(self, texts: Sequence[str], kind: str = "query") -> Any:
        del texts, kind
        return self.what

    def search(self, vectors: Any, k: int) -> Any:
        del vectors, k
        return self.what

    def sample(self, n: int) -> Any:
        del n
        return self.what

    def describe(self) -> str:
        return "anything"


def test_a_sound_answer_goes_through_as_it_is() -> None:
    assert answers.embed(Says(ROWS), ["x", "y", "z"]) is ROWS
    found = answers.search(Says(ANSWER), ROWS, 2)
    assert found.ids == ANSWER.ids
    np.testing.assert_array_equal(found.scores, ANSWER.scores)
    assert answers.sample(Says(SAMPLE), 3) == SAMPLE


@pytest.mark.parametrize(
    "rows", [ROWS.astype(np.float64), ROWS.astype(np.float16), ROWS.tolist(), ROWS.astype(int)]
)
def test_any_kind_of_number_becomes_float32(rows: Any) -> None:
    embedded = answers.embed(Says(rows), ["x", "y", "z"])
    assert embedded.dtype == np.float32
    np.testing.assert_array_equal(embedded, ROWS)


def test_what_overflows_float32_is_infinite_and_no_warning() -> None:
    assert np.isinf(answers.embed(Says([[1e300, 1.0]]), ["x"])).tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (ROWS[:2], r"shape \(2, 2\) where one row per text \(3\)"),
        (ROWS.ravel(), r"shape \(6,\)"),
        (ROWS[:, None, :], r"shape \(3, 1, 2\)"),
        ([[1.0], [1.0, 2.0], []], "rows of different lengths"),
        (ROWS.astype(str), "gave str"),
        (ROWS.astype(object), "gave object"),
        (ROWS.astype(complex), "gave complex128"),
        (None, "gave object"),
    ],
)
def test_an_embedder_that_gives_anything_else_has_failed(rows: Any, told: str) -> None:
    with pytest.raises(EdgeError, match=told):
        answers.embed(Says(rows), ["x", "y", "z"])


@pytest.mark.parametrize(
    ("ranking", "told"),
    [
        (None, "answered NoneType of 3 queries"),
        (Ranking(ANSWER.ids[:2], ANSWER.scores), "answered 2 of 3 queries"),
        (Ranking(ANSWER.ids, ANSWER.scores[:2]), "one row per query"),
        (Ranking(ANSWER.ids, ANSWER.scores[:, :1]), "1 scores for 2 hits"),
        (Ranking([[1], [2], [3]], ANSWER.scores), "ids that are no text"),  # type: ignore[list-item]
    ],
)
def test_an_index_whose_ids_and_scores_do_not_fit_has_failed(ranking: Any, told: str) -> None:
    with pytest.raises(EdgeError, match=told):
        answers.search(Says(ranking), ROWS, 2)


def test_more_hits_than_asked_are_cut() -> None:
    found = answers.search(Says(ANSWER), ROWS, 1)
    assert found.ids == [["a"], ["b"], []]
    assert found.scores.shape == (3, 1)


def test_a_hit_without_a_comparable_score_is_no_answer() -> None:
    scores = np.array([[np.nan, 1], [-np.inf, 0], [0, 0]], dtype=np.float32)
    found = answers.search(Says(Ranking(ANSWER.ids, scores)), ROWS, 2)
    assert found.ids == [["b"], ["b"], []]
    np.testing.assert_array_equal(found.scores, [[1, np.nan], [-np.inf, np.nan], [np.nan, np.nan]])


@pytest.mark.parametrize(
    ("corpus", "told"),
    [
        (None, "ids that are no text"),
        (replace(SAMPLE, ids=(1, 2, 3)), "ids that are no text"),  # type: ignore[arg-type]
        (replace(SAMPLE, vectors=ROWS[:2]), "one row per document"),
        (replace(SAMPLE, vectors=ROWS.ravel()), "one row per document"),
        (replace(SAMPLE, size=-1), "holds -1 documents"),
        (replace(SAMPLE, size=None), "holds None documents"),  # type: ignore[arg-type]
        (replace(SAMPLE, size=2**70), "holds 1180591620717411303424 documents"),
    ],
)
def test_a_sample_that_does_not_fit_together_has_failed(corpus: Any, told: str) -> None:
    with pytest.raises(EdgeError, match=told):
        answers.sample(Says(corpus), 3)


def test_an_empty_corpus_is_a_sample_and_the_size_is_never_below_it() -> None:
    empty = answers.sample(Says(CorpusSample((), np.zeros(0, dtype=np.float32), 0)), 3)
    assert (empty.ids, empty.vectors.shape, empty.size) == ((), (0, 0), 0)
    assert answers.sample(Says(replace(SAMPLE, size=1)), 3).size == 3


def test_a_window_ends_as_the_edges_failure() -> None:
    collection = rag.Service(tuple(rag.ask(100))).collection()
    for broken in (
        replace(collection, embedder=Says(ROWS)),
        replace(collection, live_embedder=Says(ROWS)),
        replace(collection, index=Says(None)),
    ):
        with pytest.raises(EdgeError, match="mend the plug-in"):
            step(broken, 100)


def test_texts_come_with_their_documents() -> None:
    told = replace(SAMPLE, texts=("one", "", "three"))
    assert answers.sample(Says(told), 3).texts == ("one", "", "three")
    assert answers.sample(Says(SAMPLE), 3).texts is None


@pytest.mark.parametrize("texts", [("one",), ("one", "two", 3), 7])
def test_texts_that_do_not_fit_are_refused(texts: Any) -> None:
    with pytest.raises(EdgeError, match="texts"):
        answers.sample(Says(replace(SAMPLE, texts=texts)), 3)
