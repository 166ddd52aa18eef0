"""The configuration reference, from the models and the plug-ins themselves."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from handbook.fields import HEAD, model_rows, plugin_rows, prose
from monitor.config import collection, models
from monitor.config.strict import Strict
from monitor.plugins import available

SECTIONS: tuple[type[BaseModel], ...] = tuple(
    sorted(
        (
            each
            for each in {**vars(models), **vars(collection)}.values()
            if isinstance(each, type)
            and issubclass(each, BaseModel)
            and each.__module__.startswith("monitor.config.")
            and not each.__name__.startswith("_")
            and each not in (models.Config, Strict)
        ),
        key=lambda each: each.__name__,
    )
)
"""Every section of driftmon.yaml, whichever there are."""

GROUPS = {
    "sources": ("source", "Where logged queries are read from: `source` of a collection."),
    "embedders": ("embedder", "What places texts: `embedder` and `live_embedder` of a collection."),
    "indexes": ("index", "The live vector index: `index` of a collection."),
    "notifiers": ("notifier", "Who is told: the entries of `notify`."),
    "detectors": (
        "detector",
        "What is measured; the keys stand under `detectors` of a collection, by name.",
    ),
}

_DETECTORS = (
    "`enabled: false` switches one off. What each sees and misses, [detectors](runbooks/detectors.md) says."
)

_HEAD = """\
# Configuration

`driftmon.yaml`, every key with its kind, its default and its meaning. `driftmon init` writes an example that works,
`driftmon check` connects to everything that a file names and says what it found. An unknown key, a value out of range
or an edge that cannot be reached is refused with its path, the value and the mend.

* A duration is a number and a unit: `30s`, `15m`, `6h`, `90d`.
* `${NAME}` takes a value from the environment, or the content of the file that `NAME_FILE` names. `url_file` and
  `database_file` stand for the first line of a file. Secrets belong there; they are shown nowhere.
* Relative paths are taken from the folder of the file.
* SIGHUP, or a file that changed, has everything read again: either all of it is taken up or nothing is, and
  `driftmon_config_last_reload_successful` says which.

This page is written by `python -m handbook.build` from the code.
"""


def configuration() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_sections(), *_plugins(), ""])


def _sections() -> Iterator[str]:
    yield "## driftmon.yaml"
    yield ""
    yield from HEAD
    yield from model_rows(models.Config)
    for model in SECTIONS:
        yield ""
        yield f"## {model.__name__.removesuffix('Config')}"
        yield ""
        yield prose(model)
        yield ""
        yield from HEAD
        yield from model_rows(model)


def _plugins() -> Iterator[str]:
    for group, (noun, meaning) in GROUPS.items():
        found = available(group)
        if not found:
            continue
        yield ""
        yield f"## Built-in {group}"
        yield ""
        yield f"{meaning} {_DETECTORS if group == 'detectors' else f'`type` names the {noun}.'}"
        for name, point in sorted(found.items()):
            kind = point.load()
            yield ""
            yield f"### {noun} {name}"
            yield ""
            yield prose(kind)
            rows = list(plugin_rows(kind))
            if rows:
                yield ""
                yield from HEAD
                yield from rows
