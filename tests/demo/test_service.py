from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.canary_texts import CANARY_TEXTS
from monitor.demo.material import Material, load_material
from monitor.demo.service import TABLE, K, RagService, ReferenceEmbedder
from monitor.demo.traffic import Traffic
from monitor.mitigation.drift_adapter import fit_orthogonal
from monitor.plugins import build
from monitor.records import Record

N = 300
MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def material() -> Material:
    whole = load_material()
    return Material(
        ids=whole.ids[:N],
        modules=whole.modules[:N],
        areas=whole.areas[:N],
        questions=whole.questions[:N],
        texts=whole.texts[:N],
        documents=whole.documents[:N],
        queries={model: vectors[:N] for model, vectors in whole.queries.items()},
        canaries=whole.canaries,
    )


def make_service(material: Material, folder: Path, indexed: int = 200) -> RagService:
    traffic = Traffic(material, np.random.default_rng(1), per_hour=100.0)
    traffic.ask(np.arange(indexed))
    return RagService(material, folder / "rag.db", traffic, np.arange(indexed))


@pytest.fixture
def service(material: Material, tmp_path: Path) -> RagService:
    return make_service(material, tmp_path)


def log_of(service: RagService) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(service.log)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM retrieval_log ORDER BY id")]


def test_its_log_holds_what_was_asked_and_answered(service: RagService, material: Material) -> None:
    service.serve(MONDAY, MONDAY + 2 * HOUR)
    rows = log_of(service)
    assert len(rows) == service.answered > 150
    assert [row["id"] for row in rows] == [f"q{i:07d}" for i in range(1, len(rows) + 1)]
    position = {question: i for i, question in enumerate(material.questions)}
    for row in rows:
        question = position[row["query"]]
        assert question < 200
        assert MONDAY <= datetime.fromisoformat(row["created_at"]) < MONDAY + 2 * HOUR
        assert (row["model"], row["area"]) == ("base", material.areas[question])
        hits = json.loads(row["results"])
        assert len({hit["id"] for hit in hits}) == K
        scores = [hit["score"] for hit in hits]
        assert scores == sorted(scores, reverse=True)
        best = int(np.argmax(material.documents[:200] @ material.queries["base"][question]))
        assert hits[0]["id"] == material.ids[best]


def test_the_log_is_read_by_the_source_of_production(service: RagService) -> None:
    service.serve(MONDAY, MONDAY + HOUR)
    columns = {"id": "id", "at": "created_at", "text": "query", "model": "model", "hits": "results"}
    options = {"type": "sql", "url": f"sqlite:///{service.log}", "table": TABLE, "columns": columns}
    entries = list(build("sources", options, "demo.source").read(MONDAY, MONDAY + HOUR))
    assert len(entries) == service.answered
    for entry in entries:
        assert isinstance(entry, Record)
        assert entry.scores is not None
        assert len(entry.scores) == len(entry.hits) == K


def test_a_push_changes_answers_and_a_roll_back_takes_them_back(
    service: RagService, material: Material
) -> None:
    texts = material.questions[:50]
    before = service.search(service.embed(texts), K).ids
    service.push("tuned")
    assert service.describe() == "simulated service: model tuned, 200 documents"
    np.testing.assert_array_equal(service.embed(texts), material.queries["tuned"][:50])
    np.testing.assert_array_equal(service.embed(CANARY_TEXTS), material.canaries["tuned"])
    shared = [
        len({*new} & {*old})
        for new, old in zip(service.search(service.embed(texts), K).ids, before, strict=True)
    ]
    assert np.mean(shared) < 3
    service.serve(MONDAY, MONDAY + HOUR)
    assert {row["model"] for row in log_of(service)} == {"tuned"}
    service.push("base")
    assert service.search(service.embed(texts), K).ids == before


def test_an_adapter_stands_between_model_and_index(service: RagService, material: Material) -> None:
    adapter = fit_orthogonal(material.queries["tuned"], material.queries["base"])
    service.push("tuned", adapter)
    assert service.describe() == "simulated service: model tuned through the adapter, 200 documents"
    expected = adapter.apply(material.queries["tuned"])
    np.testing.assert_allclose(service.embed(material.questions), expected, atol=1e-6)
    np.testing.assert_allclose(
        service.embed(CANARY_TEXTS), adapter.apply(material.canaries["tuned"]), atol=1e-6
    )


def test_growth_is_in_the_index_and_in_the_questions(service: RagService, material: Material) -> None:
    assert service.sample(1000).size == 200
    service.grow(np.arange(200, N))
    sample = service.sample(1000)
    assert (sample.size, set(sample.ids)) == (N, set(material.ids))
    service.serve(MONDAY, MONDAY + 3 * HOUR)
    asked = {row["query"] for row in log_of(service)}
    assert asked & set(material.questions[200:])


def test_the_reference_stays_what_it_is_whatever_is_pushed(service: RagService, material: Material) -> None:
    reference = ReferenceEmbedder.of(material)
    service.push("int8")
    np.testing.assert_array_equal(reference.embed(material.questions[:5]), material.queries["base"][:5])
    assert "all-MiniLM-L6-v2" in reference.describe()
    assert "[" not in repr(reference)  # no table of vectors in a log


def test_the_same_seed_logs_the_same(material: Material, tmp_path: Path) -> None:
    logs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        service = make_service(material, tmp_path / name)
        service.serve(MONDAY, MONDAY + HOUR)
        logs.append(log_of(service))
    assert logs[0] == logs[1]
