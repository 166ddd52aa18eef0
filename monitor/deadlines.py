"""The end of a wait for PostgreSQL that has stopped answering: nothing in a driver ends it by itself."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import InvalidatePoolError

LONGEST = 30.0
"""Seconds that a connection may be in use without coming back, the driver's wait for the server included."""
LOOK = 1.0
IDLE = 5.0
"""Seconds that a connection may lie in the pool without being asked whether its server is still there."""


class Deadlines:
    """Cuts the connections of an engine that have been in use for too long.

    A server that is stopped, or a network that swallows everything, keeps a client waiting for ever: the kernel at
    the other end still acknowledges, so no time-out of TCP passes, and the server's own ``statement_timeout`` does
    not run. The socket is shut down from outside then, and the waiting thread gets an ordinary error.
    """

    def __init__(self, longest: float = LONGEST) -> None:
        self._longest = longest
        self._in_use: dict[int, tuple[float, Any]] = {}
        self._lock = threading.Lock()
        self._watching = False
        self._cut: weakref.WeakSet[Any] = weakref.WeakSet()
        self._ping: Callable[[Any], bool] = lambda _: True

    def guard(self, engine: Engine) -> None:
        """Watch the engine's connections from now on."""
        self._ping = engine.dialect.do_ping
        event.listen(engine, "connect", self._welcome)
        event.listen(engine, "checkout", self._begin)
        event.listen(engine, "checkin", self._end)

    def lift(self, connection: Any) -> None:
        """Let this driver's connection take as long as it needs, until it is given back."""
        with self._lock:
            self._in_use.pop(id(connection), None)

    def restart(self, connection: Any) -> None:
        """Give this driver's connection its whole time again: it has answered."""
        with self._lock:
            self._in_use[id(connection)] = (time.monotonic() + self._longest, connection)

    def has_cut(self, connection: Any) -> bool:
        """Tell whether this driver's connection was cut, and did not fail for a reason of its own."""
        with self._lock:
            return connection in self._cut

    def _welcome(self, _connection: object, record: Any) -> None:
        record.info.update(deadlines=self, used=time.monotonic())

    def _begin(self, connection: Any, record: Any, _proxy: object) -> None:
        with self._lock:
            self._in_use[id(connection)] = (time.monotonic() + self._longest, connection)
            if not self._watching:
                self._watching = True
                threading.Thread(
                    target=_watch, args=(weakref.ref(self),), name="deadlines", daemon=True
                ).start()
        if time.monotonic() - record.info["used"] < IDLE and not _has_news(connection):
            return
        try:  # the pool's own ping comes before this event, where nothing would end it
            self._ping(connection)
        except Exception as error:
            self._end(connection, record)
            raise InvalidatePoolError from error  # the others have lost their server as well

    def _end(self, connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()
        with self._lock:
            self._in_use.pop(id(connection), None)

    def look(self) -> bool:
        """Cut what is overdue; return whether anything is left to watch."""
        now = time.monotonic()
        with self._lock:
            overdue = [(key, c) for key, (deadline, c) in self._in_use.items() if now > deadline]
            for key, connection in overdue:
                del self._in_use[key]
                self._cut.add(connection)
            self._watching = bool(self._in_use)
        for _, connection in overdue:
            _cut(connection)
        return self._watching


def lift(connection: Connection) -> None:
    """Let a transaction take as long as it needs; for migrations."""
    if (guard := connection.info.get("deadlines")) is not None:
        guard.lift(connection.connection.driver_connection)


def restart(connection: Connection) -> None:
    """Give a transaction its whole time again, for an answer that comes in many pieces."""
    if (guard := connection.info.get("deadlines")) is not None:
        guard.restart(connection.connection.driver_connection)


def _has_news(connection: Any) -> bool:
    """Tell whether the server has said something unasked: that it ends the connection, in all likelihood."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _watch(deadlines: weakref.ref[Deadlines]) -> None:
    while True:
        time.sleep(LOOK)
        watched = deadlines()
        if watched is None or not watched.look():
            return
        del watched


def _cut(connection: Any) -> None:
    with suppress(Exception):  # it may have been closed in this very moment, which is as good
        # A copy of the descriptor: closing it must not take the driver's own away under its feet.
        copy = socket.socket(fileno=os.dup(connection.fileno()))
        with copy, suppress(OSError):
            copy.shutdown(socket.SHUT_RDWR)
