"""One entry of a log: a query as it was logged, or why an entry is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
VectorArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Record:
    """One logged query.

    Attributes
    ----------
    id : str
        Unique in its source; duplicates inside a window are counted and dropped.
    at : datetime
        Time of the query, aware, UTC.
    text, vector, model : optional
        The query's text, its vector ``(d,)`` float32, and the name of the model that made it.
    hits : tuple of str
        Document ids as returned, best first; empty means the answer was empty.
    scores : tuple of float or None
        One score per hit, or None when the log carries none.
    segments, feedback : mapping
        Labels (tenant, language) and numeric feedback (clicked, thumbs).
    """

    id: str
    at: datetime
    text: str | None = None
    vector: VectorArray | None = None
    model: str | None = None
    hits: tuple[str, ...] = ()
    scores: tuple[float, ...] | None = None
    segments: Mapping[str, str] = field(default_factory=dict)
    feedback: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A log entry that cannot be used: counted by ``reason`` (a short fixed word), shown by ``where``."""

    reason: str
    where: str
    detail: str = ""
