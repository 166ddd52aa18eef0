"""Parsing JSON as the standard library does, only faster: a log's vectors are mostly digits."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

# orjson makes a float of a whole number beyond 64 bits, and an id of it would be another one.
_LONG_NUMBER = re.compile(rb"(?:^|[^.\d])\d{19}")


def load_json(content: bytes) -> Any:
    """Return what ``json.loads`` returns for UTF-8; raises what it raises."""
    if _LONG_NUMBER.search(content) is None:
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError:
            pass  # NaN, half a surrogate pair, a number beyond float64: or no JSON, and then json says where
    return json.loads(content.decode("utf-8-sig"))


def load_numbers(text: str) -> Any:
    """Return what ``json.loads`` returns, but for whole numbers beyond 64 bits, which are the float nearest to them."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)
