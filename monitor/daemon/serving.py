"""The HTTP server of a daemon, as its configuration wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from monitor.config import WebConfig
from monitor.errors import DriftmonError
from monitor.web import Desk, Limits, Server, Tls, TokenFile, create_app, exposed, serve

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


@dataclass(slots=True)
class Front:
    """The daemon's HTTP server, wherever the configuration has it at present."""

    metrics: Callable[[str], tuple[bytes, str]]
    alive: Callable[[], str | None]
    ready: Callable[[], str | None]
    status: Callable[[], Mapping[str, Any]]
    desk: Desk | None = None
    _web: WebConfig = field(init=False, repr=False)
    _credentials: Credentials = field(init=False, repr=False)
    _server: Server | None = field(default=None, init=False, repr=False)

    @property
    def url(self) -> str | None:
        """Where it answers; None while it is closed."""
        return None if self._server is None else self._server.url

    def open(self, web: WebConfig) -> None:
        """Begin to answer.

        Raises
        ------
        ConfigError
            When its token, certificate or key cannot be used.
        EdgeError
            When its address cannot be listened on.
        """
        credentials = read_credentials(web)
        self._take(web, credentials, self._serve(web, credentials))

    def move(self, web: WebConfig) -> None:
        """Answer as another configuration says; raises as `open` does, and answers as before where that fails."""
        server = self._server
        if server is None or web == self._web:
            return
        credentials = read_credentials(web)
        if web.listen != self._web.listen and web.address != (server.host, server.port):
            self._take(web, credentials, self._serve(web, credentials))
            server.stop()
            return
        server.stop()  # the same address cannot be listened on twice
        try:
            self._take(web, credentials, self._serve(web, credentials))
        except DriftmonError:
            self._server = self._serve(self._web, self._credentials)
            raise

    def close(self) -> None:
        """Answer nobody any more."""
        if self._server is not None:
            self._server.stop()

    def _take(self, web: WebConfig, credentials: Credentials, server: Server) -> None:
        self._web, self._credentials, self._server = web, credentials, server

    def _serve(self, web: WebConfig, credentials: Credentials) -> Server:
        host, port = web.address
        limits = Limits(
            requests_per_second=web.requests_per_second, burst=max(1, int(2 * web.requests_per_second))
        )
        app = create_app(
            metrics=self.metrics,
            alive=self.alive,
            ready=self.ready,
            status=self.status,
            token=credentials.token,
            limits=limits,
            desk=self.desk,
        )
        if (warning := exposed(host, web.token_file)) is not None:
            log.warning("exposed", reason=warning)
        return serve(app, host, port, credentials.tls, limits)
