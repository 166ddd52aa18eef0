"""Reading one value of a log, whatever its shape: a time, an id, a text, a vector, hits, scores, a label."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from monitor.records import VectorArray
from monitor.sources.json_text import load_numbers

VectorDtype = Literal["float32", "float16"]

_ALL_TEXT, _ALL_FLOATS = {str}, {float}
_FLOAT32 = np.dtype(np.float32)
BLOBS: dict[VectorDtype, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS_BELOW = 1e11
"""Epoch numbers from here on are milliseconds: in seconds the year 5138, in milliseconds March 1973."""


class FlawError(ValueError):
    """One value of a row cannot be used; ``reason`` is the word it is counted by."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def read_zone(name: str) -> tzinfo:
    """Return the time zone of that name; raises ValueError."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"timezone: {name!r} is not a time zone; use UTC or one like Europe/Berlin"
        ) from error


def read_time(value: Any, zone: tzinfo | None) -> datetime:
    """Return a timestamp, ISO 8601 text or epoch seconds or milliseconds as UTC; raises `FlawError`."""
    if value is None:
        raise FlawError("missing_time")
    try:
        moment = _moment(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        if zone is UTC:
            return moment.replace(tzinfo=UTC)
        if zone is not None:
            return moment.replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise FlawError("bad_time", kind_of(value)) from error
    raise FlawError("naive_timestamp")


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        seconds = float(value)
        return _EPOCH + timedelta(seconds=seconds if abs(seconds) < SECONDS_BELOW else seconds / 1000.0)
    raise ValueError("not a time")


def read_id(value: Any) -> str:
    """Return an id as text; raises `FlawError`."""
    if isinstance(value, str):
        if not value:
            raise FlawError("missing_id")
        if is_text(value):
            return value
        raise FlawError("bad_id", "not UTF-8")
    if value is None:
        raise FlawError("missing_id")
    return _plain_id(value, "bad_id")


def read_text(value: Any) -> str | None:
    """Return a text or None; raises `FlawError`."""
    if value is None or is_text(value):
        return value  # type: ignore[no-any-return]  # is_text has looked
    raise FlawError("bad_text", kind_of(value))


def read_vector(value: Any, dtype: VectorDtype = "float32") -> VectorArray | None:
    """Return numbers, their JSON text or a little-endian blob as ``(d,)`` float32; raises `FlawError`."""
    if value is None:
        return None
    if isinstance(value, np.ndarray) and value.dtype == _FLOAT32 and value.ndim == 1:
        return value.copy()  # it may be a view, and a record must not keep its whole batch alive
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            numbers: VectorArray = np.frombuffer(bytes(value), BLOBS[dtype]).astype(np.float32, copy=False)
        except ValueError as error:
            raise FlawError("bad_vector", f"{len(value)} bytes are no whole number of {dtype}") from error
        return numbers
    if isinstance(value, str):
        value = parse_json(value, "bad_vector", load_numbers)
    if not isinstance(value, list | tuple | np.ndarray):
        raise FlawError("bad_vector", kind_of(value))
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError, RecursionError) as error:
        raise FlawError("bad_vector", "not a flat list of numbers") from error
    if array.ndim != 1 or array.dtype.kind not in "fiu":
        raise FlawError("bad_vector", "not a flat list of numbers")
    with np.errstate(over="ignore"):  # beyond float32 is infinite, which the profile counts
        return array.astype(np.float32)


def read_hits(
    value: Any, hit_id: str = "id", hit_score: str = "score"
) -> tuple[tuple[str, ...], list[Any] | None]:
    """Return document ids, best first, and the raw scores beside them if any; raises `FlawError`."""
    if isinstance(value, str):
        try:
            return _read_hits(parse_json(value, "bad_hits", load_numbers), hit_id, hit_score)
        except FlawError:  # it may be for an id of 20 digits, which only the slower way reads whole
            value = parse_json(value, "bad_hits")
    return _read_hits(value, hit_id, hit_score)


def _read_hits(value: Any, hit_id: str, hit_score: str) -> tuple[tuple[str, ...], list[Any] | None]:
    if value is None:
        return (), None  # a log that writes NULL for "nothing found"
    if not isinstance(value, list | tuple):
        raise FlawError("bad_hits", kind_of(value))
    if set(map(type, value)) == _ALL_TEXT:  # nearly every log: no hit needs a look of its own
        return _checked_ids(value), None
    ids: list[str] = []
    scores: list[Any] = []
    for hit in value:
        if isinstance(hit, str):
            ids.append(hit)
        elif isinstance(hit, dict):
            named = hit.get(hit_id)
            if named is None:
                named = hit.get("doc_id")
            ids.append(named if isinstance(named, str) else _plain_id(named, "bad_hits"))
            score = hit.get(hit_score)
            if score is not None:
                scores.append(score)
        else:
            ids.append(_plain_id(hit, "bad_hits"))
    return _checked_ids(ids), scores or None


def _checked_ids(ids: Sequence[str]) -> tuple[str, ...]:
    if "" in ids or not is_text("".join(ids)):
        raise FlawError("bad_hits", "an id is empty or not UTF-8")
    return tuple(ids)


def read_scores(value: Any, hits: int | None) -> tuple[float, ...] | None:
    """Return one finite number per hit, or None; raises `FlawError`.

    ``hits`` is None for a log that has scores alone: then there is nothing to count them against.
    """
    if isinstance(value, str):
        value = parse_json(value, "bad_scores", load_numbers)
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise FlawError("bad_scores", kind_of(value))
    # Of floats alone the sum tells at once: it is finite only where every one of them is.
    if set(map(type, value)) == _ALL_FLOATS and math.isfinite(sum(value)):
        scores = tuple(value)
    else:
        scores = tuple(number for number in map(_number, value) if number is not None)
    if len(scores) < len(value):
        raise FlawError("bad_scores", "not all are finite numbers")
    if hits is not None and len(scores) != hits:
        raise FlawError("bad_scores", f"{len(scores)} scores for {hits} hits")
    return scores


def read_segment(value: Any) -> str:
    """Return a label's value as text; raises `FlawError`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_text(value):
        return str(value)
    return _plain_id(value, "bad_segments")


def read_feedback(value: Any) -> float:
    """Return feedback as a finite number, a truth value as 0 or 1; raises `FlawError`."""
    number = _number(float(value) if isinstance(value, bool) else value)
    if number is None:
        raise FlawError("bad_feedback", kind_of(value))
    return number


def is_text(value: Any) -> bool:
    """Tell whether ``value`` is a text that UTF-8 can hold; JSON may carry half a surrogate pair."""
    if not isinstance(value, str):
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_json(text: str, reason: str, load: Callable[[str], Any] = json.loads) -> Any:
    """Return what the JSON text says; raises `FlawError` with ``reason``."""
    try:
        return load(text)
    except (ValueError, RecursionError) as error:
        raise FlawError(reason, "text that is not JSON") from error


def kind_of(value: Any) -> str:
    """Return the name of a value's type: never the value, which may be a user's text."""
    return type(value).__name__


def _number(value: Any) -> float | None:
    # bool is an int: a score of True is a mistake.
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _plain_id(value: Any, reason: str) -> str:
    if isinstance(value, UUID):
        return str(value)
    # Beyond 1024 bits no id is meant, and Python refuses to print some of them.
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 1024:
        return str(value)
    raise FlawError(reason, kind_of(value))
