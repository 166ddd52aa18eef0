"""PostgreSQL backends that stop in the middle of a statement, while the kernel goes on acknowledging."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

BUSY = (
    "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE :like AND pid <> pg_backend_pid()"
)


@contextmanager
def stopped(engine: sa.Engine, like: str) -> Iterator[list[int]]:
    """Stop, as soon as there is one, the backend that runs a statement like this; all go on at the end."""
    pids: list[int] = []
    ended = threading.Event()

    def look() -> None:
        while not pids and not ended.wait(0.02):
            with engine.connect() as connection:
                for pid in connection.scalars(sa.text(BUSY), {"like": like}):
                    os.kill(pid, signal.SIGSTOP)
                    pids.append(pid)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield pids
    finally:
        ended.set()
        thread.join(5)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
