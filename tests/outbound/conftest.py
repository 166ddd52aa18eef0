"""A real HTTP server on loopback that does to a client what it is told, and counts who connects."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

Play = Callable[[socket.socket, bytes], None]


@dataclass
class Server:
    """Plays one part per connection; ``requests`` are the heads and bodies it was sent."""

    play: Play
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}/v1/embeddings"

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client:
            client.settimeout(5)
            data = b""
            try:
                while b"\r\n\r\n" not in data:
                    data += client.recv(65536)
                head, _, body = data.partition(b"\r\n\r\n")
                length = next(
                    (
                        int(h.split(b":")[1])
                        for h in head.split(b"\r\n")
                        if h.lower().startswith(b"content-length")
                    ),
                    0,
                )
                while len(body) < length:
                    body += client.recv(65536)
                self.requests.append(head + b"\r\n\r\n" + body)
                self.play(client, body)
            except OSError:
                return


def answer(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture
def start() -> Iterator[Callable[[Play], Server]]:
    servers: list[Server] = []

    def run(play: Play) -> Server:
        server = Server(play)
        servers.append(server)
        threading.Thread(target=server.serve, daemon=True).start()
        return server

    yield run
    for server in servers:
        server.listener.close()
