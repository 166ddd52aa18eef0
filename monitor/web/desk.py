"""What the pages ask of the rest of the program: the past to read, and the few things that people do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from monitor.errors import EdgeTimeoutError

T = TypeVar("T")
PLACES = 4
"""Questions to the store at once; a database that hangs takes these threads and no others."""
SECONDS = 5.0
"""How long a page waits for the store before it shows the last snapshot instead."""


class Desk(Protocol):
    """Reads and acts for the pages; every method may wait for the database and raises `DriftmonError`."""

    def collection(self, name: str, days: int) -> Mapping[str, Any] | None:
        """Return the page of a collection or segment over so many days; None where there is none of that name."""

    def incident(self, identifier: int, *, texts: bool) -> Mapping[str, Any] | None:
        """Return an incident's page, with words and examples from the log where ``texts``; None for no such one."""

    def events(self, collection: str | None) -> list[dict[str, Any]]:
        """Return the newest events."""

    def record_event(self, body: bytes, by: str) -> dict[str, Any]:
        """Keep an event and return it, whether it is new, and what to do next."""

    def promote(self, collection: str, identifier: int, by: str, reason: str) -> None:
        """Put a baseline of a collection in use."""

    def silence(self, collection: str, cause: str, span: str, by: str, reason: str) -> None:
        """Let nobody be told of a collection's incidents for a while."""

    def acknowledge(self, identifier: int, by: str) -> None:
        """Note that somebody works on an incident."""


class Reader:
    """Runs questions in threads of its own: bounded in number, and in how long anybody waits for them."""

    def __init__(self, places: int = PLACES, seconds: float = SECONDS) -> None:
        self._places = threading.BoundedSemaphore(places)
        self._seconds = seconds

    async def ask(self, question: Callable[[], T], seconds: float | None = None) -> T:
        """Return the answer to a question; raises `EdgeTimeoutError` where it takes too long.

        A thread that hangs keeps its place until it ends: what a page asks for in vain costs nobody else.
        """
        if not self._places.acquire(blocking=False):
            raise EdgeTimeoutError("the store is busy with other pages; try again in some seconds")
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(question())
            except BaseException as error:  # noqa: BLE001 - it is raised where it was asked
                future.set_exception(error)
            finally:
                self._places.release()

        threading.Thread(target=work, name="driftmon-page", daemon=True).start()
        answer = asyncio.wrap_future(future)
        answer.add_done_callback(
            lambda done: done.cancelled() or done.exception()
        )  # else it is logged as lost
        try:
            limit = self._seconds if seconds is None else seconds
            return await asyncio.wait_for(asyncio.shield(answer), limit)
        except TimeoutError:
            raise EdgeTimeoutError(
                "the store does not answer in time; try again, or see its server"
            ) from None
