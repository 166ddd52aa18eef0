"""A baseline as bytes and back: JSON and plain arrays, no pickle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.baseline.features import pack_features, unpack_features
from monitor.baseline.frozen import (
    Baseline,
    CanaryReference,
    CorpusReference,
    Dispersion,
    Population,
    Rhythm,
    SuiteReference,
)
from monitor.errors import BaselineError
from monitor.stats import blob
from monitor.stats.shift_form import ShiftForm

FORMAT = 1


def pack(baseline: Baseline) -> bytes:
    """Return the baseline as one compressed blob."""
    arrays: dict[str, NDArray[Any]] = {}
    values: dict[str, Any] = {
        "format": FORMAT,
        "head": {
            "collection": baseline.collection,
            "basis": baseline.basis,
            "dimension": baseline.dimension,
            "metric": baseline.metric,
            "direction": baseline.direction,
            "k": baseline.k,
            "windows": baseline.windows,
            "records": baseline.records,
            "empty_answers": list(baseline.empty_answers),
        },
        "populations": {
            name: {"n": p.n, "spread": p.spread, "effective_dimensions": p.effective_dimensions}
            for name, p in baseline.populations.items()
        },
        "dispersion": {key: [d.factor, d.share, d.windows] for key, d in baseline.dispersion.items()},
        "scores": sorted(baseline.score_edges),
        "ordinary": dict(baseline.ordinary),
    }
    for name, population in baseline.populations.items():
        arrays[f"{name}.mean"] = population.mean
        arrays[f"{name}.centroids"] = population.centroids
        arrays[f"{name}.cells"] = population.cells
        if population.joins is not None:
            arrays[f"{name}.joins"] = population.joins
        if population.form is not None:
            arrays |= {f"{name}.form.{n}": getattr(population.form, n) for n in _FORM_ARRAYS}
    if baseline.rhythm is not None:
        rhythm = baseline.rhythm
        values["rhythm"] = {"period": rhythm.period, "reach": rhythm.reach}
        arrays |= {f"rhythm.{n}": getattr(rhythm, n) for n in _RHYTHM_ARRAYS}
        arrays |= {f"rhythm.scores.{n}": table for n, table in rhythm.scores.items()}
    for name, edges in baseline.score_edges.items():
        arrays[f"edges.{name}"] = edges
        arrays[f"counts.{name}"] = baseline.score_counts[name]
    if baseline.corpus is not None:
        values["corpus"] = {
            "ids": list(baseline.corpus.ids),
            "size": baseline.corpus.size,
            "source_overlap": baseline.corpus.source_overlap,
            "nearness": baseline.corpus.nearness,
            "tightness": baseline.corpus.tightness,
        }
        arrays |= {f"corpus.{n}": getattr(baseline.corpus, n) for n in ("hashes", "vectors", "sources")}
    if baseline.suite is not None:
        suite = baseline.suite
        values["suite"] = {
            "query_ids": list(suite.query_ids),
            "relevant": [dict(r) for r in suite.relevant],
            "rankings": [list(r) for r in suite.rankings],
            "k": suite.k,
            "depth": suite.depth,
        }
        arrays |= {f"suite.{n}": getattr(suite, n) for n in _SUITE_ARRAYS}
    if baseline.canary is not None:
        values["canary"] = {"floor": baseline.canary.floor}
        arrays["canary.vectors"] = baseline.canary.vectors
    values["features"], more = pack_features(baseline.features)
    return blob.pack(values, arrays | more)


_FORM_ARRAYS = ("directions", "gains", "weights")
_RHYTHM_ARRAYS = ("n", "totals", "cells")
_SUITE_ARRAYS = ("vectors", "depth_scores", "recall", "ndcg", "reciprocal_rank")


def unpack(data: bytes) -> Baseline:
    """Return the baseline that :func:`pack` wrote.

    Raises
    ------
    BaselineError
        When the bytes are damaged or of another release's format; the mend is to build a new baseline.
    """
    try:
        values, arrays = blob.unpack(data)
        if values["format"] != FORMAT:
            raise BaselineError(
                f"this baseline has format {values['format']}, this release reads {FORMAT}: "
                "run `driftmon baseline build`"
            )
        return _assemble(values, arrays)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaselineError(
            f"a stored baseline cannot be read ({error}): run `driftmon baseline build`"
        ) from error


def _assemble(values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Baseline:
    corpus, suite, canary = values.get("corpus"), values.get("suite"), values.get("canary")
    head = values["head"]
    head["empty_answers"] = tuple(head["empty_answers"])
    return Baseline(
        **head,
        populations={
            name: Population(
                **scalars,
                mean=arrays[f"{name}.mean"],
                centroids=arrays[f"{name}.centroids"],
                cells=arrays[f"{name}.cells"],
                joins=arrays.get(f"{name}.joins"),
                form=ShiftForm(**{n: arrays[f"{name}.form.{n}"] for n in _FORM_ARRAYS})
                if f"{name}.form.weights" in arrays
                else None,
            )
            for name, scalars in values["populations"].items()
        },
        score_edges={name: arrays[f"edges.{name}"] for name in values["scores"]},
        score_counts={name: arrays[f"counts.{name}"] for name in values["scores"]},
        corpus=None
        if corpus is None
        else CorpusReference(
            hashes=arrays["corpus.hashes"].astype(np.uint64, copy=False),
            ids=tuple(corpus["ids"]),
            vectors=arrays["corpus.vectors"],
            size=int(corpus["size"]),
            # A baseline of an earlier release names neither; what rests on them is insufficient then.
            sources=arrays.get("corpus.sources", np.zeros(0)).astype(np.uint64, copy=False),
            source_overlap=float(corpus.get("source_overlap", 0.0)),
            nearness=float(corpus.get("nearness", -1.0)),
            tightness=float(corpus.get("tightness", 1.0)),
        ),
        suite=None
        if suite is None
        else SuiteReference(
            query_ids=tuple(suite["query_ids"]),
            relevant=tuple(suite["relevant"]),
            rankings=tuple(tuple(r) for r in suite["rankings"]),
            k=int(suite["k"]),
            depth=int(suite["depth"]),
            **{name: arrays[f"suite.{name}"] for name in _SUITE_ARRAYS},
        ),
        canary=None if canary is None else CanaryReference(arrays["canary.vectors"], float(canary["floor"])),
        dispersion={key: Dispersion(*numbers) for key, numbers in values["dispersion"].items()},
        rhythm=None
        if values.get("rhythm") is None
        else Rhythm(
            period=int(values["rhythm"]["period"]),
            reach=float(values["rhythm"]["reach"]),
            **{name: arrays[f"rhythm.{name}"] for name in _RHYTHM_ARRAYS},
            scores={name: arrays[f"rhythm.scores.{name}"] for name in values["scores"]},
        ),
        # A baseline of an earlier release has none: its detectors say so.
        features=unpack_features(head["basis"], values.get("features", {}), arrays),
        ordinary={name: int(count) for name, count in values.get("ordinary", {}).items()},
    )
