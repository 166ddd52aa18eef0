"""The fields of a log's rows: where each stands, and the record that they make, of one row or of many in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any

import numpy as np

from monitor.records import IntArray, Record, Records, Rejection
from monitor.records.columns import one_matrix
from monitor.sources import batch
from monitor.sources.batch import Column
from monitor.sources.labels import Places, read_label_column, read_labels
from monitor.sources.values import (
    FlawError,
    VectorDtype,
    is_text,
    kind_of,
    read_feedback,
    read_hits,
    read_id,
    read_scores,
    read_segment,
    read_text,
    read_vector,
)


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How the values of a source's rows are to be understood."""

    timezone: tzinfo | None
    hit_id: str = "id"
    hit_score: str = "score"
    vector_dtype: VectorDtype = "float32"


class RowFields:
    """Makes records of rows whose times are known.

    ``names`` are the distinct columns that ``columns`` maps our fields to, ``id`` first; ``at`` is the place of the
    time among them.
    """

    __slots__ = (
        "_feedback",
        "_format",
        "_hits",
        "_id",
        "_model",
        "_scores",
        "_segments",
        "_text",
        "_vector",
        "at",
        "names",
    )

    def __init__(self, columns: Mapping[str, str | Mapping[str, str]], row_format: RowFormat) -> None:
        self._format = row_format
        positions: dict[str, int] = {}

        def position(name: str) -> int:
            return positions.setdefault(name, len(positions))

        def place(field: str) -> int | None:
            name = columns.get(field)
            return position(name) if isinstance(name, str) else None

        def labels(field: str) -> Places | None:
            mapped = columns.get(field)
            if isinstance(mapped, Mapping):
                return tuple((label, position(name)) for label, name in mapped.items())
            return place(field)

        self._id, self.at = position(str(columns["id"])), position(str(columns["at"]))
        self._text, self._vector, self._model = place("text"), place("vector"), place("model")
        self._hits, self._scores = place("hits"), place("scores")
        self._segments, self._feedback = labels("segments"), labels("feedback")
        self.names = tuple(positions)

    def records(
        self, columns: Sequence[Column], times: Sequence[datetime | None]
    ) -> tuple[Records, IntArray]:
        """Return the records of a batch's rows in which nothing is wrong, and which rows they are."""
        nothing = [None] * len(times)
        odd: set[int] = set()

        def column(place: int | None) -> Column:
            return nothing if place is None else columns[place]

        row_format = self._format
        hits, inner_scores = batch.read_hit_lists(
            column(self._hits), row_format.hit_id, row_format.hit_score, odd
        )
        counts = np.zeros(len(times), dtype=np.int64) if hits is None else hits.lengths
        raw_scores = column(self._scores)
        if inner_scores is not None:
            raw_scores = [
                inner if own is None else own for own, inner in zip(raw_scores, inner_scores, strict=True)
            ]
        records = Records(
            batch.read_ids(column(self._id), odd),  # type: ignore[arg-type]  # None in odd rows alone
            times,  # type: ignore[arg-type]  # only those that are there were chosen
            batch.read_texts(column(self._text), odd),
            batch.read_vectors(column(self._vector), row_format.vector_dtype, odd),
            batch.read_texts(column(self._model), odd),
            hits,
            batch.read_score_lists(raw_scores, None if self._hits is None else counts, odd),
            read_label_column(self._segments, columns, read_segment, odd),
            read_label_column(self._feedback, columns, read_feedback, odd),
        )
        sound = np.array([row for row in range(len(times)) if row not in odd], dtype=np.int64)
        if odd:
            records = records.take(sound)
            if isinstance(records.vectors, list):  # an odd one may have been all that had no vector
                records = replace(records, vectors=one_matrix(records.vectors))
        return records, sound

    def record(self, values: Sequence[Any], at: datetime, where: str) -> tuple[Record, tuple[Rejection, ...]]:
        """Return the record of one row, and what of it was left out; raises `FlawError` where there can be none."""
        identifier = read_id(values[self._id])
        text = None if self._text is None else read_text(values[self._text])
        vector = None
        if self._vector is not None:
            vector = read_vector(values[self._vector], self._format.vector_dtype)
        hits: tuple[str, ...] = ()
        count = raw_scores = None
        if self._hits is not None:
            hits, raw_scores = read_hits(values[self._hits], self._format.hit_id, self._format.hit_score)
            count = len(hits)
        if self._scores is not None and values[self._scores] is not None:
            raw_scores = values[self._scores]
        # What can be left out does not cost the record.
        flaws: list[FlawError] = []
        scores = model = None
        try:
            scores = read_scores(raw_scores, count)
        except FlawError as flaw:
            flaws.append(flaw)
        if self._model is not None and (model := values[self._model]) is not None and not is_text(model):
            flaws.append(FlawError("bad_model", kind_of(model)))
            model = None
        segments: dict[str, str] = {}
        if self._segments is not None:
            segments = read_labels(self._segments, values, read_segment, "bad_segments", flaws)
        feedback: dict[str, float] = {}
        if self._feedback is not None:
            feedback = read_labels(self._feedback, values, read_feedback, "bad_feedback", flaws)
        record = Record(identifier, at, text, vector, model, hits, scores, segments, feedback)
        return record, tuple([Rejection(flaw.reason, where, flaw.detail) for flaw in flaws]) if flaws else ()
