"""A real HTTP receiver on loopback: it keeps one incident per key, and misbehaves as it is told."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Play = str | int | tuple[int, str]
"""ok, a status, one with Retry-After; hang: no answer; die: breaks off in mid-request; late: takes it, then dies."""


@dataclass(frozen=True)
class Call:
    """One request that came in whole."""

    at: float
    headers: dict[str, str]
    body: bytes
    taken: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Plays its parts in turn, then takes everything; ``calls`` are the requests that came in whole."""

    script: list[Play] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    hang: float = 5.0
    server: ThreadingHTTPServer = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.server_port}/hook"

    @property
    def taken(self) -> list[Call]:
        return [call for call in self.calls if call.taken]

    def incidents(self) -> dict[str, list[str]]:
        """Return, by key, what a receiver that goes by keys has heard: of webhooks and of PagerDuty."""
        found: dict[str, list[str]] = {}
        for call in self.taken:
            key = call.json.get("groupKey") or call.json.get("dedup_key")
            found.setdefault(key, []).append(call.json.get("status") or call.json["event_action"])
        return found

    def wait_for(self, count: int, seconds: float = 20.0) -> list[Call]:
        """Wait until so many calls were taken."""
        deadline = time.monotonic() + seconds
        while len(self.taken) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.taken)} of {count} calls after {seconds} s")
            time.sleep(0.01)
        return self.taken

    def close(self) -> None:
        self._over.set()
        self.server.shutdown()
        self.server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            play: Play = self.script.pop(0) if self.script else "ok"
        length = int(handler.headers.get("Content-Length", 0))
        if play == "die":
            handler.rfile.read(min(length, 10))
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        body = handler.rfile.read(length)
        taken = play in ("ok", "late")
        self.calls.append(Call(time.monotonic(), dict(handler.headers.items()), body, taken))
        if play == "hang":
            self._over.wait(self.hang)
            return
        if play == "late":
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        status, after = play if isinstance(play, tuple) else (200 if play == "ok" else int(play), None)
        handler.send_response(status)
        if after is not None:
            handler.send_header("Retry-After", after)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"ok")


@contextmanager
def receiving(script: Iterable[Play] = (), hang: float = 5.0) -> Iterator[Receiver]:
    """Receive until left."""
    receiver = Receiver(list(script), hang=hang)
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.close()
        thread.join()
