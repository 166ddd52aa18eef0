"""The one door for plug-ins, ours and third parties' alike: entry points, checked field by field."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import TypeAdapter, ValidationError

from monitor.errors import ConfigError

GROUPS = ("sources", "embedders", "indexes", "detectors", "notifiers")


@cache
def available(group: str) -> Mapping[str, EntryPoint]:
    """Return the plug-ins installed in ``monitor.<group>`` by name."""
    return {point.name: point for point in entry_points(group=f"monitor.{group}")}


def build(group: str, options: Mapping[str, Any], path: str) -> Any:
    """Return the plug-in that ``options["type"]`` names, its fields filled from the other options.

    Raises
    ------
    ConfigError
        For an unknown type, an unknown or missing field or a bad value; the message has the dotted path and the mend.
    """
    options = dict(options)
    name = options.pop("type", None)
    if not isinstance(name, str):
        raise ConfigError(f"{path}.type: missing; choose one of {', '.join(sorted(available(group)))}")
    return build_named(group, name, options, path)


def build_named(group: str, name: str, options: Mapping[str, Any], path: str) -> Any:
    """Return the plug-in called ``name`` with ``options`` as its fields; raises `ConfigError` as :func:`build`."""
    kind = _load(group, name, path)
    fields = _settable(kind)
    for key in options:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(fields))}"
            raise ConfigError(f"{path}.{key}: unknown key; {hint}")
    try:
        return TypeAdapter(kind).validate_python(dict(options))
    except ValidationError as error:
        raise ConfigError(explain(error, path)) from None


def takes(group: str, options: Mapping[str, Any], field: str, path: str) -> bool:
    """Return whether the plug-in that ``options["type"]`` names can be given ``field``."""
    name = options.get("type")
    return isinstance(name, str) and field in _settable(_load(group, name, path))


def _load(group: str, name: str, path: str) -> Any:
    points = available(group)
    if name not in points:
        close = difflib.get_close_matches(name, points, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ConfigError(f"{path}.type: {name!r} is not one of {', '.join(sorted(points))}{hint}")
    try:
        return points[name].load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{path}.type: plug-in {name!r} cannot be loaded ({error}); install what it needs"
        ) from error


def _settable(kind: Any) -> list[str]:
    return [name for name, field in getattr(kind, "__dataclass_fields__", {}).items() if field.init]


def explain(error: ValidationError, path: str) -> str:
    """Return a validation error as lines of ``path: what is wrong``; values are shown only where they are no secret."""
    lines = []
    for problem in error.errors(include_url=False):
        where = ".".join([path, *(str(p) for p in problem["loc"])]).strip(".")
        message = problem["msg"].removeprefix("Value error, ")
        value = problem.get("input")
        shown = f" (it is {value!r})" if _harmless(where, value) else ""
        lines.append(f"{where}: {message}{shown}")
    return "\n".join(lines)


_SECRET_WORDS = ("url", "dsn", "password", "token", "secret", "key", "header", "database")


def _harmless(where: str, value: object) -> bool:
    # A value under a name that may hold a credential is never repeated, nor is a URL wherever it stands.
    if any(word in where.lower() for word in _SECRET_WORDS):
        return False
    return isinstance(value, int | float) or (
        isinstance(value, str) and len(value) < 80 and "://" not in value
    )
