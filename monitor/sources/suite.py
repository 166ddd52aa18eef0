"""Reading the reference suite: JSON lines of judged queries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from monitor.errors import ConfigError
from monitor.records import JudgedQuery, VectorArray

_SHOWN = 5
_LARGEST_GRADE = 1_000_000


def load_suite(path: Path) -> tuple[JudgedQuery, ...]:
    """Return the suite in ``path``: one JSON object per line with ``id``, ``text`` and ``relevant``.

    ``relevant`` maps document ids to grades > 0, or is a list of ids (grade 1 each); grades of 0 or less are left out.
    ``vector`` is optional: without an embedder the suite is asked with it.

    Raises
    ------
    ConfigError
        When the file is missing, a line is broken, an id is used twice or a query has no relevant document; the
        message lists the first few lines that are wrong.
    """
    try:
        # Not splitlines: JSON texts may hold U+2028 and its like as they are. Editors may put a BOM before it all.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise ConfigError(
            f"suite: {path}: cannot be read ({error.strerror or error}); name an existing file"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"suite: {path}: not UTF-8 ({error})") from error
    queries: dict[str, JudgedQuery] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            query = parse_judged_query(json.loads(line))
        except (ValueError, RecursionError) as error:
            problems.append(f"{path}:{number}: {error}")
            continue
        if query.id in queries:
            problems.append(f"{path}:{number}: id {query.id!r} is used twice")
        queries[query.id] = query
    dimensions = sorted({len(q.vector) for q in queries.values() if q.vector is not None})
    if len(dimensions) > 1:
        problems.append(
            f"{path}: its vectors have {' and '.join(map(str, dimensions))} dimensions; make all with one model"
        )
    if problems:
        more = f"\n… and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise ConfigError("\n".join(problems[:_SHOWN]) + more)
    if not queries:
        raise ConfigError(f"suite: {path}: is empty; a line looks like {_EXAMPLE}")
    return tuple(queries.values())


_EXAMPLE = '{"id": "q1", "text": "how do I …", "relevant": {"doc-7": 1}}'


def parse_judged_query(row: Any) -> JudgedQuery:
    """Return one line's query; raises ValueError that says what is wrong."""
    if not isinstance(row, dict):
        raise ValueError(f"must be an object such as {_EXAMPLE}")
    identifier, text, relevant = row.get("id"), row.get("text"), row.get("relevant")
    if not isinstance(identifier, str | int) or isinstance(identifier, bool) or identifier == "":
        raise ValueError("`id` must be a text or a whole number")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("`text` must be a text that is not empty")
    return JudgedQuery(str(identifier), text, _grades(relevant), _vector(row.get("vector")))


def _grades(relevant: Any) -> dict[str, int]:
    if isinstance(relevant, list):
        relevant = dict.fromkeys((str(r) for r in relevant), 1)
    if not isinstance(relevant, dict):
        raise ValueError("`relevant` must be {document id: grade} or a list of document ids")
    grades: dict[str, int] = {}
    for document, grade in relevant.items():
        if isinstance(grade, bool) or not isinstance(grade, int):
            raise ValueError(f"the grade of {document!r} must be a whole number, not {grade!r}")
        if grade > _LARGEST_GRADE:
            raise ValueError(f"the grade of {document!r} must be at most {_LARGEST_GRADE}, not {grade}")
        if grade > 0:
            grades[str(document)] = grade
    if not grades:
        raise ValueError("no document with a grade above 0")
    return grades


def _vector(value: Any) -> VectorArray | None:
    if value is None:
        return None
    try:
        with np.errstate(over="ignore"):  # what overflows becomes infinite and is refused as such
            vector = np.asarray(value, dtype=np.float64).astype(np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError("`vector` must be a list of numbers") from error
    if vector.ndim != 1 or not np.isfinite(vector).all() or not vector.any():
        raise ValueError("`vector` must be a flat list of finite numbers that are not all zero")
    return vector
