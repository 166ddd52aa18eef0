"""What `driftmon init` lays beside its configuration: a small real log, index and suite."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from monitor.demo.material import Material, load_material
from monitor.demo.service import K
from monitor.demo.traffic import Traffic
from monitor.stats.exact_search import exact_top_k

DAYS = 3
PER_HOUR = 120.0
SUITE = 100


def write_example(folder: Path, now: datetime, seed: int = 1) -> None:
    """Write ``log.db`` (three days of questions up to ``now``), ``index.npz`` and ``suite.jsonl`` into ``folder``."""
    material = load_material()
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    vectors = material.queries["base"]
    found, scores = exact_top_k(material.documents, vectors, K, "cosine")
    answers = [
        json.dumps(
            [{"id": material.ids[d], "score": round(float(s), 6)} for d, s in zip(ids, values, strict=True)]
        )
        for ids, values in zip(found, scores, strict=True)
    ]
    traffic = Traffic(material, rng, per_hour=PER_HOUR)
    traffic.ask(np.arange(len(material.ids)))
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    path = folder / "log.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE retrieval_log "
            "(id TEXT PRIMARY KEY, created_at TEXT, query TEXT, embedding BLOB, results TEXT)"
        )
        serial = 0
        for hour in range(DAYS * 24):
            for visit in traffic.hour(end - timedelta(hours=DAYS * 24 - hour)):
                serial += 1
                row = (
                    f"q{serial}",
                    visit.at.isoformat(timespec="milliseconds"),
                    material.questions[visit.question],
                    vectors[visit.question].astype("<f2").tobytes(),
                    answers[visit.question],
                )
                connection.execute("INSERT INTO retrieval_log VALUES (?, ?, ?, ?, ?)", row)
    np.savez(folder / "index.npz", ids=np.array(material.ids), vectors=material.documents.astype(np.float16))
    _write_suite(folder / "suite.jsonl", material, rng)


def _write_suite(path: Path, material: Material, rng: np.random.Generator) -> None:
    with path.open("w", encoding="utf-8") as out:
        for i in rng.permutation(len(material.ids))[:SUITE].tolist():
            vector = [round(float(x), 5) for x in material.queries["base"][i]]
            line = {
                "id": f"s{i}",
                "text": material.questions[i],
                "relevant": {material.ids[i]: 1},
                "vector": vector,
            }
            out.write(json.dumps(line) + "\n")
