"""From validated configuration to the objects that do the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from monitor.canary_texts import CANARY_TEXTS
from monitor.config import CollectionConfig, Config, anchor
from monitor.errors import ConfigError
from monitor.judge.evidence import Budget
from monitor.judge.spans import Span
from monitor.pipeline import Collection
from monitor.plugins import available, build, build_named, takes
from monitor.protocols import Detector, Embedder, Index, LogSource
from monitor.routing import wire_routes
from monitor.segments import family_order, parent_of
from monitor.slicing import Frozen, check_labels, frozen_in, segment_settings, slice_collection
from monitor.sources.suite import load_suite
from monitor.store import Retention, Store
from monitor.telling import Route

DEFAULT_DETECTORS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("data_quality", {}),
    ("centroid_distance", {"signal": "queries"}),
    ("spatial_kl", {"signal": "queries"}),
    ("score_psi", {"column": "top1"}),
    ("score_psi", {"column": "mean"}),
    ("score_psi", {"column": "margin"}),
    ("empty_results", {}),
    ("centroid_distance", {"signal": "corpus"}),
    ("spatial_kl", {"signal": "corpus"}),
    ("persistent_vectors", {}),
    ("foreign_vectors", {}),
    ("corpus_turnover", {}),
    ("ingest_gap", {}),
    ("index_recall", {}),
    ("reported_scores", {}),
    ("log_shape", {}),
    ("recall_at_k", {"signal": "suite"}),
    ("era_recall", {"signal": "suite"}),
    ("era_recall", {"signal": "index"}),
    ("ranking_churn", {"signal": "suite"}),
    ("canary", {}),
)
SPANNED = frozenset({"centroid_distance.queries", "spatial_kl.queries"})
"""Streams that look at several windows together as well: small drift of the questions adds up there."""
_NEEDS_INDEX = frozenset({"corpus", "suite", "index"})
_NEEDS_SUITE = frozenset({"suite", "index"})
_ASKS_DOCUMENTS = frozenset({"index_recall"})
"""What looks at the index without a suite as well."""
_READS_DOCUMENTS = frozenset({"reported_scores"})
"""What looks at another signal and needs the index' documents for it."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """All collections of one configuration, wired, with the evidence threshold that the budget gives each."""

    config: Config
    collections: Mapping[str, Collection]
    thresholds: Mapping[str, float]
    retention: Retention = field(default_factory=Retention)
    files: frozenset[Path] = frozenset()
    """What the configuration was read from; a change of one is a reason to read it again."""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """Values that must be shown nowhere."""
    frozen: Mapping[str, Frozen] = field(default_factory=dict)
    """The segments that the baselines in use name, by collection; only where the configuration leaves it to them."""
    routes: tuple[Route, ...] = ()
    """Who is told of what."""

    def families(self) -> list[str]:
        """Return the names of all collections, each followed by its segments."""
        return sorted(self.collections, key=family_order)


def wire(config: Config, base: Path) -> Deployment:
    """Return the objects that ``config`` describes; relative paths are taken from ``base``.

    Raises
    ------
    ConfigError
        With the dotted path of what is wrong. Nothing is connected yet: `driftmon check` does that.
    """
    collections = {
        name: wire_collection(name, settings, base, f"collections.{name}")
        for name, settings in config.collections.items()
    }
    try:
        retention = Retention(**dict(config.retention))
    except ValueError as error:
        raise ConfigError(str(error)) from None
    thresholds, routes = share_budget(config, collections), wire_routes(config)
    return slice_up(Deployment(config, collections, thresholds, retention, routes=routes), {})


def slice_up(deployment: Deployment, frozen: Mapping[str, Frozen]) -> Deployment:
    """Return the deployment with the segments of its collections, and the budget shared anew over all of them.

    A segment is a collection like any other from then on, in ``config`` as well. ``frozen`` names, by collection, the
    segments that a baseline has found where the configuration says how many alone.
    """
    settings: dict[str, CollectionConfig] = {}
    collections: dict[str, Collection] = {}
    for name, whole in deployment.collections.items():
        if parent_of(name) is not None:
            continue  # made anew from its collection
        settings[name] = own = deployment.config.collections[name]
        collections[name] = whole
        if own.segments:
            family = slice_collection(name, whole, own, frozen.get(name, {}))
            collections |= family
            settings |= {each: segment_settings(own) for each in family if each != name}
    config = deployment.config.model_copy(update={"collections": settings})
    return replace(
        deployment,
        config=config,
        collections=collections,
        thresholds=share_budget(config, collections),
        frozen=dict(frozen),
    )


def with_frozen_segments(deployment: Deployment, store: Store) -> Deployment:
    """Return the deployment with the segments that the baselines in use name; itself where nothing is new."""
    frozen = {
        name: frozen_in(info.meta)
        for name, settings in deployment.config.collections.items()
        if any(each.most is not None for each in settings.segments)
        and (info := store.active_baseline(name)) is not None
    }
    return deployment if frozen == deployment.frozen else slice_up(deployment, frozen)


def wire_collection(name: str, settings: CollectionConfig, base: Path, path: str) -> Collection:
    """Return one collection's edges and detectors."""
    check_labels(settings, path)
    source = cast("LogSource", build("sources", _resolve(settings.source, base), f"{path}.source"))
    embedder = settings.embedder and build("embedders", _resolve(settings.embedder, base), f"{path}.embedder")
    live = settings.live_embedder and build(
        "embedders", _resolve(settings.live_embedder, base), f"{path}.live_embedder"
    )
    live = live or embedder
    index = settings.index and _build_index(settings, base, path)
    suite = load_suite(base / settings.suite) if settings.suite is not None else ()
    if suite and index is None:
        raise ConfigError(f"{path}.suite: a suite is replayed against the live index; add {path}.index")
    detectors = wire_detectors(
        settings.detectors,
        f"{path}.detectors",
        index=index is not None,
        suite=bool(suite),
        canaries=bool(live) and settings.canaries,
    )
    return Collection(
        name=name,
        source=source,
        embedder=cast("Embedder | None", embedder or None),
        live_embedder=cast("Embedder | None", live or None),
        index=cast("Index | None", index or None),
        suite=suite,
        canaries=CANARY_TEXTS if live and settings.canaries else (),
        detectors=detectors,
        spans=wire_spans(detectors, settings.spans),
        metric=settings.metric,
        direction=settings.scores,
        k=settings.k,
        sample_size=settings.sample_size,
        corpus_sample=settings.corpus_sample,
    )


def _build_index(settings: CollectionConfig, base: Path, path: str) -> Any:
    """Return the index, which compares vectors as the collection does."""
    options = _resolve(settings.index or {}, base)
    if options.get("metric", settings.metric) != settings.metric:
        raise ConfigError(
            f"{path}.index.metric: {options['metric']!r} contradicts {path}.metric {settings.metric!r}; "
            "set it once, there"
        )
    if takes("indexes", options, "metric", f"{path}.index"):
        options["metric"] = settings.metric
    return build("indexes", options, f"{path}.index")


def wire_detectors(
    options: Mapping[str, Mapping[str, Any]],
    path: str = "detectors",
    *,
    index: bool = True,
    suite: bool = True,
    canaries: bool = True,
) -> tuple[Detector, ...]:
    """Return the default detectors that have something to look at, with ``options`` by name, and those that it adds."""
    wanted = [(name, given) for name, given in DEFAULT_DETECTORS]
    known = {name for name, _ in wanted}
    for name in options:
        if name not in available("detectors"):
            build_named("detectors", name, {}, f"{path}.{name}")  # raises, with the close matches
        if name not in known:
            wanted.append((name, {}))
    detectors: dict[tuple[str, str], Detector] = {}
    for name, given in wanted:
        chosen = dict(options.get(name, {}))
        enabled = chosen.pop("enabled", True)
        if not isinstance(enabled, bool):
            raise ConfigError(f"{path}.{name}.enabled: must be true or false, not {enabled!r}")
        if not enabled:
            continue
        detector = cast("Detector", build_named("detectors", name, {**given, **chosen}, f"{path}.{name}"))
        signal = detector.signal
        if (signal in _NEEDS_INDEX or detector.name in _READS_DOCUMENTS) and not index:
            continue
        if signal in _NEEDS_SUITE and not suite and detector.name not in _ASKS_DOCUMENTS:
            continue
        if signal == "canary" and not canaries:
            continue
        # `score_psi: {column: mean}` makes three defaults the same: a stream is measured once.
        detectors.setdefault((detector.name, signal), detector)
    return tuple(detectors.values())


def wire_spans(detectors: Sequence[Detector], spans: Sequence[int]) -> tuple[Span, ...]:
    """Return the spans of several windows of the detectors that have them."""
    return tuple(
        Span(detector, windows)
        for windows in spans
        for detector in detectors
        if f"{detector.name}.{detector.signal}" in SPANNED
    )


def count_streams(detectors: Sequence[Detector], spans: Sequence[Span]) -> float:
    """Return how many streams share the budget; a span that looks at every eighth window is an eighth of one."""
    return len(detectors) + sum(1.0 / span.stride for span in spans)


def share_budget(config: Config, collections: Mapping[str, Collection]) -> dict[str, float]:
    """Return each collection's evidence threshold: one budget over all streams of all collections."""
    budget = Budget(config.budget.false_pages, config.budget.per)
    streams = sum(count_streams(c.detectors, c.spans) for c in collections.values())
    return {name: budget.log_threshold(config.collections[name].window, streams) for name in collections}


def _resolve(options: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Return ``options`` with relative files (``path``, SQLite's ``url``, a ``model``'s folder) taken from ``base``."""
    resolved = dict(options)
    if isinstance(options.get("url"), str):
        resolved["url"] = anchor(options["url"], base)
    if isinstance(options.get("path"), str):
        resolved["path"] = str(base / options["path"])
    model = options.get("model")
    if isinstance(model, str) and model.startswith(("./", "../")):
        resolved["model"] = str(base / model)
    return resolved


def edges(collection: Collection) -> Sequence[tuple[str, Any]]:
    """Return a collection's edges by name, those that it has."""
    live = collection.live_embedder if collection.live_embedder is not collection.embedder else None
    named = (
        ("source", collection.source),
        ("embedder", collection.embedder),
        ("live_embedder", live),
        ("index", collection.index),
    )
    return [(name, edge) for name, edge in named if edge is not None]
