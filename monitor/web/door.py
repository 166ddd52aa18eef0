"""The listening socket: it bounds how many connections are open, and how long one may keep everybody waiting.

uvicorn counts a connection once its TLS handshake is over, and times one that has answered before. A client that
connects and says nothing, or a header a minute, is in neither account: here every accepted socket is.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.web.limits import Limits, network

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

Peer = tuple[str, int]
PIECE = 65_536
"""Bytes of an answer that are sent before the client has taken what went before."""


@dataclass(slots=True)
class Visitor:
    """One open connection: since when it has been waiting for a request, or for its answer to be taken."""

    socket: socket.socket
    address: str
    since: float
    in_work: int = 0

    def close(self) -> None:
        """End the connection for both sides; the event loop finds it at its end and cleans up."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it ended by itself meanwhile


class Door(socket.socket):
    """A listening socket that knows what came in through it. Everything runs on the server's event loop."""

    def __init__(self, listener: socket.socket, limits: Limits) -> None:
        super().__init__(fileno=listener.detach())
        self._limits = limits
        self._clock = time.monotonic
        self._visitors: dict[Peer, Visitor] = {}

    def __len__(self) -> int:
        return len(self._visitors)

    def __bool__(self) -> bool:
        return True  # an empty room has a door as well

    def accept(self) -> tuple[socket.socket, Any]:
        """Let the next one in; where the room is full, somebody who only waits has to leave for it."""
        connection, peer = super().accept()
        if len(self._visitors) >= self._limits.connections:
            self._forget_closed()
        if len(self._visitors) >= self._limits.connections and not self._make_room():
            connection.close()
            raise ConnectionAbortedError("every connection is in work")
        self._visitors[peer[:2]] = Visitor(connection, network(peer[0]), self._clock())
        return connection, peer

    def attend(self, app: ASGIApp) -> ASGIApp:
        """Wrap an application so that the door knows which connections are in work."""

        async def attended(scope: Scope, receive: Receive, send: Send) -> None:
            visitor = self._visitors.get(tuple(scope.get("client") or ()))
            if visitor is None:
                await app(scope, receive, send)
                return
            visitor.in_work += 1
            visitor.since = self._clock()
            try:
                await app(scope, receive, _in_pieces(send))
            finally:
                visitor.in_work -= 1
                visitor.since = self._clock()

        return attended

    def sweep(self) -> None:
        """Close what has waited for too long; asked every second or so."""
        self._forget_closed()
        now = self._clock()
        for visitor in self._visitors.values():
            limit = self._limits.answer_seconds if visitor.in_work else self._limits.wait_seconds
            if now - visitor.since > limit:
                visitor.close()

    def _forget_closed(self) -> None:
        self._visitors = {p: v for p, v in self._visitors.items() if v.socket.fileno() != -1}

    def _make_room(self) -> bool:
        """Close the longest idle connection of the address that has the most; return whether there was one."""
        idle = [(peer, visitor) for peer, visitor in self._visitors.items() if not visitor.in_work]
        if not idle:
            return False
        held = Counter(visitor.address for visitor in self._visitors.values())
        peer, visitor = max(idle, key=lambda item: (held[item[1].address], -item[1].since))
        del self._visitors[peer]
        visitor.close()
        return True


def _in_pieces(send: Send) -> Send:
    """Send a long body piece by piece: each waits for the client, and the work is not over before it is taken.

    uvicorn takes a body of any length into memory at once and calls that the end of the request.
    """

    async def send_in_pieces(message: Message) -> None:
        body = message.get("body", b"")
        if message["type"] != "http.response.body" or len(body) <= PIECE:
            await send(message)
            return
        for start in range(0, len(body), PIECE):
            more = start + PIECE < len(body) or message.get("more_body", False)
            await send({**message, "body": body[start : start + PIECE], "more_body": more})

    return send_in_pieces
