"""The demo's real material: documentation strings of the standard library and their vectors under three models."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monitor.canary_texts import CANARY_TEXTS
from monitor.demo.models import MODELS, load_model
from monitor.errors import EdgeError
from monitor.records import VectorArray

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Material:
    """n documented things: id, module, area, a question (its first sentence) and the indexed text (the rest).

    ``documents`` is ``(n, d)`` under the model in place; ``queries`` and ``canaries`` are ``(n, d)`` and
    ``(64, d)`` per model: ``base`` (in place), ``tuned`` (same dimension, another space) and ``int8`` (the
    first one, quantised).
    """

    ids: tuple[str, ...]
    modules: tuple[str, ...]
    areas: tuple[str, ...]
    questions: tuple[str, ...]
    texts: tuple[str, ...]
    documents: VectorArray
    queries: Mapping[str, VectorArray]
    canaries: Mapping[str, VectorArray]


def load_material(
    *, live: bool = False, progress: Callable[[str, int, int], None] = lambda *_: None
) -> Material:
    """Return the material with the shipped vectors, or embedded anew by the models themselves (``live``).

    Raises
    ------
    EdgeError
        When the shipped files are missing, or ``live`` is asked for without the models' packages.
    """
    try:
        with gzip.open(DATA / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
    except OSError as error:
        raise EdgeError(
            f"the demo's data cannot be read ({error}); reinstall retrieval-drift-monitor"
        ) from error
    columns = {name: tuple(row[name] for row in rows) for name in ("id", "module", "area", "query", "text")}
    documents, queries, canaries = _embed(columns, progress) if live else _load()
    return Material(
        ids=columns["id"],
        modules=columns["module"],
        areas=columns["area"],
        questions=columns["query"],
        texts=columns["text"],
        documents=documents,
        queries=queries,
        canaries=canaries,
    )


def _load() -> tuple[VectorArray, dict[str, VectorArray], dict[str, VectorArray]]:
    def read(name: str) -> VectorArray:
        vectors: VectorArray = np.load(DATA / f"{name}.npy", allow_pickle=False).astype(np.float32)
        return vectors

    return (
        read("documents_base"),
        {model: read(f"queries_{model}") for model in MODELS},
        {model: read(f"canaries_{model}") for model in MODELS},
    )


def _embed(
    columns: Mapping[str, Sequence[str]], progress: Callable[[str, int, int], None]
) -> tuple[VectorArray, dict[str, VectorArray], dict[str, VectorArray]]:
    step, batch = 0, 256
    total = -(-len(columns["id"]) // batch) * (len(MODELS) + 1)
    queries: dict[str, VectorArray] = {}
    canaries: dict[str, VectorArray] = {}
    documents: VectorArray = np.zeros((0, 0), dtype=np.float32)
    for name in MODELS:
        embed = load_model(name)
        tasks = {"queries": columns["query"], **({"documents": columns["text"]} if name == "base" else {})}
        for task, texts in tasks.items():
            parts = []
            for start in range(0, len(texts), batch):
                parts.append(embed(texts[start : start + batch]))
                step += 1
                progress("embedding anew", step, total)
            if task == "documents":
                documents = np.concatenate(parts)
            else:
                queries[name] = np.concatenate(parts)
        canaries[name] = embed(CANARY_TEXTS)
    return documents, queries, canaries
