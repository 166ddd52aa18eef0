"""The HTTP server of a daemon, as its configuration wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from monitor.config import WebConfig
from monitor.web import Limits, Server, Tls, TokenFile, create_app, exposed, serve

log = structlog.get_logger("driftmon")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who may come in and how the server shows that it is itself; built before anything that runs is stopped."""

    token: TokenFile | None = None
    tls: Tls | None = None


def read_credentials(web: WebConfig) -> Credentials:
    """Return what the files of the section hold; raises `ConfigError` where that cannot be used."""
    token = None if web.token_file is None else TokenFile(web.token_file)
    if web.certificate_file is None or web.key_file is None:
        return Credentials(token)
    return Credentials(token, Tls(web.certificate_file, web.key_file))


def open_server(
    web: WebConfig,
    credentials: Credentials,
    *,
    metrics: Callable[[str], tuple[bytes, str]],
    alive: Callable[[], str | None],
    ready: Callable[[], str | None],
    status: Callable[[], Mapping[str, Any]],
) -> Server:
    """Return a running server; raises `EdgeError` when its address cannot be listened on."""
    host, port = web.address
    limits = Limits(
        requests_per_second=web.requests_per_second, burst=max(1, int(2 * web.requests_per_second))
    )
    app = create_app(
        metrics=metrics,
        alive=alive,
        ready=ready,
        status=status,
        token=credentials.token,
        limits=limits,
    )
    if (warning := exposed(host, web.token_file)) is not None:
        log.warning("exposed", reason=warning)
    return serve(app, host, port, credentials.tls, limits)
