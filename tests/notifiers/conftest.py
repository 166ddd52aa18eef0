"""Real receivers on loopback: HTTP, a mail server, and one that drips."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.core_fakes.post import Post, posting
from tests.core_fakes.receiver import Play, Receiver, receiving

Receive = Callable[..., Receiver]
Postal = Callable[..., Post]


@pytest.fixture
def receive() -> Iterator[Receive]:
    with ExitStack() as stack:

        def start(*script: Play, hang: float = 5.0) -> Receiver:
            return stack.enter_context(receiving(script, hang))

        yield start


@pytest.fixture
def post() -> Iterator[Postal]:
    with ExitStack() as stack:

        def start(**options: Any) -> Post:
            return stack.enter_context(posting(**options))

        yield start


@pytest.fixture
def dripping() -> Iterator[int]:
    """The port of a server that greets one byte at a time for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip(client: socket.socket) -> None:
        with client:
            while not over.wait(0.05):
                try:
                    client.sendall(b"2")
                except OSError:
                    return

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(client,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield int(listener.getsockname()[1])
    over.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
