"""From ``notify`` to who is told of what; exactly one of them pages for a critical incident."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from monitor.config import Config, NotifyConfig
from monitor.errors import ConfigError
from monitor.plugins import build
from monitor.protocols import Notifier
from monitor.segments import parent_of
from monitor.telling import Route

BOTH = ("warning", "critical")


def wire_routes(config: Config) -> tuple[Route, ...]:
    """Return who is told of what.

    Raises
    ------
    ConfigError
        With the dotted path of what is wrong; also where nobody, or more than one, pages for a critical incident.
    """
    names = [name for name in config.collections if parent_of(name) is None]
    routes: list[Route] = []
    for place, entry in enumerate(config.notify):
        path = f"notify.{place}"
        if entry.called in {route.name for route in routes}:
            raise ConfigError(
                f"{path}.name: {entry.called!r} stands twice; give each entry a name of its own"
            )
        for name in entry.collections or ():
            if name not in names:
                raise ConfigError(f"{path}.collections: no collection {name!r}; there are {', '.join(names)}")
        routes.append(_wire(entry, path))
    if routes:
        for name in names:
            _check_pages(routes, name)
    return tuple(routes)


def _wire(entry: NotifyConfig, path: str) -> Route:
    notifier = build("notifiers", entry.options, path)
    chat, endless = bool(getattr(notifier, "chat", False)), bool(getattr(notifier, "endless", False))
    severities = entry.severities or (("warning",) if endless else BOTH)
    if endless and "critical" in severities:
        raise ConfigError(
            f"{path}.severities: {entry.type} cannot resolve what it has told, so it hears of no critical incident; "
            "write severities: [warning]"
        )
    pages = not chat and "critical" in severities if entry.pages is None else entry.pages
    if pages and chat:
        raise ConfigError(
            f"{path}.pages: {entry.type} is a chat and wakes nobody; write pages: false and add one entry that can "
            "page: pagerduty, webhook or email"
        )
    chosen = None if entry.collections is None else frozenset(entry.collections)
    return Route(entry.called, cast("Notifier", notifier), frozenset(severities), chosen, pages=pages)


def _check_pages(routes: Sequence[Route], collection: str) -> None:
    for severity in reversed(BOTH):
        paging = [route.name for route in routes if route.pages and route.takes(collection, severity)]
        if len(paging) > 1:
            raise ConfigError(
                f"notify: {_listed(paging)} all page for {severity} incidents of {collection!r}, so people would be "
                "called more than once; keep pages: true at one, write pages: false at the others or give them "
                "other collections"
            )
        if severity == "critical" and not paging:
            told = [route.name for route in routes if route.takes(collection, severity)]
            who = f"only {_listed(told)}, which do not page, would hear" if told else "nobody would hear"
            raise ConfigError(
                f"notify: {who} of critical incidents of {collection!r}; let exactly one entry page for them: "
                "pages: true on a pagerduty, webhook or email whose severities include critical and whose "
                "collections, where it names some, include this one"
            )


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(repr(name) for name in names)
