"""Which column of a log holds which field of a record."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping

ColumnMap = Mapping[str, str | Mapping[str, str]]
"""Our field -> column; ``segments`` and ``feedback`` also as label -> column."""

FIELDS = ("id", "at", "text", "vector", "model", "hits", "scores", "segments", "feedback")
REQUIRED = ("id", "at")
LABELLED = ("segments", "feedback")
_SHOWN = 12


def check_columns(columns: ColumnMap) -> None:
    """Raise ValueError for a field that records do not have or a column that is not named by a text."""
    for field, column in columns.items():
        if field not in FIELDS:
            raise ValueError(f"columns.{field}: no such field; {hint(field, FIELDS)}")
        if isinstance(column, Mapping) and field not in LABELLED:
            raise ValueError(
                f"columns.{field}: must name one column; only {' and '.join(LABELLED)} have labels"
            )
        if isinstance(column, Mapping):
            for label, name in column.items():
                if not label or not name:
                    raise ValueError(
                        f"columns.{field}.{label}: a label and its column must have a name; write "
                        f"{field}: {{tenant: tenant_id}}"
                    )
        if not column:
            raise ValueError(f"columns.{field}: names no column; name one or leave {field} out")


def complete(
    columns: ColumnMap, existing: Collection[str] | None = None
) -> dict[str, str | Mapping[str, str]]:
    """Return the whole mapping: what is given, or else each field's own name where such a column exists.

    ``id`` and ``at`` are always in it; ``existing`` is None where rows alone tell what columns there are.
    """
    if not columns:
        columns = {name: name for name in FIELDS if existing is None or name in existing}
    return {**{name: name for name in REQUIRED}, **columns}


def named(columns: ColumnMap) -> Iterator[tuple[str, str]]:
    """Yield the dotted name of each mapped field and its column."""
    for field, column in columns.items():
        if isinstance(column, str):
            yield field, column
        else:
            for label, name in column.items():
                yield f"{field}.{label}", name


def hint(name: str, known: Collection[str]) -> str:
    """Return the mend for a wrong name: close matches, and what there is."""
    close = difflib.get_close_matches(name, known, n=3)
    suggestion = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"{suggestion}there is {', '.join(list(known)[:_SHOWN]) or 'none'}{more}"
