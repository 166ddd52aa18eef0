"""A collection and its segments: stream sets of their own that look at slices of one log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from monitor.config import CollectionConfig, SegmentsConfig
from monitor.errors import ConfigError
from monitor.pipeline import Collection
from monitor.segments import MOST_SEGMENTS, REST, Part, Slice, is_name, join_name
from monitor.sources.sliced import SegmentSource, SlicedLog

WITH_PARENT = frozenset({"corpus", "suite", "index", "canary"})
"""Signals that are the same for all segments: measured once, for the collection itself."""

Frozen = Mapping[str, tuple[str, ...]]
"""Label -> names of the segments that a baseline froze, the most frequent first."""


def slice_collection(
    name: str, collection: Collection, settings: CollectionConfig, frozen: Frozen
) -> dict[str, Collection]:
    """Return the collection and its segments by name; whichever is read first reads the log for all."""
    source = collection.source
    if isinstance(source, SegmentSource):  # it was sliced before, by other values
        source = source.log.source
    slices = [make_slice(each, frozen.get(each.by, ())) for each in settings.segments]
    log = SlicedLog(source, slices, collection.sample_size)
    whole = replace(collection, source=SegmentSource(log))
    parts = [part for each in slices for part in each.parts()]
    segments = (_segment(whole, join_name(name, part), part, log) for part in parts)
    return {name: whole, **{segment.name: segment for segment in segments}}


def _segment(whole: Collection, name: str, part: Part, log: SlicedLog) -> Collection:
    """Return the stream set of a slice: its questions, scores and feedback; all else stays with the collection."""
    return replace(
        whole,
        name=name,
        source=SegmentSource(log, part),
        detectors=tuple(d for d in whole.detectors if d.signal not in WITH_PARENT),
        live_embedder=None,
        index=None,
        suite=(),
        canaries=(),
    )


def segment_settings(settings: CollectionConfig) -> CollectionConfig:
    """Return what a segment of a collection is configured by."""
    without = {"index": None, "suite": None, "live_embedder": None, "canaries": False, "segments": ()}
    return settings.model_copy(update=without)


def make_slice(settings: SegmentsConfig, frozen: Sequence[str]) -> Slice:
    """Return the slice by one label; ``frozen`` are the names where the configuration says how many alone."""
    if settings.values is not None:
        names = {value: name for name, value in settings.values.items()}
        return Slice(settings.by, names, settings.rest)
    names = {name: name for name in frozen[: settings.most] if is_name(name)}
    # Before a baseline has named any, the rest would be the collection once more.
    return Slice(settings.by, names, settings.rest and bool(names))


def frozen_in(meta: Mapping[str, Any]) -> Frozen:
    """Return the names that a baseline froze, as its ``meta`` has them; `save` of a build wrote them there."""
    return {
        label: tuple(name for name, _ in named if name != REST)[:MOST_SEGMENTS]
        for label, named in dict(meta.get("segments") or {}).items()
    }


def check_labels(settings: CollectionConfig, path: str) -> None:
    """Raise `ConfigError` for a label that the built-in sources will never find by the columns they are given."""
    columns = settings.source.get("columns")
    if settings.source.get("type") not in {"sql", "file"} or not isinstance(columns, Mapping) or not columns:
        return
    labels = columns.get("segments")
    for place, each in enumerate(settings.segments):
        where = f"{path}.segments.{place}.by" if len(settings.segments) > 1 else f"{path}.segments.by"
        if labels is None:
            raise ConfigError(
                f"{where}: {each.by!r} is not read from the log; add {path}.source.columns.segments: "
                f"{{{each.by}: <its column>}}, or the name of a JSON column that has all labels"
            )
        if isinstance(labels, Mapping) and each.by not in labels:
            raise ConfigError(
                f"{where}: {each.by!r} is no label of {path}.source.columns.segments, which has "
                f"{', '.join(map(str, labels)) or 'none'}; add it there"
            )
