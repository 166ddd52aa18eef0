"""The templates and what they may call: every value is escaped, whatever it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from monitor.web import charts

ASSETS = {
    "style.css": "text/css",
    "charts.js": "text/javascript",
    "echarts.common.min.js": "text/javascript",
}
STATES = {
    # A sign and a word beside the colour: nothing is said by colour alone.
    "quiet": ("✓", "quiet"),
    "drift": ("▲", "drift"),
    "insufficient": ("…", "too little data"),
    "invalid": ("✕", "invalid data"),
    None: ("○", "not judged yet"),
}


@cache
def environment() -> Environment:
    """Return the templates' environment."""
    made = Environment(
        loader=PackageLoader("monitor.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "words": words,
        "moment": moment,
        "span": span,
        "count": count,
        "figure": figure,
        "path": collection_path,
        "data": embed,
        "capfirst": capfirst,
    }
    made.globals |= {"badge": badge, "chart": chart, "asset": inlined}
    return made


def render(template: str, **values: Any) -> str:
    """Return a template filled in."""
    return environment().get_template(template).render(**values)


@cache
def asset(name: str) -> str:
    """Return the text of one of `ASSETS`."""
    return files("monitor.web").joinpath("assets", name).read_text(encoding="utf-8")


def inlined(name: str) -> Markup:
    """Return an asset to stand inside a page that is one file; none of them has an end tag in it."""
    return Markup(asset(name))  # noqa: S704 our own file


def words(name: str) -> str:
    """Return a name in words."""
    return name.replace("_", " ")


def moment(value: str | None) -> Markup:
    """Return a time for people and for programs."""
    if value is None:
        return Markup("–")
    shown = datetime.fromisoformat(value).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Markup('<time datetime="{}">{}</time>').format(value, shown)


def span(seconds: float) -> str:
    """Say a duration in its one fitting unit."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return count(int(seconds // size), unit)
    return count(int(seconds), "second")


def count(number: int, noun: str) -> str:
    """Return a number of things."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def figure(value: float | None) -> str:
    """Return a figure that fits into a table; a dash where there is none."""
    return "–" if value is None else f"{value:.3g}"


def capfirst(text: str) -> str:
    """Return a sentence with a capital letter at its beginning, the rest as it is."""
    return text[:1].upper() + text[1:]


def collection_path(name: str) -> str:
    """Return the path of a collection's page below the root; a segment's name has a slash of its own."""
    return f"collections/{quote(name, safe='/=')}"


def badge(state: str | None) -> Markup:
    """Return a state as a sign, a word and a colour."""
    sign, word = STATES.get(state, ("?", str(state)))
    return Markup('<span class="badge {}"><span aria-hidden="true">{}</span> {}</span>').format(
        state or "none", sign, word
    )


def chart(stream: Mapping[str, Any], view: Mapping[str, Any]) -> Markup:
    """Return a stream's chart over the time of its page."""
    first, last = (datetime.fromisoformat(view[key]).timestamp() * 1000 for key in ("since", "until"))
    drawn = [p["at"] for p in stream["points"]]
    first = max(first, min(drawn, default=first))
    return Markup(charts.draw(stream, view["marks"], first, last))  # noqa: S704 numbers, and one escaped text


def embed(data: Any) -> Markup:
    """Return data to stand inside a script element of JSON, which only "<" could end."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 "<" is gone
