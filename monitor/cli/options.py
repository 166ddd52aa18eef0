"""Options that several commands share, and what they lead to."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from monitor.errors import ConfigError
from monitor.segments import parent_of

if TYPE_CHECKING:
    from monitor.store import Store
    from monitor.wiring import Deployment

ConfigPath = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="DRIFTMON_CONFIG", help="The configuration file.", show_default=True
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")
]
DEFAULT_CONFIG = Path("driftmon.yaml")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def load_deployment(path: Path) -> Deployment:
    """Return the wired deployment of a configuration file; raises `ConfigError`."""
    from dataclasses import replace

    from monitor.config import read_config
    from monitor.wiring import wire

    loaded = read_config(path)
    secrets = loaded.secrets | _tokens(loaded.config.web.token_file)
    return replace(wire(loaded.config, path.parent), files=loaded.files, secrets=secrets)


def load_families(path: Path) -> Deployment:
    """Return the deployment with those segments as well that only the baselines in use name.

    The store is asked where the configuration leaves the names to them. Raises `ConfigError` and `StoreError`.
    """
    from monitor.wiring import with_frozen_segments

    deployment = load_deployment(path)
    if all(each.most is None for c in deployment.config.collections.values() for each in c.segments):
        return deployment
    with open_store(deployment) as store:
        return with_frozen_segments(deployment, store)


def _tokens(file: Path | None) -> frozenset[str]:
    """Return the web server's tokens, which it reads for itself, so that no log shows them either."""
    try:
        return frozenset() if file is None else frozenset(file.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError):
        return frozenset()


@contextmanager
def open_store(deployment: Deployment) -> Iterator[Store]:
    """Open the store until left, its schema brought up to date when it is an embedded SQLite file.

    A shared PostgreSQL is never migrated on the side: `driftmon db upgrade` is a step of its own there.
    """
    from monitor.store import Store
    from monitor.store.schema import require_current, upgrade

    url = deployment.config.database.get_secret_value()
    if url.startswith("sqlite"):
        upgrade(url)
    with closing(Store.open(url)) as store:
        require_current(store.engine)
        yield store


def pick_collection(deployment: Deployment, name: str | None) -> str:
    """Return the named collection or segment, or the only collection; raises `ConfigError` with the names there are."""
    names = [each for each in deployment.families() if parent_of(each) is None]
    if name is None and len(names) == 1:
        return names[0]
    if name is None:
        raise ConfigError(f"name the collection: one of {', '.join(names)}")
    if name in deployment.collections:
        return name
    parent = parent_of(name)
    segments = [each for each in deployment.families() if parent is not None and parent_of(each) == parent]
    if segments:
        raise ConfigError(f"no segment {name!r}; {parent!r} has {', '.join(segments)}")
    if parent in names:
        raise ConfigError(
            f"no segment {name!r}: the configuration of {parent!r} names none, or `driftmon baseline build {parent}` "
            "has not found them yet"
        )
    raise ConfigError(f"no collection {name!r}; the configuration has {', '.join(names)}")


def parse_moment(value: str | None, default: datetime) -> datetime:
    """Return an ISO time, or one relative to now (``-7d``, ``-36h``), as aware UTC."""
    if value is None:
        return default
    from monitor.config import parse_duration

    try:
        if value.startswith("-"):
            moment = datetime.now(UTC) - cast("timedelta", parse_duration(value[1:]))
        else:
            moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"{value!r} is no time: give ISO 8601 (2026-03-01T00:00Z) or an age such as -7d"
        ) from error
    if moment < EPOCH:
        raise ConfigError(f"{value!r} lies before 1970: no log is that old")
    return moment


def require_place(file: Path, option: str) -> None:
    """Refuse before the work what could not be written after it; raises `ConfigError`."""
    if file.is_dir():
        raise ConfigError(f"{option}: {file} is a folder; name a file in it")
    place = file if file.exists() else file.parent
    if not os.access(place, os.W_OK):
        reason = "cannot be written to" if place.exists() else "is not there"
        raise ConfigError(f"{option}: {place} {reason}; name a file in another folder")


def user_name() -> str:
    """Return who runs this command, for the audit log; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
