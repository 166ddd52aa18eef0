"""The lock that keeps a second daemon off a SQLite file."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.errors import StoreError


@contextmanager
def hold(database: Path) -> Iterator[None]:
    """Hold ``<database>.lock`` until left; the kernel frees it when the process ends, however it ends.

    Raises
    ------
    StoreError
        When another process holds it; the message names its pid.
    """
    path = database.with_name(f"{database.name}.lock")
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); let this user write there"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise StoreError(
                f"{database} is in use by another driftmon daemon (pid {holder}); SQLite serves one:"
                " stop that one, or run replicas on PostgreSQL"
            ) from None
        # The file stays when we are done: removing it would let two processes lock two files of one name.
        file.truncate(0)
        file.write(f"{os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
