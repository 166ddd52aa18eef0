from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from handbook.fields import described, model_rows, plugin_rows, prose, show, word


class _Part(BaseModel):
    size: int = 1


@dataclass(frozen=True)
class _Plug:
    """Watch a thing.

    More of it, with ``code``.

    Attributes
    ----------
    url, table : str
        Where it is
        to be found.
    most : int
        How many.

    Notes
    -----
    least : int
        Not a field.
    """

    url: SecretStr
    table: str = ""
    most: Annotated[int, Field(ge=1, le=9)] = 3
    columns: dict[str, str] = field(default_factory=dict)
    state: int = field(default=0, init=False)


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (int | None, "whole number"),
        (Path | str, "file or text"),
        (Literal["a", "b"], "`a`, `b`"),
        (list[str], "list of text"),
        (tuple[_Part, ...], "list of [section](#_part)"),
        (dict[str, _Part], "mapping of [section](#_part)"),
        (dict[str, Any], "mapping"),
        (Annotated[float, Field(gt=0)], "number"),
    ],
)
def test_a_kind_is_told_in_plain_words(annotation: Any, shown: str) -> None:
    assert word(annotation) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "none"),
        ("", '`""`'),
        (True, "`true`"),
        (timedelta(minutes=90), "`90m`"),
        (timedelta(days=14), "`14d`"),
        (0.0001, "`0.0001`"),
        ([4, 8], "`[4, 8]`"),
        (_Part(), "as there"),
    ],
)
def test_a_default_is_shown_as_yaml_has_it(value: object, shown: str) -> None:
    assert show(value) == shown


def test_the_limits_of_a_key_are_told() -> None:
    class Model(BaseModel):
        most: int = Field(default=5, ge=1, le=1000, description="How many | at most.")
        name: str = Field(description="Its name.")

    assert list(model_rows(Model)) == [
        "| `most` | whole number ≥ 1, ≤ 1,000 | `5` | How many \\| at most. |",
        "| `name` | text | **required** | Its name. |",
    ]


def test_a_plugins_fields_are_read_from_its_docstring() -> None:
    assert described(_Plug) == {
        "url": "Where it is to be found.",
        "table": "Where it is to be found.",
        "most": "How many.",
    }
    assert prose(_Plug) == "Watch a thing.\n\nMore of it, with `code`."
    keys = [row.split("`")[1] for row in plugin_rows(_Plug)]
    assert keys == ["url", "table", "most", "columns"]
