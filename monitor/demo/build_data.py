"""Making the demo's data: run `python -m monitor.demo.build_data` with the extra ``demo-live`` installed."""

from __future__ import annotations

import gzip
import hashlib
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.canary_texts import CANARY_TEXTS
from monitor.demo.docstrings import Documented, collect
from monitor.demo.models import MODELS, PACKAGES, load_model

DATA = Path(__file__).parent / "data"
MOST_BYTES = 12_000_000
REPEAT_BATCH = 7
"""Batch size of the repeated canaries: padded otherwise than in the first run, so that they show the noise floor."""
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MADE_FROM = {
    "base": MINILM,
    "tuned": f"{MINILM}, fine-tuned on pairs about site reliability engineering",
    "int8": f"{MINILM}, its linear layers quantised dynamically to int8 by torch",
}


def main() -> None:
    """Collect the texts, embed them under each model, and write everything into the data folder."""
    DATA.mkdir(exist_ok=True)
    documents = collect()
    write_corpus(documents)
    matrices = embed(documents)
    for name, matrix in matrices.items():
        np.save(DATA / f"{name}.npy", matrix, allow_pickle=False)
    size = sum(path.stat().st_size for path in DATA.glob("*.npy"))
    if size > MOST_BYTES:
        sys.exit(f"the vectors take {size} bytes, {MOST_BYTES} are allowed")
    write_sources(documents, matrices)


def write_corpus(documents: Sequence[Documented]) -> None:
    """Write the texts, one JSON object per line; the archive holds no time, so that it can be made again."""
    text = "".join(json.dumps(asdict(d), ensure_ascii=False) + "\n" for d in documents)
    with (
        (DATA / "corpus.jsonl.gz").open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as out,
    ):
        out.write(text.encode())


def embed(documents: Sequence[Documented]) -> dict[str, NDArray[Any]]:
    """Return all matrices by file name: float16 for texts, float32 for the canaries, whose noise floor is finer."""
    questions, texts = [d.query for d in documents], [d.text for d in documents]
    matrices: dict[str, NDArray[Any]] = {}
    for name in MODELS:
        model = load_model(name)
        matrices[f"queries_{name}"] = model(questions).astype(np.float16)
        matrices[f"canaries_{name}"] = model(CANARY_TEXTS)
        if name == "base":
            matrices["documents_base"] = model(texts).astype(np.float16)
            matrices["canaries_base_repeat"] = load_model(name, REPEAT_BATCH)(CANARY_TEXTS)
    return matrices


def write_sources(documents: Sequence[Documented], matrices: Mapping[str, NDArray[Any]]) -> None:
    """Write where everything comes from, and the mean distance of each other model to the one in place."""
    base = matrices["queries_base"].astype(np.float64)
    distances = {
        name: round(
            float(1.0 - np.einsum("ij,ij->i", base, matrices[f"queries_{name}"].astype(np.float64)).mean()), 4
        )
        for name in ("tuned", "int8")
    }
    sources = {
        "texts": f"documentation strings of the standard library of Python {platform.python_version()}, PSF-2.0",
        "python": platform.python_version(),
        "documents": len(documents),
        "modules": len({d.module for d in documents}),
        "areas": len({d.area for d in documents}),
        "canaries": len(CANARY_TEXTS),
        "canaries_sha256": canaries_digest(),
        "models": {name: describe(name) for name in MODELS},
        "mean_distance_to_base": distances,
        "made_by": "python -m monitor.demo.build_data",
        "made_with": {
            name: version(name) for name in ("numpy", "sentence-transformers", "torch", "transformers")
        },
        "made_on": datetime.now(UTC).date().isoformat(),
        "seed": None,
    }
    (DATA / "SOURCES.json").write_text(json.dumps(sources, indent=2) + "\n")


def describe(name: str) -> dict[str, str]:
    """Return what a model was made from and the package that carries its weights."""
    package = PACKAGES[name][0].replace("_", "-")
    return {
        "upstream": MADE_FROM[name],
        "package": package,
        "version": version(package),
        "licence": "Apache-2.0",
    }


def canaries_digest() -> str:
    """Return the hash of the canary texts, by which a test tells vectors of other texts."""
    return hashlib.sha256("\0".join(CANARY_TEXTS).encode()).hexdigest()


if __name__ == "__main__":
    main()
