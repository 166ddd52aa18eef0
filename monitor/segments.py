"""Segments: slices of a collection by a label of its log, and the names that they go by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_SEGMENTS = 50
"""Segments of one collection, over all its labels: each is a set of streams that shares the budget."""
REST = "_rest"
"""The segment of all records that no named one has. Like a hashed name it begins with what no safe name does."""

Part = tuple[str, str]
"""A slice of a log: the label and the segment's name."""
WHOLE: Part = ("", "")
"""The log itself."""

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_GIVEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}|_[0-9a-f]{16}")


def is_safe(value: str) -> bool:
    """Tell whether a label's value may be shown as it is: a short plain word, nothing that a user wrote."""
    return _SAFE.fullmatch(value) is not None


def is_name(value: str) -> bool:
    """Tell whether :func:`segment_name` may have made this name."""
    return _GIVEN.fullmatch(value) is not None


def segment_name(value: str) -> str:
    """Return the name that a label's value is shown by: itself, or its hash where it is no safe name.

    >>> segment_name("acme"), segment_name("someone@example.com")
    ('acme', '_16d113840f999444')
    """
    if is_safe(value):
        return value
    # numpy comes with it, and commands that only name segments start without.
    from monitor.stats.sampling import hash_id  # noqa: PLC0415

    return f"_{hash_id(value):016x}"


def join_name(collection: str, part: Part) -> str:
    """Return the name of a collection's segment.

    >>> join_name("support-docs", ("tenant", "acme"))
    'support-docs/tenant=acme'
    """
    return f"{collection}/{part[0]}={part[1]}"


def parent_of(collection: str) -> str | None:
    """Return the collection that a segment is a slice of; None for a collection of its own.

    >>> parent_of("support-docs/tenant=acme"), parent_of("support-docs")
    ('support-docs', None)
    """
    parent, slash, _ = collection.partition("/")
    return parent if slash else None


def with_parent(collection: str) -> list[str]:
    """Return a collection's name, and before it that of the one it is a segment of: what is told of either concerns it.

    >>> with_parent("docs/tenant=acme"), with_parent("docs")
    (['docs', 'docs/tenant=acme'], ['docs'])
    """
    return [name for name in (parent_of(collection), collection) if name is not None]


def family_baselines(meta: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the segments' baselines that were taken together with the one that has this ``meta``."""
    return [identifier for named in dict(meta.get("segments") or {}).values() for _, identifier in named]


def family_order(collection: str) -> tuple[str, str]:
    """Return the key by which a collection stands right before its segments.

    >>> sorted(["a/x=1", "a-b", "a"], key=family_order)
    ['a', 'a/x=1', 'a-b']
    """
    parent, _, segment = collection.partition("/")
    return parent, segment


@dataclass(frozen=True, slots=True)
class Slice:
    """How a collection is sliced by one label.

    Attributes
    ----------
    by : str
        The label, as ``Record.segments`` has it.
    names : mapping
        The segment's name for each of the label's values, a value that is no safe name also by its hash.
    rest : bool
        Whether all other records, those without the label included, are a segment as well.
    """

    by: str
    names: Mapping[str, str]
    rest: bool = False

    def parts(self) -> tuple[Part, ...]:
        """Return the slices, the rest last."""
        named = tuple((self.by, name) for name in self.names.values())
        return (*named, (self.by, REST)) if self.rest else named

    def name_of(self, labels: Mapping[str, str]) -> str | None:
        """Return the name of the segment that a record with these labels is in; None where it is in none."""
        value = labels.get(self.by)
        if value:
            name = self.names.get(value)
            if name is None and not is_safe(value):
                name = self.names.get(segment_name(value))
            if name is not None:
                return name
        return REST if self.rest else None
