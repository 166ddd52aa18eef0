"""Embeds with a sentence-transformers model in this process; torch is loaded with the first text."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.embedders.model_folder import PICKLES, refuse_unsafe
from monitor.embedders.texts import check_texts, encodable
from monitor.errors import EdgeError
from monitor.threads import limit_blas_threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.protocols import TextKind
    from monitor.records import VectorArray

BATCHES_AT_ONCE = 8
"""Batches per call of the model, which sorts them by length: short texts are not padded to long ones."""

# What a download leaves on the hub: weights that are no safetensors, and code.
NOT_DOWNLOADED = (
    *(f"*{suffix}" for suffix in sorted(PICKLES)),
    "*.h5",
    "*.msgpack",
    "*.ot",
    "*.onnx",
    "*.gguf",
    "*.py",
)

_LOADING = threading.Lock()


@dataclass(frozen=True, slots=True)
class SentenceTransformersEmbedder:
    """The model of production, from a folder or the Hugging Face hub: safetensors only, never remote code.

    Attributes
    ----------
    model : str
        A folder, or a name on the hub.
    query_prompt, passage_prompt : str or None
        Put before every text as it stands; empty puts nothing, None takes the prompt that the model itself names
        ``query`` or ``document``.
    truncate_dim : int or None
        Dimensions that are kept, of a model whose vectors can be shortened.
    normalize : bool
        Whether vectors are brought to length 1, as production does it.
    batch_size : int
        Texts that the model sees at once.
    device : str
        Where it runs, as torch names it.
    local_files_only : bool
        Never ask the hub: what is not there already is an error.
    revision : str or None
        The commit on the hub; it keeps a push to the hub from looking like drift.
    max_length : int or None
        Tokens at which texts are cut; the model's own limit if left out.
    """

    model: str
    query_prompt: str | None = ""
    passage_prompt: str | None = ""
    truncate_dim: int | None = None
    normalize: bool = True
    batch_size: int = 64
    device: str = "cpu"
    local_files_only: bool = False
    revision: str | None = None
    max_length: int | None = None

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise ValueError(
                "model is empty; name a folder or a model on the hub, e.g. BAAI/bge-small-en-v1.5"
            )
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}; it must be at least 1")
        for name, value in (("truncate_dim", self.truncate_dim), ("max_length", self.max_length)):
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1, or left out")

    def embed(self, texts: Sequence[str], kind: TextKind = "query") -> VectorArray:
        """Return ``(len(texts), d)`` float32, one row per text."""
        parts = list(self.embed_batches(texts, kind))
        return np.concatenate(parts) if parts else np.empty((0, self._dimension()), dtype=np.float32)

    def embed_batches(self, texts: Sequence[str], kind: TextKind = "query") -> Iterator[VectorArray]:
        """Yield the vectors in the order of the texts, some batches at a time: callers can show progress."""
        check_texts(texts)
        step = self.batch_size * BATCHES_AT_ONCE
        for start in range(0, len(texts), step):
            vectors = self._encode([encodable(t) for t in texts[start : start + step]], kind)
            broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
            if broken.size:
                raise EdgeError(
                    f"{self.model} gave NaN or infinity for {broken.size} texts (the first is number "
                    f"{start + broken[0]}); its weights are damaged, or overflow on {self.device}."
                )
            yield vectors

    def describe(self) -> str:
        """Load the model and say what it is."""
        model, _ = self._load()
        return (
            f"sentence-transformers model {self.model}: {self._dimension()} dimensions"
            f"{', normalised' if self.normalize else ''}, up to {model.max_seq_length} tokens, "
            f"on {self.device}"
        )

    def _dimension(self) -> int:
        return int(self._encode(["dimension"], "query").shape[1])

    def _encode(self, texts: list[str], kind: TextKind) -> VectorArray:
        model, lock = self._load()
        # Not encode(): a model with a branch each for queries and documents chooses it by the method's name.
        encode = model.encode_query if kind == "query" else model.encode_document
        try:
            with lock:
                raw = encode(
                    texts,
                    prompt=self.query_prompt if kind == "query" else self.passage_prompt,
                    batch_size=self.batch_size,
                    show_progress_bar=False,
                    convert_to_numpy=True,
                    normalize_embeddings=self.normalize,
                    truncate_dim=self.truncate_dim,
                )
        except (RuntimeError, ValueError, IndexError) as error:
            raise EdgeError(
                f"{self.model} failed on {len(texts)} texts: {_first_line(error)}. Check device, batch_size "
                "(memory) and max_length (the model's positions)."
            ) from error
        vectors: VectorArray = np.asarray(raw, dtype=np.float32)
        if vectors.shape[0] != len(texts) or vectors.ndim != 2:
            raise EdgeError(
                f"{self.model} gave an array {vectors.shape} for {len(texts)} texts; it embeds no texts."
            )
        if self.truncate_dim is not None and vectors.shape[1] < self.truncate_dim:
            raise EdgeError(
                f"truncate_dim is {self.truncate_dim}, but {self.model} has {vectors.shape[1]} dimensions; "
                "leave truncate_dim out."
            )
        return vectors

    def _load(self) -> tuple[Any, threading.Lock]:
        with _LOADING:
            return _loaded(self.model, self.revision, self.device, self.max_length, self.local_files_only)


@lru_cache(maxsize=8)
def _loaded(
    name: str, revision: str | None, device: str, max_length: int | None, local_files_only: bool
) -> tuple[Any, threading.Lock]:
    """Return the model and the lock that keeps two threads out of it, once per process and configuration."""
    limit_blas_threads()  # before torch is imported: it reads the same variables
    try:
        import torch  # noqa: PLC0415
        from huggingface_hub import snapshot_download  # noqa: PLC0415
        from safetensors import SafetensorError  # noqa: PLC0415
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
        from transformers.utils import logging as bars  # noqa: PLC0415
    except ImportError as error:
        raise EdgeError(
            "The sentence-transformers embedder is not installed: "
            'pip install "retrieval-drift-monitor[sentence-transformers]"'
        ) from error
    torch.set_num_threads(_thread_count())
    # A daemon's standard error is its log.
    bars.disable_progress_bar()  # type: ignore[no-untyped-call,unused-ignore]
    try:
        folder = _local(name) or Path(
            snapshot_download(
                name if "/" in name else f"sentence-transformers/{name}",
                revision=revision,
                local_files_only=local_files_only,
                ignore_patterns=list(NOT_DOWNLOADED),
            )
        )
        refuse_unsafe(folder)
        model = SentenceTransformer(
            str(folder),
            device=device,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
        if max_length is not None:
            model.max_seq_length = max_length
    except (
        OSError,
        ValueError,
        RuntimeError,
        TypeError,
        LookupError,
        AssertionError,  # torch's way of saying that it was built without CUDA
        AttributeError,
        ImportError,
        SafetensorError,
    ) as error:
        raise EdgeError(
            f"The model {name} cannot be loaded: {_first_line(error)}. Check its name or folder, the "
            f"revision ({revision or 'latest'}), the device ({device}), that its weights are safetensors, "
            "and, where this machine is offline, that it was fetched before."
        ) from error
    return model, threading.Lock()


def _local(name: str) -> Path | None:
    """Return the folder that ``name`` means, None for a name on the hub."""
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise EdgeError(f"The model {name} is not a folder; give the folder that holds its modules.json.")
    return None


def _thread_count() -> int:
    """Return the share of the CPU quota that `limit_blas_threads` or the operator has set."""
    count = os.environ.get("OMP_NUM_THREADS", "1").split(",")[0]
    return max(1, int(count)) if count.isdigit() else 1


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
