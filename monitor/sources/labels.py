"""Labels of a row, its segments and its feedback: in one object, or each in a column of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any, TypeVar

from monitor.sources.batch import Column
from monitor.sources.values import FlawError, is_text, kind_of, parse_json

Value = TypeVar("Value")
Places = int | tuple[tuple[str, int], ...]
"""Where labels are: one object's position, or a position for each label."""


def read_labels(
    places: Places,
    values: Sequence[Any],
    read: Callable[[Any], Value],
    reason: str,
    flaws: list[FlawError],
) -> dict[str, Value]:
    """Return each label that has a value; what cannot be read is added to ``flaws``."""
    try:
        found = (
            values[places] if isinstance(places, int) else {label: values[place] for label, place in places}
        )
        if isinstance(found, str):
            found = parse_json(found, reason)
        if found is None:
            return {}
        if not isinstance(found, dict) or not all(map(is_text, found)):
            flaws.append(FlawError(reason, kind_of(found)))
            return {}
    except FlawError as flaw:
        flaws.append(flaw)
        return {}
    labels: dict[str, Value] = {}
    for label, value in found.items():
        if value is not None:
            try:
                labels[label] = read(value)
            except FlawError as flaw:
                flaws.append(flaw)
    return labels


def read_label_column(
    places: Places | None, columns: Sequence[Column], read: Callable[[Any], Value], odd: set[int]
) -> list[dict[str, Value]] | None:
    """Return the labels of each row of a batch, None where there are none; a row with a bad one is added to ``odd``."""
    if places is None:
        return None
    needed = [places] if isinstance(places, int) else [place for _, place in places]
    if all(set(map(type, columns[place])) == {NoneType} for place in needed):
        return None
    inner: Places = 0 if isinstance(places, int) else tuple((label, i) for i, (label, _) in enumerate(places))
    labels: list[dict[str, Value]] = []
    flaws: list[FlawError] = []
    for row, values in enumerate(zip(*(columns[place] for place in needed), strict=True)):
        labels.append(read_labels(inner, values, read, "", flaws))
        if flaws:
            odd.add(row)
            flaws.clear()
    return labels
