"""A uvicorn server in a background thread with its own event loop."""

from __future__ import annotations

import asyncio
import errno
import math
import socket
import threading
import time
from typing import TYPE_CHECKING

import uvicorn

from monitor.errors import EdgeError
from monitor.web.door import Door
from monitor.web.limits import Limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from monitor.web.tls import Tls

START_TIMEOUT = 10.0
STOP_TIMEOUT = 5.0
KEEP_EVERY = 0.5
"""Seconds between two looks at connections that wait for too long, and at the certificate's files."""
BACKLOG = 128
"""Connections accepted in one go; what is over the limit of connections closes in the loop's next round."""


class Server:
    """A running HTTP server; ``port`` is the real one where 0 was asked for."""

    def __init__(
        self, app: ASGIApp, listener: socket.socket, tls: Tls | None = None, limits: Limits | None = None
    ) -> None:
        self.host: str
        self.port: int
        self.host, self.port = listener.getsockname()[:2]
        self._tls = tls
        limits = limits or Limits()
        self._door = Door(listener, limits)
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                self._door.attend(app),
                # Pinned: what else is installed (uvloop, httptools, websockets) changes nothing.
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                # Logging is the daemon's business; a line per scrape is nobody's.
                log_config=None,
                log_level="error",  # nor is one for every stranger's broken request
                access_log=False,
                server_header=False,
                # A client's word for who it is would lead past the limits of its address.
                proxy_headers=False,
                timeout_keep_alive=math.ceil(limits.keep_alive_seconds),
                h11_max_incomplete_event_size=limits.url_bytes + limits.header_bytes,
                backlog=BACKLOG,
                timeout_graceful_shutdown=2,
            )
        )
        self._uvicorn.config.load()
        # Set here and not by uvicorn's own arguments: the context lives on when the certificate is replaced.
        self._uvicorn.config.ssl = None if tls is None else tls.context
        # Outside the main thread uvicorn leaves the process's signal handlers alone.
        self._thread = threading.Thread(target=self._run, name="driftmon-web", daemon=True)

    @property
    def url(self) -> str:
        """Where the server answers."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self._tls is None else 'https'}://{host}:{self.port}"

    def start(self) -> None:
        """Start the thread and wait until requests are answered; raises `EdgeError`."""
        self._thread.start()
        deadline = time.monotonic() + START_TIMEOUT
        while not self._uvicorn.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise EdgeError(f"the web server on {self.url} did not start; the log says why")
            time.sleep(0.005)

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Stop listening, let running requests finish, end the thread; may be called again."""
        self._uvicorn.should_exit = True
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._uvicorn.force_exit = True
            self._thread.join(timeout)
        self._door.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        keeping = asyncio.create_task(self._keep())
        try:
            await self._uvicorn.serve(sockets=[self._door])
        finally:
            keeping.cancel()

    async def _keep(self) -> None:
        """Look after connections and certificates as long as the server runs."""
        while True:
            await asyncio.sleep(KEEP_EVERY)
            self._door.sweep()
            if self._tls is not None:
                self._tls.follow()


def serve(app: ASGIApp, host: str, port: int, tls: Tls | None = None, limits: Limits | None = None) -> Server:
    """Serve ``app`` on ``host:port`` (0: a free port) and return once it answers; raises `EdgeError`.

    With ``tls`` it is HTTPS, and a replaced certificate is taken up without a restart. ``limits`` are the defaults of
    `Limits` where not given.
    """
    server = Server(app, _listen(host, port), tls, limits)
    server.start()
    return server


def _listen(host: str, port: int) -> socket.socket:
    # Bound here and not by uvicorn, which ends the whole process when a port is taken.
    mend = "set web.listen to an address of this machine and a free port, such as 127.0.0.1:0"
    if not 0 <= port <= 65535:  # getaddrinfo would take it modulo 65536
        raise EdgeError(f"port {port} is not between 0 and 65535: {mend}")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except socket.gaierror as error:
        raise EdgeError(f"host {host!r} cannot be resolved: {mend}") from error
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: f"port {port} on {host} is in use",
            errno.EACCES: f"port {port} on {host} needs more rights than this process has",
            errno.EADDRNOTAVAIL: f"{host} is no address of this machine",
        }
        reason = reasons.get(
            error.errno or 0, f"port {port} on {host} cannot be listened on ({error.strerror})"
        )
        raise EdgeError(f"{reason}: {mend}") from error
