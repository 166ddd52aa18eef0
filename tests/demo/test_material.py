from __future__ import annotations

import numpy as np
import pytest

from monitor.demo.docstrings import area_of, split_docstring
from monitor.demo.material import DATA, Material, load_material
from monitor.demo.models import MODELS


@pytest.fixture(scope="module")
def material() -> Material:
    return load_material()


def test_texts_and_vectors_belong_together(material: Material) -> None:
    n = len(material.ids)
    assert n > 2000
    assert list(material.ids) == sorted(set(material.ids))
    assert material.documents.shape == (n, 384)
    for model in MODELS:
        assert material.queries[model].shape == (n, 384)
        assert material.canaries[model].shape == (64, 384)


def test_vectors_are_unit_vectors_without_nan(material: Material) -> None:
    for vectors in (material.documents, *material.queries.values(), *material.canaries.values()):
        assert vectors.dtype == np.float32
        assert np.abs(np.linalg.norm(vectors, axis=1) - 1.0).max() < 2e-3  # float16 at rest


def test_no_document_holds_its_own_question(material: Material) -> None:
    for question, text in zip(material.questions, material.texts, strict=True):
        assert question.lower().rstrip(".!?") not in text.lower()


def test_areas_are_those_of_the_modules(material: Material) -> None:
    assert all(area_of(m) == a for m, a in zip(material.modules, material.areas, strict=True))
    assert len(set(material.areas)) > 10


def test_shipped_vectors_stay_under_their_limit() -> None:
    assert sum(path.stat().st_size for path in DATA.glob("*.npy")) <= 12_000_000


def test_models_differ_as_the_sources_say(material: Material) -> None:
    base = material.queries["base"]
    distance = {m: 1.0 - float(np.einsum("ij,ij->i", base, material.queries[m]).mean()) for m in MODELS}
    assert distance["base"] < 1e-3
    assert 0.03 < distance["int8"] < 0.1
    assert 0.5 < distance["tuned"] < 0.8


@pytest.mark.parametrize(
    ("text", "question", "rest"),
    [
        (
            "Return a new thing from its parts. It takes every part in turn, and then the next one.",
            "Return a new thing from its parts.",
            "It takes every part in turn, and then the next one.",
        ),
        (
            "f(x) -> c\n\nReturn a new thing from its parts.\n\n    It takes every part in turn,\n    then the next.",
            "Return a new thing from its parts.",
            "It takes every part in turn, then the next.",
        ),
        (
            "Use it as e.g. a map of names. It takes every part in turn, and then the next one.",
            "Use it as e.g. a map of names.",
            "It takes every part in turn, and then the next one.",
        ),
    ],
)
def test_the_first_sentence_is_the_question(text: str, question: str, rest: str) -> None:
    assert split_docstring(text) == (question, rest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Too short. It takes every part in turn, and then the next one.",
        "Return a new thing from its parts.",
        "Return a new thing from its parts. Short rest.",
        "Return a new thing. To return a new thing is what this one does, again and again, each day.",
    ],
)
def test_unfit_docstrings_are_left_out(text: str) -> None:
    assert split_docstring(text) is None
