"""What becomes of an embedding endpoint: do the canaries hear it in the first window, and nothing that is harmless?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.torture.report import figure
from monitor.baseline.build import reference_canaries
from monitor.baseline.frozen import Baseline
from monitor.baseline.window_profile import profile_canaries
from monitor.canary_texts import CANARY_TEXTS
from monitor.demo.models import PACKAGES, ModelName, load_model
from monitor.detectors.canary import Canary
from monitor.records import VectorArray

TURNS = 50
"""Random rotations by a degree."""
Embed = Callable[[Sequence[str]], VectorArray]


def run(pools: Sequence[str], *, quick: bool = False, workers: int | None = None) -> list[dict[str, Any]]:
    """Return whether each change is found in one window, and how far it moved the canaries."""
    del pools, workers
    if not all(find_spec(package) for package, _ in PACKAGES.values()):
        return [figure("skipped: the models' packages are not installed", 0.0, "models")]
    model = _load("base")
    stored, again = _embed(model, CANARY_TEXTS), _embed(model, CANARY_TEXTS[::-1], batch=7)[::-1]
    baseline = Baseline(
        "canaries", "bench", stored.shape[1], "cosine", "similarity", 10, 0, 0,
        canary=reference_canaries(stored, again),
    )  # fmt: skip
    found = [figure("the endpoint's own noise, 99th percentile of 1 - cos", _floor(baseline), "1 - cos")]
    turned = [_turn(stored, 1.0, seed) for seed in range(5 if quick else TURNS)]
    found += _told(baseline, f"the space turned by 1 degree, {len(turned)} times", turned, wanted=True)
    for name, embed in _changes(model).items():
        found += _told(baseline, name, [embed(CANARY_TEXTS)], wanted=True)
    for name, embed in _harmless(model).items():
        found += _told(baseline, f"{name} (to stay silent)", [embed(CANARY_TEXTS)], wanted=False)
    return found


def _told(
    baseline: Baseline, name: str, live: Sequence[VectorArray], *, wanted: bool
) -> list[dict[str, Any]]:
    readings = [Canary().measure(baseline, profile_canaries(baseline, vectors)) for vectors in live]
    fired = float(np.mean([r.shift >= (r.threshold or 0.0) for r in readings]))
    harm = float(np.mean([r.harmful for r in readings]))
    size = float(np.mean([r.value for r in readings]))
    return [
        figure(f"{name}: fires in one window", fired, "share", float(wanted), higher_is_better=wanted),
        figure("… mean 1 - cos", size, "1 - cos"),
        figure("… as harm", harm, "share"),
    ]


def _changes(model: Any) -> dict[str, Embed]:
    """Return endpoints that are no longer what they were."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling

    short = copy.deepcopy(model)
    short.max_seq_length = 32
    words, size = model[0], int(model.get_sentence_embedding_dimension())
    first = SentenceTransformer(modules=[words, Pooling(size, pooling_mode="cls")], device="cpu")
    noisy = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weights in noisy.parameters():
            weights.add_(0.01 * weights.std() * torch.randn(weights.shape, generator=generator))
    return {
        "vectors quantised to int8, one scale for all": lambda texts: _quantise(_embed(model, texts)),
        "weights quantised to int8": load_model("int8"),
        "a fine-tuned model": partial(_embed, _load("tuned")),
        "a prompt prefix": lambda texts: _embed(model, [f"query: {text}" for text in texts]),
        "truncation at 32 tokens": partial(_embed, short),
        "pooling by the first token": partial(_embed, first),
        "1% noise on the weights": partial(_embed, noisy),
    }


def _harmless(model: Any) -> dict[str, Embed]:
    """Return the same endpoint as it may answer on another day."""
    import torch

    half = copy.deepcopy(model).to(torch.bfloat16)
    return {
        "batches of 1": partial(_embed, model, batch=1),
        "batches of 13": partial(_embed, model, batch=13),
        "bfloat16": partial(_embed, half),
    }


def _load(name: ModelName) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    package, folder = PACKAGES[name]
    return SentenceTransformer(
        str(files(package) / folder), device="cpu", local_files_only=True, trust_remote_code=False,
        model_kwargs={"use_safetensors": True},
    )  # fmt: skip


def _embed(model: Any, texts: Sequence[str], batch: int = 64) -> VectorArray:
    rows = model.encode(
        list(texts), batch_size=batch, show_progress_bar=False, convert_to_numpy=False, convert_to_tensor=True
    )
    vectors = np.asarray(rows.float().cpu().numpy(), dtype=np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def _quantise(vectors: VectorArray) -> VectorArray:
    scale = float(np.abs(vectors).max()) / 127.0
    rounded: VectorArray = (np.round(vectors / scale) * scale).astype(np.float32)
    return rounded


def _turn(vectors: VectorArray, degrees: float, seed: int) -> VectorArray:
    """Return every vector turned by the angle, in planes of two random directions each."""
    d = vectors.shape[1]
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]
    rows = vectors.astype(np.float64) @ q
    a, b = rows[:, ::2].copy(), rows[:, 1::2].copy()
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    rows[:, ::2], rows[:, 1::2] = cosine * a - sine * b, sine * a + cosine * b
    turned: VectorArray = (rows @ q.T).astype(np.float32)
    return turned


def _floor(baseline: Baseline) -> float:
    return 0.0 if baseline.canary is None else baseline.canary.floor
