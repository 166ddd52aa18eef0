"""Taking the baselines of a collection and its segments, and keeping them as one family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from monitor.errors import BaselineError
from monitor.segments import REST, join_name, parent_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.records import Window
    from monitor.reference import Progress, Taken
    from monitor.wiring import Deployment


@dataclass(slots=True)
class Family:
    """The baselines that were taken, by collection and the one that was asked for first; and who got none."""

    deployment: Deployment
    taken: dict[str, Taken]
    skipped: dict[str, str] = field(default_factory=dict)
    """Segments without a baseline, and why."""


def take_family(
    deployment: Deployment, name: str, windows: Sequence[Window], progress: Callable[[str], Progress]
) -> Family:
    """Take the baseline of a collection and of each of its segments; of a segment alone where that is named.

    A segment with too little data is left out and said; of those that ``most`` finds only such with a baseline are
    watched. The rest comes last: what it is follows from who is not in it.

    Raises
    ------
    BaselineError
        When the collection's own windows hold too little.
    EdgeError
        When the log, the embedder or the index fails; nothing is kept then.
    """
    from monitor.reference import take_baseline
    from monitor.wiring import slice_up

    family = Family(deployment, {})
    family.taken[name] = take_baseline(deployment.collections[name], windows, progress=progress(name))
    settings = deployment.config.collections[name]
    if not settings.segments:
        return family

    def freeze(names: Mapping[str, Sequence[str]]) -> None:
        frozen = {**deployment.frozen, name: {label: tuple(each) for label, each in names.items()}}
        family.deployment = slice_up(deployment, frozen)

    labels = family.taken[name].labels
    found = {
        each.by: _most_frequent(labels.get(each.by, {}), each.most)
        for each in settings.segments
        if each.most is not None
    }
    freeze(found)
    _take_segments(family, name, windows, progress, rest=False)
    freeze(
        {
            label: [each for each in names if join_name(name, (label, each)) in family.taken]
            for label, names in found.items()
        }
    )
    _take_segments(family, name, windows, progress, rest=True)
    return family


def _take_segments(
    family: Family, name: str, windows: Sequence[Window], progress: Callable[[str], Progress], *, rest: bool
) -> None:
    from monitor.reference import take_baseline

    for segment, collection in family.deployment.collections.items():
        if parent_of(segment) != name or segment.endswith(f"={REST}") is not rest:
            continue
        try:
            family.taken[segment] = take_baseline(collection, windows, progress=progress(segment))
        except BaselineError as error:
            family.skipped[segment] = str(error)


def _most_frequent(counts: Mapping[str, int], most: int) -> list[str]:
    """Return the most frequent names; of equals the first in the alphabet, so that a second build finds the same."""
    return sorted(counts, key=lambda value: (-counts[value], value))[:most]


def family_meta(family: Family, name: str, identifiers: Mapping[str, int]) -> dict[str, Any]:
    """Return what the collection's baseline keeps of its segments: label -> pairs of name and baseline, in order."""
    kept: dict[str, list[list[Any]]] = {}
    for segment in family.taken:
        if parent_of(segment) == name and segment in identifiers:
            label, _, value = segment.partition("/")[2].partition("=")
            kept.setdefault(label, []).append([value, identifiers[segment]])
    return {"segments": kept} if kept else {}
