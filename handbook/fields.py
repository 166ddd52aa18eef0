"""How the fields of a model or a plug-in are put into a table: key, kind, default, meaning."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

HEAD = ["| key | kind | default | meaning |", "|---|---|---|---|"]
_WORDS: dict[Any, str] = {
    str: "text",
    SecretStr: "text, secret",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Path: "file",
    timedelta: "duration",
    Any: "anything",
}
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def row(key: str, kind: str, default: str, meaning: str) -> str:
    """Return one row of a table."""
    cells = (f"`{key}`", kind, default, meaning)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def model_rows(model: type[BaseModel]) -> Iterator[str]:
    """Yield a row for every key of a section of driftmon.yaml."""
    for name, info in model.model_fields.items():
        yield row(name, word(info.annotation, info.metadata), _default_of(info), info.description or "")


def plugin_rows(kind: type) -> Iterator[str]:
    """Yield a row for every field of a plug-in that a configuration can set."""
    hints = get_type_hints(kind, include_extras=True)
    meanings = described(kind)
    for each in dataclasses.fields(kind):
        if not each.init:
            continue
        if each.default_factory is not dataclasses.MISSING:
            default = show(each.default_factory())
        else:
            default = "**required**" if each.default is dataclasses.MISSING else show(each.default)
        yield row(each.name, word(hints[each.name]), default, meanings.get(each.name, ""))


def described(kind: type) -> dict[str, str]:
    """Return what the docstring's section of parameters or attributes says of each name."""
    text = inspect.getdoc(kind) or ""
    found = re.search(
        r"^(?:Parameters|Attributes)\n-+\n(.*?)(?=^\w[^\n]*\n-{3,}\n|\Z)", text, re.MULTILINE | re.DOTALL
    )
    meanings: dict[str, str] = {}
    if found:
        for names, body in re.findall(r"^(\S[^\n]*?) : [^\n]*\n((?:[ ]+[^\n]*\n?)+)", found[1], re.MULTILINE):
            for name in names.split(", "):
                meanings[name] = plain(" ".join(body.split()))
    return meanings


def prose(kind: type) -> str:
    """Return the docstring before its first section, as Markdown."""
    text = (inspect.getdoc(kind) or "").split("\n\nParameters\n")[0].split("\n\nAttributes\n")[0]
    text = re.split(r"\n\n\w+\n-{3,}\n", text)[0]
    return plain("\n\n".join(" ".join(part.split()) for part in text.split("\n\n")))


def plain(text: str) -> str:
    """Return a docstring's text with Markdown's single backticks."""
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text.replace("``", "`"))


def word(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """Return in plain words what a value must be."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return word(arguments[0], arguments[1:])
    if origin in (Union, types.UnionType):
        kinds = [word(each, metadata) for each in arguments if each is not type(None)]
        return " or ".join(dict.fromkeys(kinds))
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if annotation in _WORDS:
        return _WORDS[annotation] + _range(metadata)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[section](#{slug(annotation)})"
    return _many(origin or annotation, arguments)


def _many(origin: Any, arguments: tuple[Any, ...]) -> str:
    """Return what a list or a mapping holds, where that says something."""
    if origin in (list, tuple, set, frozenset):
        inner = word(arguments[0]) if arguments else "anything"
        return "list" if inner == "anything" else f"list of {inner}"
    inner = word(arguments[1]) if len(arguments) == 2 else ""
    return f"mapping of {inner}" if inner.startswith("[") else "mapping"


def slug(model: type[BaseModel]) -> str:
    """Return the anchor of a section's heading."""
    return model.__name__.removesuffix("Config").lower() or "driftmonyaml"


def show(value: object) -> str:
    """Return a default as YAML would have it."""
    match value:
        case None:
            text = "none"
        case BaseModel():
            text = "as there"
        case "":
            text = '`""`'
        case bool():
            text = f"`{str(value).lower()}`"
        case timedelta():
            text = f"`{_duration(value)}`"
        case SecretStr():
            text = f"`{value.get_secret_value()}`"
        case tuple() | list():
            text = f"`[{', '.join(str(each) for each in value)}]`"
        case float():
            text = f"`{value:g}`"
        case _:
            text = f"`{value}`"
    return text


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    unit, letter = next((pair for pair in _UNITS if seconds and seconds % pair[0] == 0), (1, "s"))
    return f"{seconds // unit}{letter}"


def _default_of(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    value = info.get_default(call_default_factory=True, validated_data={})
    return "**required**" if value is PydanticUndefined else show(value)


def _range(metadata: Iterable[Any]) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = [
        f"{sign} {getattr(each, name):,}"
        for each in metadata
        for name, sign in signs.items()
        if getattr(each, name, None) is not None
    ]
    return f" {', '.join(limits)}" if limits else ""
