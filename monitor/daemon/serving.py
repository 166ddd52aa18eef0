"""The HTTP server of a daemon, as its configuration wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from monitor.config import WebConfig
from monitor.web import Limits, Server, Tls, TokenFile, create_app, exposed, serve

log = structlog.get_logger("driftmon")


def open_server(
    web: WebConfig,
    *,
    metrics: Callable[[str], tuple[bytes, str]],
    alive: Callable[[], str | None],
    ready: Callable[[], str | None],
    status: Callable[[], Mapping[str, Any]],
) -> Server:
    """Return a running server.

    Raises
    ------
    ConfigError
        When its token, certificate or key cannot be used.
    EdgeError
        When its address cannot be listened on.
    """
    host, port = web.address
    limits = Limits(
        requests_per_second=web.requests_per_second, burst=max(1, int(2 * web.requests_per_second))
    )
    app = create_app(
        metrics=metrics,
        alive=alive,
        ready=ready,
        status=status,
        token=None if web.token_file is None else TokenFile(web.token_file),
        limits=limits,
    )
    tls = None
    if web.certificate_file is not None and web.key_file is not None:
        tls = Tls(web.certificate_file, web.key_file)
    if (warning := exposed(host, web.token_file)) is not None:
        log.warning("exposed", reason=warning)
    return serve(app, host, port, tls, limits)
