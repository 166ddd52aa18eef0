"""The pages of collections and incidents, for people and as JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from monitor.errors import EdgeError
from monitor.web.desk import Desk, Reader
from monitor.web.entrance import Entrance
from monitor.web.page import Visit, render_page
from monitor.web.rendering import ASSETS, asset, render

if TYPE_CHECKING:
    from starlette.requests import Request

SPANS = (1, 7, 30, 90, 400)
"""Days that a collection's page can show; the second unless asked otherwise."""
TEXT_SECONDS = 20.0
"""How long reading the log again for words and examples may take."""
DONE = {
    "promoted": "The baseline is in use; evidence starts anew.",
    "silenced": "Silenced: nobody is told of it until the silence ends.",
    "acknowledged": "Acknowledged.",
    "in": "You are signed in.",
    "out": "You are signed out.",
}
"""What an action has done, by the word that stands in the address: no text comes out of an address."""
_PLACE = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.=%~-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.=%~-]*)*)?")


@dataclass(frozen=True, slots=True)
class Pages:
    """Answers for the pages; ``status`` is the last snapshot, which needs no database."""

    desk: Desk
    status: Callable[[], Mapping[str, Any]]
    reader: Reader = field(default_factory=Reader)

    def routes(self) -> list[Route]:
        """Return the routes; a segment's name has a slash of its own."""
        return [
            Route("/", self.overview),
            Route("/collections/{name:path}", self.collection),
            Route("/incidents/{identifier:int}", self.incident),
            Route("/api/v1/collections/{name:path}", self.collection_json),
            Route("/api/v1/incidents/{identifier:int}", self.incident_json),
            Route("/assets/{name}", self.asset),
        ]

    async def overview(self, request: Request) -> Response:
        """Show all collections as of the last snapshot."""
        status = self.status()
        visit = visit_of(request, status)
        return HTMLResponse(await run_in_threadpool(render_page, status, visit))

    async def collection(self, request: Request) -> Response:
        """Show one collection over time; the last snapshot alone where the store cannot be read."""
        status, days = self.status(), _days(request)
        view, trouble = await self._collection(request, status, days)
        if view is None:
            return missing(request, f"No collection {request.path_params['name']!r} is watched.")
        visit = visit_of(request, status, trouble)
        # Some hundred milliseconds where there is much to draw: not on the loop that answers the probes.
        return HTMLResponse(await run_in_threadpool(render_collection, view, visit, days))

    async def collection_json(self, request: Request) -> Response:
        """Return one collection over time as JSON."""
        view, trouble = await self._collection(request, self.status(), _days(request))
        if view is None:
            return JSONResponse({"error": "no such collection"}, 404)
        return JSONResponse({**view, "trouble": trouble or None})

    async def incident(self, request: Request) -> Response:
        """Show one incident."""
        visit = visit_of(request, self.status())
        texts = visit.session is not None and request.query_params.get("examples") == "1"
        try:
            view = await self._incident(request, texts=texts)
        except EdgeError as error:
            return message(request, 503, "The store cannot be read now", str(error))
        if view is None:
            return missing(request, f"No incident {request.path_params['identifier']} is kept.")
        return HTMLResponse(render_incident(view, visit))

    async def incident_json(self, request: Request) -> Response:
        """Return one incident as JSON."""
        try:
            view = await self._incident(request, texts=False)
        except EdgeError as error:
            return JSONResponse({"error": str(error)}, 503)
        return JSONResponse({"error": "no such incident"}, 404) if view is None else JSONResponse(view)

    async def asset(self, request: Request) -> Response:
        """Return a script of ours or the chart library."""
        name = request.path_params["name"]
        if name not in ASSETS:
            return missing(request, "There is no such file.")
        kept = {"Cache-Control": "private, max-age=3600"}
        return Response(asset(name), media_type=ASSETS[name], headers=kept)

    async def _collection(
        self, request: Request, status: Mapping[str, Any], days: int
    ) -> tuple[Mapping[str, Any] | None, str]:
        name = request.path_params["name"]
        try:
            return await self.reader.ask(lambda: self.desk.collection(name, days)), ""
        except EdgeError as error:
            row = next((row for row in status["collections"] if row["collection"] == name), None)
            return (None if row is None else remembered(row)), str(error)

    async def _incident(self, request: Request, *, texts: bool) -> Mapping[str, Any] | None:
        identifier = request.path_params["identifier"]
        if identifier >= 2**63:  # no database has such a number
            return None
        return await self.reader.ask(
            lambda: self.desk.incident(identifier, texts=texts), TEXT_SECONDS if texts else None
        )


def render_collection(view: Mapping[str, Any], visit: Visit, days: int) -> str:
    """Return the page of a collection."""
    evidence = {f"{e['detector']}.{e['signal']}": e for e in view["evidence"]}
    firing = {key for key, e in evidence.items() if e["firing"]}
    ordered = sorted(view["readings"], key=lambda r: f"{r['detector']}.{r['signal']}" not in firing)
    view = {**view, "readings": ordered}
    return render("collection.html", visit=visit, view=view, evidence=evidence, days=days, spans=SPANS)


def render_incident(view: Mapping[str, Any], visit: Visit) -> str:
    """Return the page of an incident."""
    ask = visit.session is not None and not view["texts"]
    return render("incident.html", visit=visit, view={**view, "can_read_texts": ask})


def remembered(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the page of a collection as far as the last snapshot knows it."""
    incidents = [
        {**i, "confidence": row["causes"][0]["confidence"] if row["causes"] else 0.0, "acknowledged_at": None}
        for i in row["incidents"]
    ]
    nothing: dict[str, Any] = {
        k: [] for k in ("streams", "past", "events", "baselines", "silences", "offers")
    }
    return {**row, **nothing, "history": False, "past_incidents": incidents}


def visit_of(request: Request, status: Mapping[str, Any], trouble: str = "") -> Visit:
    """Return what the pages need to know of a request."""
    entrance: Entrance = request.scope["driftmon.entrance"]
    return Visit(
        root="../" * (request.scope["raw_path"].count(b"/") - 1),
        session=entrance.session(request.scope),
        locked=entrance.token is not None,
        links=True,
        said=DONE.get(request.query_params.get("said", ""), ""),
        trouble=trouble or status.get("trouble") or "",
        at=status.get("at"),
    )


def missing(request: Request, text: str) -> Response:
    """Return that something is not there."""
    return message(request, 404, "Not found", text)


def message(request: Request, code: int, title: str, text: str) -> Response:
    """Return a page that says one thing."""
    visit = visit_of(request, {})
    return HTMLResponse(render("message.html", visit=visit, title=title, text=text), code)


def safe_place(place: str) -> str:
    """Return a path below the root to go to, "" for one that could lead elsewhere.

    >>> safe_place("incidents/3"), safe_place("//evil.example"), safe_place("https:evil")
    ('incidents/3', '', '')
    """
    return place if _PLACE.fullmatch(place) else ""


def _days(request: Request) -> int:
    asked = request.query_params.get("days", "")
    return int(asked) if asked in map(str, SPANS) else SPANS[1]
