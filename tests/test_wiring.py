from __future__ import annotations

import json
import math
from dataclasses import asdict
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor import plugins
from monitor.canary_texts import CANARY_TEXTS
from monitor.config import RetentionConfig, parse_config
from monitor.detectors.score_psi import ScorePSI
from monitor.errors import ConfigError
from monitor.pipeline import Collection
from monitor.store import Retention
from monitor.wiring import DEFAULT_DETECTORS, Deployment, edges, wire, wire_detectors

SECRET = "s3cr3t-word"  # noqa: S105 it must be found nowhere


@pytest.fixture
def base(tmp_path: Path) -> Path:
    np.savez(tmp_path / "corpus.npz", ids=np.array(["d1"]), vectors=np.ones((1, 3), dtype=np.float32))
    (tmp_path / "suite.jsonl").write_text(json.dumps({"id": "q", "text": "t", "relevant": ["d1"]}))
    return tmp_path


SOURCE = {"type": "file", "path": "log.jsonl"}
EMBEDDER = {"type": "sentence-transformers", "model": "./model"}
INDEX = {"type": "memory", "path": "corpus.npz"}


def deploy(
    base: Path, /, *, budget: dict[str, Any] | None = None, **collections: dict[str, Any]
) -> Deployment:
    data = {
        "collections": {name: {"source": SOURCE, **settings} for name, settings in collections.items()},
        **({"budget": budget} if budget else {}),
    }
    return wire(parse_config(data, base / "driftmon.yaml"), base)


def docs(base: Path, **settings: Any) -> Collection:
    return deploy(base, docs=settings).collections["docs"]


def keys(collection: Collection) -> set[str]:
    return {f"{d.name}.{d.signal}" for d in collection.detectors}


def test_everything_is_wired(base: Path) -> None:
    collection = docs(base, embedder=EMBEDDER, index=INDEX, suite="suite.jsonl", k=7, scores="distance")
    assert collection.name == "docs"
    assert collection.source.path == str(base / "log.jsonl")  # type: ignore[attr-defined]
    assert collection.index.path == str(base / "corpus.npz")  # type: ignore[union-attr]
    assert collection.embedder.model == str(base / "model")  # type: ignore[union-attr]
    assert collection.live_embedder is collection.embedder
    assert [q.id for q in collection.suite] == ["q"]
    assert collection.canaries == CANARY_TEXTS
    assert (collection.k, collection.direction) == (7, "distance")
    assert len(collection.detectors) == len(DEFAULT_DETECTORS)


def test_nothing_is_opened_by_wiring(tmp_path: Path) -> None:
    collection = docs(tmp_path, source={"type": "sql", "url": "postgresql://nowhere.invalid/x", "table": "t"})
    assert collection.source is not None


def test_the_live_endpoint_may_be_another_one(base: Path) -> None:
    live = {**EMBEDDER, "model": "org/name"}
    collection = docs(base, embedder=EMBEDDER, live_embedder=live)
    assert collection.live_embedder.model == "org/name"  # type: ignore[union-attr]
    assert [name for name, _ in edges(collection)] == ["source", "embedder", "live_embedder"]
    assert [name for name, _ in edges(docs(base, embedder=EMBEDDER, index=INDEX))] == [
        "source",
        "embedder",
        "index",
    ]


def test_detectors_without_anything_to_look_at_are_left_out(base: Path) -> None:
    log_only = {
        "data_quality.queries",
        "centroid_distance.queries",
        "spatial_kl.queries",
        "score_psi.scores",
        "score_psi.scores_mean",
        "score_psi.scores_margin",
        "empty_results.scores",
        "log_shape.queries",
    }
    assert keys(docs(base)) == log_only
    assert keys(docs(base, embedder=EMBEDDER)) == log_only | {"canary.canary"}
    assert keys(docs(base, embedder=EMBEDDER, canaries=False)) == log_only
    assert docs(base, embedder=EMBEDDER, canaries=False).canaries == ()
    corpus = {
        "centroid_distance.corpus",
        "spatial_kl.corpus",
        "persistent_vectors.corpus",
        "foreign_vectors.corpus",
        "corpus_turnover.corpus",
        "ingest_gap.corpus",
        "reported_scores.scores",
        "index_recall.index",  # by the documents' own vectors, without a suite
    }
    assert keys(docs(base, index=INDEX)) == log_only | corpus


def test_options_of_a_detector_reach_all_of_its_streams() -> None:
    detectors = wire_detectors({"score_psi": {"effect_floor": 0.25}})
    floors = {d.signal: d.effect_floor for d in detectors if isinstance(d, ScorePSI)}
    assert floors == {"scores": 0.25, "scores_mean": 0.25, "scores_margin": 0.25}


def test_a_stream_is_measured_once_though_options_make_defaults_the_same() -> None:
    detectors = wire_detectors({"score_psi": {"column": "mean"}, "centroid_distance": {"signal": "queries"}})
    streams = [f"{d.name}.{d.signal}" for d in detectors]
    assert len(streams) == len(set(streams))
    assert [s for s in streams if s.startswith("score_psi")] == ["score_psi.scores_mean"]
    assert [s for s in streams if s.startswith("centroid")] == ["centroid_distance.queries"]


def test_a_detector_is_switched_off() -> None:
    assert "canary" not in {d.name for d in wire_detectors({"canary": {"enabled": False}})}
    assert "canary" in {d.name for d in wire_detectors({"canary": {"enabled": True}})}


@pytest.mark.parametrize("value", ["no", 0, None])
def test_a_switch_is_true_or_false(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"detectors\.canary\.enabled: must be true or false"):
        wire_detectors({"canary": {"enabled": value}})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"canry": {}}, r"detectors\.canry\.type: 'canry' is not one of .*did you mean 'canary'"),
        ({"canary": {"pge": 1}}, r"detectors\.canary\.pge: unknown key; did you mean 'page'"),
        ({"canary": {"page": 5.0}}, r"need 0 < warn <= page <= worst"),
        ({"score_psi": {"column": "best"}}, r"detectors\.score_psi\.column: Input should be 'top1'"),
    ],
)
def test_wrong_options_of_a_detector_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        wire_detectors(options)


def test_a_third_partys_detector_joins_when_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    place = "tests.core_fakes.third_party:Freshness"
    points = {
        **plugins.available("detectors"),
        "freshness": EntryPoint("freshness", place, "monitor.detectors"),
    }
    for module in ("monitor.plugins", "monitor.wiring"):
        monkeypatch.setattr(f"{module}.available", lambda _: points)
    assert "freshness" not in {d.name for d in wire_detectors({})}
    added = [d for d in wire_detectors({"freshness": {"hours": 6}}) if d.name == "freshness"]
    assert [d.hours for d in added] == [6.0]  # type: ignore[attr-defined]
    assert not [d for d in wire_detectors({"freshness": {}}, index=False) if d.name == "freshness"]


def test_the_metric_is_set_once(base: Path) -> None:
    assert docs(base, metric="l2", index=INDEX).index.metric == "l2"  # type: ignore[union-attr]
    assert docs(base, metric="l2", index={**INDEX, "metric": "l2"}).metric == "l2"
    with pytest.raises(
        ConfigError, match=r"collections\.docs\.index\.metric: 'dot' contradicts .*'cosine'; set it once"
    ):
        docs(base, index={**INDEX, "metric": "dot"})


def test_an_index_that_knows_one_metric_need_not_take_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = "tests.core_fakes.third_party:ShopIndex"
    shop = EntryPoint("shop", place, "monitor.indexes")
    real = plugins.available
    monkeypatch.setattr(
        plugins, "available", lambda group: {"shop": shop} if group == "indexes" else real(group)
    )
    collection = docs(tmp_path, index={"type": "shop", "url": f"http://u:{SECRET}@h"})
    assert collection.index.shelves == 3  # type: ignore[union-attr]
    assert SECRET not in repr(collection)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"suite": "suite.jsonl"}, r"collections\.docs\.suite: .*add collections\.docs\.index"),
        ({"suite": "nothing.jsonl", "index": INDEX}, r"suite: .*nothing\.jsonl: cannot be read"),
        ({"source": {"path": "x"}}, r"collections\.docs\.source\.type: missing; choose one of file, sql"),
        (
            {"embedder": {"type": "sentence-transformers"}},
            r"collections\.docs\.embedder\.model: Field required",
        ),
        ({"index": {"path": "x"}}, r"collections\.docs\.index\.type: missing"),
        ({"live_embedder": {"type": "zzz"}}, r"collections\.docs\.live_embedder\.type: 'zzz' is not one of"),
    ],
)
def test_what_is_wrong_is_said_with_path_and_mend(base: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        docs(base, **settings)


def test_no_secret_is_in_the_repr_of_what_was_wired(tmp_path: Path) -> None:
    source = {"type": "sql", "url": f"postgresql://u:{SECRET}@h/d", "table": "t"}
    deployment = deploy(tmp_path, docs={"source": source})
    assert SECRET not in repr(deployment.collections)
    assert SECRET not in repr(deployment)


def test_one_budget_is_shared_by_all_streams_of_all_collections(base: Path) -> None:
    alone = deploy(base, docs={"window": "15m"}).thresholds
    both = deploy(base, docs={"window": "15m"}, wiki={"window": "1h"}).thresholds
    assert both["docs"] == pytest.approx(alone["docs"] + math.log(2))
    assert both["docs"] == pytest.approx(both["wiki"] + math.log(4))
    ten = deploy(base, budget={"false_pages": 10}, docs={"window": "15m"}).thresholds
    assert ten["docs"] == pytest.approx(alone["docs"] - math.log(10))


def test_absolute_paths_stay_where_they_are(base: Path) -> None:
    collection = docs(
        base, source={"type": "file", "path": "/var/log/rag.jsonl"}, embedder={**EMBEDDER, "model": "a/b"}
    )
    assert collection.source.path == "/var/log/rag.jsonl"  # type: ignore[attr-defined]
    assert collection.embedder.model == "a/b"  # type: ignore[union-attr]


def test_a_hook_becomes_a_route(base: Path) -> None:
    data = {
        "collections": {"docs": {"source": SOURCE}},
        "notify": [{"type": "webhook", "url": "https://hooks.example.com/driftmon"}],
    }
    (route,) = wire(parse_config(data, base / "driftmon.yaml"), base).routes
    assert (route.name, route.pages, sorted(route.severities)) == ("webhook", True, ["critical", "warning"])


def test_retention_has_the_store_s_own_defaults() -> None:
    assert dict(RetentionConfig()) == asdict(Retention())


def test_a_retention_that_contradicts_itself_is_refused_with_its_path() -> None:
    collections = {"docs": {"source": {"type": "file", "path": "log.jsonl"}}}
    config = parse_config({"collections": collections, "retention": {"hourly": "1d"}}, Path("driftmon.yaml"))
    with pytest.raises(ConfigError, match=r"retention\.hourly .* is shorter than retention\.windows"):
        wire(config, Path())
