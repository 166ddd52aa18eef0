"""`/v1/events`: pipelines tell what they did to the monitored service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from monitor.errors import DriftmonError, EdgeError
from monitor.web.desk import Desk, Reader
from monitor.web.entrance import same_origin
from monitor.web.refusal import header_values

if TYPE_CHECKING:
    from starlette.requests import Request

WRITES = frozenset({"/v1/events"})


@dataclass(frozen=True, slots=True)
class Telling:
    """Takes events and lists them."""

    desk: Desk
    reader: Reader

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v1/events", self.list_events),
            Route("/v1/events", self.record, methods=["POST"]),
        ]

    async def list_events(self, request: Request) -> Response:
        """Return the newest events, all of them or those of one collection."""
        collection = request.query_params.get("collection")
        try:
            events = await self.reader.ask(lambda: self.desk.events(collection))
        except DriftmonError as error:
            return _failed(error)
        return JSONResponse({"events": events})

    async def record(self, request: Request) -> Response:
        """Keep an event: 201 where it is new, 200 where its key is known already."""
        # A browser sends a password or a cookie along with a form of any site; a bearer token never.
        schemes = [
            value.partition(" ")[0].lower() for value in header_values(request.scope, b"authorization")
        ]
        if schemes != ["bearer"] or not same_origin(request.scope):
            return JSONResponse({"error": "an event is told with Authorization: Bearer TOKEN"}, 403)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return JSONResponse({"error": "an event is sent as Content-Type: application/json"}, 415)
        body = await request.body()
        try:
            kept = await self.reader.ask(lambda: self.desk.record_event(body, "api"))
        except DriftmonError as error:
            return _failed(error)
        return JSONResponse(kept, 201 if kept["result"] == "created" else 200)


def _failed(error: DriftmonError) -> Response:
    if isinstance(error, EdgeError):
        return JSONResponse({"error": str(error)}, 503, headers={"Retry-After": "5"})
    return JSONResponse({"error": str(error)}, 422)
