"""What detectors beyond the default set need: fitted when a baseline is built, counted in a window, stored beside it.

A detector names its features in an attribute ``features``. A collection whose detectors name none pays nothing: no
array more in its baseline, none more in its profiles, no look more at its records.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.baseline.build import WindowData, counting_half
from monitor.baseline.counts import WindowCounts
from monitor.baseline.frozen import Baseline, FittedFeature
from monitor.profile import Profile, merge_all, subtract
from monitor.protocols import Detector, Feature
from monitor.records import Sample

FITTED_ON = 16_000
"""Records that a feature is fitted on at most, of windows evenly spread over the period."""


def needed(detectors: Iterable[Detector]) -> tuple[Feature, ...]:
    """Return the features that ``detectors`` ask for, each once, in the order of their names."""
    asked = {f.name: f for detector in detectors for f in getattr(detector, "features", ())}
    return tuple(asked[name] for name in sorted(asked))


def add_features(
    baseline: Baseline,
    held: Sequence[WindowCounts],
    windows: Sequence[WindowData],
    features: Sequence[Feature],
) -> tuple[Baseline, tuple[WindowCounts, ...]]:
    """Return the baseline with ``features`` fitted on its windows, and each window's share with its tallies.

    A feature that finds too little to be fitted on is left out; its detectors then say ``insufficient``.
    """
    if not features:
        return baseline, tuple(held)
    spread = _pool(_spread(windows))
    fitted = {f.name: f.fit(baseline, spread) for f in features}
    parameters = {name: arrays for name, arrays in fitted.items() if arrays is not None}
    baseline = replace(baseline, basis=_fingerprint(baseline.basis, parameters))
    found = [f for f in features if f.name in parameters]
    tallies: list[dict[str, Profile]] = []
    for window in windows:
        counted = half(window, counting=True) if any(f.held_out for f in found) else window
        tallies.append(
            {f.name: f.tally(baseline, parameters[f.name], counted if f.held_out else window) for f in found}
        )
    whole = {
        f.name: FittedFeature(
            parameters[f.name], merge_all(baseline.basis, (tally[f.name] for tally in tallies))
        )
        for f in found
    }
    shares = tuple(replace(h, features=tally) for h, tally in zip(held, tallies, strict=True))
    return replace(baseline, features=whole), shares


def profile_features(baseline: Baseline, features: Sequence[Feature], window: WindowData) -> Profile:
    """Return the tallies of one window: of the features that its detectors ask for and the baseline has fitted."""
    return merge_all(baseline.basis, tally_features(baseline, features, window).values())


def tally_features(baseline: Baseline, features: Sequence[Feature], window: WindowData) -> dict[str, Profile]:
    """Return the tally of each feature that the baseline has fitted, by its name."""
    known = [(f, baseline.features[f.name]) for f in features if f.name in baseline.features]
    return {f.name: f.tally(baseline, fitted.parameters, window) for f, fitted in known}


def without(
    features: Mapping[str, FittedFeature], tallies: Mapping[str, Profile]
) -> dict[str, FittedFeature]:
    """Return the features as if one window had not been tallied: the leave-one-out of calibration."""
    return {
        name: replace(fitted, tally=subtract(fitted.tally, tallies[name])) if name in tallies else fitted
        for name, fitted in features.items()
    }


def half(window: WindowData, *, counting: bool) -> WindowData:
    """Return the window's records of one half, by the last bit of their id's hash."""
    records = window.sample.records
    kept = counting_half([r.id for r in records])
    rows = counting_half(window.ids) == counting
    return WindowData(
        replace(window.sample, records=tuple(r for r, k in zip(records, kept, strict=True) if k == counting)),
        window.vectors[rows],
        tuple(i for i, row in zip(window.ids, rows, strict=True) if row),
        window.window,
    )


def _spread(windows: Sequence[WindowData]) -> list[WindowData]:
    records = sum(len(w.sample.records) for w in windows)
    step = max(1, math.ceil(records / FITTED_ON))
    return list(windows[::step])


def _pool(windows: Sequence[WindowData]) -> WindowData:
    records = tuple(r for w in windows for r in w.sample.records)
    return WindowData(
        Sample(records, len(records)),
        np.concatenate([w.vectors for w in windows]),
        tuple(i for w in windows for i in w.ids),
        windows[0].window,
    )


def _fingerprint(basis: str, parameters: Mapping[str, Mapping[str, NDArray[Any]]]) -> str:
    """Return a basis that tells these parameters too: two tallies add up only where they agree."""
    digest = hashlib.sha256(basis.encode())
    for name in sorted(parameters):
        for key in sorted(parameters[name]):
            digest.update(f"{name}.{key}".encode() + np.ascontiguousarray(parameters[name][key]).tobytes())
    return digest.hexdigest()[:16]


_PARTS = ("parameters", "counts", "sums")


def pack_features(
    features: Mapping[str, FittedFeature],
) -> tuple[dict[str, list[list[str]]], dict[str, NDArray[Any]]]:
    """Return the names of each feature's arrays and the arrays, as :func:`unpack_features` reads them."""
    names: dict[str, list[list[str]]] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for name, fitted in features.items():
        groups = (fitted.parameters, fitted.tally.counts, fitted.tally.sums)
        names[name] = [sorted(group) for group in groups]
        for part, group in zip(_PARTS, groups, strict=True):
            arrays |= {f"feature.{name}.{part}.{key}": array for key, array in group.items()}
    return names, arrays


def unpack_features(
    basis: str, names: Mapping[str, Sequence[Sequence[str]]], arrays: Mapping[str, NDArray[Any]]
) -> dict[str, FittedFeature]:
    """Return the features that :func:`pack_features` wrote; a baseline of an earlier release has none."""

    def group(name: str, part: int) -> dict[str, NDArray[Any]]:
        return {key: arrays[f"feature.{name}.{_PARTS[part]}.{key}"] for key in names[name][part]}

    return {
        name: FittedFeature(group(name, 0), Profile(basis, group(name, 1), group(name, 2))) for name in names
    }
