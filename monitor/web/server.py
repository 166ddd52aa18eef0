"""A uvicorn server in a background thread with its own event loop."""

from __future__ import annotations

import errno
import socket
import threading
import time
from typing import TYPE_CHECKING

import uvicorn

from monitor.errors import EdgeError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

START_TIMEOUT = 10.0
STOP_TIMEOUT = 5.0


class Server:
    """A running HTTP server; ``port`` is the real one where 0 was asked for."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        self.host: str
        self.port: int
        self.host, self.port = listener.getsockname()[:2]
        self._listener = listener
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                app,
                # Pinned: what else is installed (uvloop, httptools, websockets) changes nothing.
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                # Logging is the daemon's business; a line per scrape is nobody's.
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=2,
            )
        )
        # Outside the main thread uvicorn leaves the process's signal handlers alone.
        self._thread = threading.Thread(target=self._run, name="driftmon-web", daemon=True)

    @property
    def url(self) -> str:
        """Where the server answers."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

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
        self._listener.close()

    def _run(self) -> None:
        self._uvicorn.run(sockets=[self._listener])


def serve(app: ASGIApp, host: str, port: int) -> Server:
    """Serve ``app`` on ``host:port`` (0: a free port) and return once it answers; raises `EdgeError`."""
    server = Server(app, _listen(host, port))
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
