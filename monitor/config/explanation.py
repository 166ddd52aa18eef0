"""What is wrong with a configuration, in plain words and without a secret."""

from __future__ import annotations

import difflib
import re
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from monitor.config.collection import CollectionConfig, SegmentsConfig
from monitor.config.models import (
    BudgetConfig,
    Config,
    LogConfig,
    MetricsConfig,
    RetentionConfig,
    TracingConfig,
    WebConfig,
)
from monitor.config.notify import DeliveryConfig, LinksConfig
from monitor.config.told import EventsConfig

_QUOTED = re.compile(r"'[^']{2,}'")
_VARIABLE = re.compile(r"\$\{\w+\}")
_SECRET_PLACES = ("database", "source", "index", "embedder", "notify", "token", "endpoint")
"""What stands at such a path may be a password, also where it is of the wrong kind."""
_SECTIONS: dict[str, type[BaseModel]] = {
    "budget": BudgetConfig,
    "web": WebConfig,
    "metrics": MetricsConfig,
    "log": LogConfig,
    "tracing": TracingConfig,
    "retention": RetentionConfig,
    "events": EventsConfig,
    "delivery": DeliveryConfig,
    "links": LinksConfig,
}

_MENDS = {
    "list_type": "must be a list: begin every entry with `- `",
    "tuple_type": "must be a list: begin every entry with `- `",
    "model_type": "must be a table of `key: value` lines",
    "dict_type": "must be a table of `key: value` lines",
}
"""Where pydantic says what it expects in words of Python."""


def explain_yaml(error: yaml.YAMLError) -> str:
    """Return what is wrong and where, without the line itself: it may hold a password."""
    mark = getattr(error, "problem_mark", None)
    problem = _QUOTED.sub(
        "…", str(getattr(error, "problem", None) or getattr(error, "reason", "cannot be read"))
    )
    return problem if mark is None else f"{problem} in line {mark.line + 1}, column {mark.column + 1}"


def explain(error: ValidationError, written: Any) -> list[str]:
    """Return one line per problem: the dotted path, what is wrong, and the value where it is no secret."""
    lines = []
    for problem in error.errors(include_url=False):
        location = _as_written(written, problem["loc"])
        where = ".".join(str(p) for p in location)
        if problem["type"] == "extra_forbidden":
            known = _known_keys(problem["loc"])
            close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
            lines.append(f"{where}: unknown key; {hint}")
            continue
        message = _MENDS.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {message}{_show(_look_up(written, location), where)}")
    return lines


def _as_written(written: Any, location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return the path in the file: what may be one or a list has no number where it is one."""
    path: list[int | str] = []
    for key in location:
        if isinstance(key, int) and isinstance(written, dict):
            continue
        path.append(key)
        written = _look_up(written, (key,))
    return tuple(path)


def _look_up(written: Any, location: tuple[int | str, ...]) -> Any:
    for key in location:
        try:
            written = written[key]
        except (KeyError, IndexError, TypeError):
            return None
    return written


def _show(value: Any, where: str) -> str:
    named = any(word in where for word in _SECRET_PLACES) and not _VARIABLE.fullmatch(str(value))
    secret = named or (isinstance(value, str) and "://" in value)
    return f" (it is {value!r})" if isinstance(value, str | int | float) and not secret else ""


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    if location[0] == "collections" and "segments" in location[2:-1]:
        return sorted(SegmentsConfig.model_fields)
    if location[0] == "collections" and len(location) > 2:
        return sorted(CollectionConfig.model_fields)
    section = _SECTIONS.get(str(location[0])) if len(location) > 1 else None
    return sorted((section or Config).model_fields)
