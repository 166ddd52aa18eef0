"""What the process is asked from outside: to end, and to read its configuration again."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

WAKE = 1.0
"""Seconds between two looks at whether a signal has come."""


@dataclass(slots=True)
class Signals:
    """SIGTERM and SIGINT ask for the end, SIGHUP for the configuration to be read again.

    No handler takes a lock: it, or another handler, may have interrupted whoever holds it. An event has one, for
    which a handler may wait in vain; the queue and the flag below have none.
    """

    reload_asked: bool = False
    _end: SimpleQueue[None] = field(default_factory=SimpleQueue, repr=False)

    def take(self) -> None:
        """Take the process' signals; outside the main thread, where Python takes none, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            return
        numbers = (signal.SIGTERM, signal.SIGINT)

        def stop(*_: object) -> None:
            self.end()
            for number in numbers:  # who asks twice does not want to wait
                signal.signal(number, signal.SIG_DFL)

        def ask(*_: object) -> None:
            self.reload_asked = True

        for number in numbers:
            signal.signal(number, stop)
        signal.signal(signal.SIGHUP, ask)

    def end(self) -> None:
        """Ask for the end; safe from any thread and any handler."""
        self._end.put(None)

    def wait_for_end(self) -> None:
        """Block until the end is asked for."""
        while True:
            # Not for ever: of two signals at once the kernel gives the second to another thread, and Python's
            # handlers run when this one wakes up.
            with suppress(Empty):
                return self._end.get(timeout=WAKE)
