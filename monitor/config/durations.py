"""Spans of time as people write them."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h|d|w)\s*")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def parse_duration(value: object) -> object:
    """Return ``15m``, ``90d`` and the like as a timedelta; a number without a unit could mean anything."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        with suppress(OverflowError):  # longer than any calendar: refused like what cannot be read
            return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
    raise ValueError("a duration is a number and a unit, such as 30s, 15m, 6h, 90d")


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
