from __future__ import annotations

import gzip
import json
import sys
import unicodedata
from typing import Any

import numpy as np
import pytest

from monitor.canary_texts import CANARY_TEXTS
from monitor.demo.build_data import DATA, MOST_BYTES, canaries_digest
from monitor.demo.docstrings import (
    AREAS,
    LEAST_DOCUMENT,
    MOST_DOCUMENT,
    OTHER,
    QUESTION,
    area_of,
    split_docstring,
)
from monitor.demo.models import MODELS, load_model
from monitor.errors import EdgeError

TEXT_MATRICES = ("documents_base", *(f"queries_{model}" for model in MODELS))
CANARY_MATRICES = ("canaries_base_repeat", *(f"canaries_{model}" for model in MODELS))
LONG = "It explains at some length what the caller may expect of the thing that was asked for."


def read(name: str) -> Any:
    return np.load(DATA / f"{name}.npy", allow_pickle=False)


def unit(name: str) -> Any:
    vectors = read(name).astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def mean_distance(left: str, right: str) -> float:
    return float(1.0 - (unit(left) * unit(right)).sum(axis=1).mean())


def recall_at_10(queries: Any, documents: Any) -> float:
    scores = queries @ documents.T
    return float(((scores > np.diag(scores)[:, None]).sum(axis=1) < 10).mean())


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with gzip.open(DATA / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def sources() -> dict[str, Any]:
    told: dict[str, Any] = json.loads((DATA / "SOURCES.json").read_text())
    return told


def test_rows_have_every_column_and_sorted_unique_ids(rows: list[dict[str, str]]) -> None:
    assert all(list(row) == ["id", "module", "area", "query", "text"] for row in rows)
    ids = [row["id"] for row in rows]
    assert ids == sorted(set(ids))


def test_questions_and_texts_occur_once(rows: list[dict[str, str]]) -> None:
    assert len({row["query"].lower() for row in rows}) == len(rows)
    assert len({row["text"] for row in rows}) == len(rows)


def test_no_text_holds_its_own_question(rows: list[dict[str, str]]) -> None:
    assert [row["id"] for row in rows if row["query"].lower() in row["text"].lower()] == []


def test_questions_and_texts_keep_their_lengths(rows: list[dict[str, str]]) -> None:
    for row in rows:
        assert len(row["query"]) in QUESTION, row["id"]
        assert len(row["query"].split()) >= 4, row["id"]
        assert LEAST_DOCUMENT <= len(row["text"]) <= MOST_DOCUMENT, row["id"]
        assert len(row["text"].split()) >= 8, row["id"]
        assert (row["query"] + row["text"]).isprintable(), row["id"]


def test_ids_lie_in_their_module_and_modules_in_their_area(rows: list[dict[str, str]]) -> None:
    for row in rows:
        assert row["id"].split(".")[0] == row["module"]
        assert row["area"] == area_of(row["module"])


def test_no_module_is_listed_in_two_areas() -> None:
    listed = [module for modules in AREAS.values() for module in modules.split()]
    assert len(listed) == len(set(listed))
    assert area_of("no_such_module") == OTHER


def test_the_archive_holds_no_time() -> None:
    header = (DATA / "corpus.jsonl.gz").read_bytes()[:10]
    assert header[:2] == b"\x1f\x8b"
    assert header[3:8] == bytes(5)  # no stored name, no time


@pytest.mark.parametrize("name", TEXT_MATRICES)
def test_a_text_matrix_has_one_finite_unit_vector_per_row(name: str, rows: list[dict[str, str]]) -> None:
    vectors = read(name)
    assert (vectors.shape, vectors.dtype) == ((len(rows), 384), np.float16)
    # Not-a-number fails the comparison too.
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(np.float32), axis=1), 1.0, atol=2e-4)


@pytest.mark.parametrize("name", CANARY_MATRICES)
def test_a_canary_matrix_has_one_finite_unit_vector_per_canary(name: str) -> None:
    vectors = read(name)
    assert (vectors.shape, vectors.dtype) == ((len(CANARY_TEXTS), 384), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_every_shipped_matrix_is_known_and_together_they_stay_small() -> None:
    paths = sorted(DATA.glob("*.npy"))
    assert {path.stem for path in paths} == {*TEXT_MATRICES, *CANARY_MATRICES}
    assert sum(path.stat().st_size for path in paths) <= MOST_BYTES


def test_sources_tell_what_is_there(sources: dict[str, Any], rows: list[dict[str, str]]) -> None:
    assert sources["documents"] == len(rows)
    assert sources["modules"] == len({row["module"] for row in rows})
    assert sources["areas"] == len({row["area"] for row in rows})
    assert set(sources["models"]) == set(MODELS)
    assert "PSF-2.0" in sources["texts"]
    for name, distance in sources["mean_distance_to_base"].items():
        assert mean_distance("queries_base", f"queries_{name}") == pytest.approx(distance, abs=1e-3)


def test_the_canary_vectors_are_those_of_the_present_texts(sources: dict[str, Any]) -> None:
    assert sources["canaries"] == len(CANARY_TEXTS)
    assert sources["canaries_sha256"] == canaries_digest()


def test_the_readme_that_the_notice_points_to_is_there() -> None:
    assert "PSF-2.0" in (DATA / "README.md").read_text()


def test_models_lie_as_far_apart_as_the_acts_need() -> None:
    assert abs(mean_distance("canaries_base", "canaries_base_repeat")) < 1e-6
    assert 0.01 < mean_distance("queries_base", "queries_int8") < 0.1
    assert 0.01 < mean_distance("canaries_base", "canaries_int8") < 0.1
    assert 0.5 < mean_distance("queries_base", "queries_tuned") < 0.8


def test_recall_suffers_from_the_fine_tune_and_not_from_int8() -> None:
    documents = unit("documents_base")
    base = recall_at_10(unit("queries_base"), documents)
    assert base > 0.6
    assert abs(base - recall_at_10(unit("queries_int8"), documents)) < 0.02
    assert recall_at_10(unit("queries_tuned"), documents) < 0.1


def test_canaries_are_64_distinct_texts_of_many_kinds() -> None:
    assert len(CANARY_TEXTS) == len(set(CANARY_TEXTS)) == 64
    assert sum(len(text.split()) > 512 for text in CANARY_TEXTS) >= 2
    composed = [unicodedata.normalize("NFC", text) for text in CANARY_TEXTS]
    assert len(set(composed)) < 64, "one text is there composed and decomposed"


@pytest.mark.parametrize(
    ("text", "question", "start"),
    [
        pytest.param(
            "Decode a JSON document from ``s`` (a ``str`` beginning with\na JSON document) and return a 2-tuple.\n\n"
            "This can be used to decode a JSON document from a string that may\nhave extraneous data at the end.",
            "Decode a JSON document from ``s`` (a ``str`` beginning with a JSON document) and return a 2-tuple.",
            "This can be used to decode",
            id="two lines",
        ),
        pytest.param(
            "scanner(string[, pos]) -> Scanner\n\nReturn a scanner over the given string.\n\n" + LONG,
            "Return a scanner over the given string.",
            "It explains",
            id="signature line",
        ),
        pytest.param(
            "dump($module, value, /)\n--\n\nWrite the value on the open file.\n\n" + LONG,
            "Write the value on the open file.",
            "It explains",
            id="signature of a C function",
        ),
        pytest.param(
            "Use a name of the list, e.g. `utf-8`, as the codec. " + LONG,
            "Use a name of the list, e.g. `utf-8`, as the codec.",
            "It explains",
            id="abbreviation",
        ),
        pytest.param(
            "Return the value of sys.path as it is now. " + LONG,
            "Return the value of sys.path as it is now.",
            "It explains",
            id="dotted name",
        ),
        pytest.param(
            "Is the tree balanced at this time? " + LONG,
            "Is the tree balanced at this time?",
            "It explains",
            id="question mark",
        ),
    ],
)
def test_the_first_sentence_is_the_question(text: str, question: str, start: str) -> None:
    parts = split_docstring(text)
    assert parts is not None
    assert parts[0] == question
    assert parts[1].startswith(start)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("T.__new__(S, ...) -> a new object", id="nothing but a signature"),
        pytest.param("Return the next token from the input stream.", id="no rest"),
        pytest.param("Return the next token. See also peek.", id="short rest"),
        pytest.param("Close the file. " + LONG, id="three words"),
        pytest.param("Go to it now. " + LONG, id="fourteen characters and less"),
        pytest.param("Return " + "a very long value " * 12 + "here. " + LONG, id="201 characters and more"),
        pytest.param(
            f"Return the current value. {LONG} Return the current value.", id="repeated in the rest"
        ),
        pytest.param("Return the value \x07 of it. " + LONG, id="control character"),
        pytest.param("This text never comes to an end of its sentence", id="no full stop"),
    ],
)
def test_what_is_no_question_with_a_document_is_refused(text: str) -> None:
    assert split_docstring(text) is None


def test_a_long_rest_is_cut() -> None:
    parts = split_docstring("Return the value of it. " + "word " * 1000)
    assert parts is not None
    assert len(parts[1]) == MOST_DOCUMENT


def test_a_missing_model_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EdgeError, match=r'pip install "retrieval-drift-monitor\[demo-live\]"'):
        load_model("base")
