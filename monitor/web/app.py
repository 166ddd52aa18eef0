"""The HTTP routes: metrics, health, readiness, the status page and its JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from monitor.errors import DriftmonError
from monitor.web.actions import UNLOCKED, Actions, ask_to_sign_in
from monitor.web.actions import WRITES as FORMS
from monitor.web.guard import Guard
from monitor.web.limits import Limits
from monitor.web.page import render_page
from monitor.web.pages import Pages
from monitor.web.rendering import asset
from monitor.web.telling import WRITES as TOLD
from monitor.web.telling import Telling

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from monitor.web.desk import Desk
    from monitor.web.tokens import TokenFile

    Endpoint = Callable[[Request], Awaitable[Response]]

SECURITY_HEADERS = {
    # The pages need their own style sheet, their own scripts and the empty icon; nothing that stands in a page runs.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# Only where TLS is spoken: a browser ignores it elsewhere. Sub-domains are not ours to decide about.
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")


def create_app(
    *,
    metrics: Callable[[str], tuple[bytes, str]],
    alive: Callable[[], str | None],
    ready: Callable[[], str | None],
    status: Callable[[], Mapping[str, Any]],
    token: TokenFile | None = None,
    limits: Limits | None = None,
    desk: Desk | None = None,
) -> ASGIApp:
    """Return the ASGI application.

    ``metrics`` gets the ``Accept`` header and returns body and content type. ``alive`` and ``ready`` return
    what is wrong in a few words, or None. ``status`` returns what :func:`monitor.web.status.summarize` makes.
    ``alive`` is called on the event loop and must not wait for anything: when the database hangs, and with
    it every ``ready`` and ``status`` in the thread pool, liveness still answers. ``token`` is asked for on every
    route but the probes; without it the routes are open. ``limits`` are the defaults of `Limits` where not given.
    ``desk`` reads the past and acts for the pages of collections and incidents; without it there is the overview alone.
    """

    async def answer_metrics(request: Request) -> Response:
        body, content_type = await run_in_threadpool(metrics, request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    async def answer_healthy(_: Request) -> Response:
        try:
            return _health(alive())
        except Exception as error:  # noqa: BLE001 - a liveness check that breaks is itself the answer
            return _health(f"the liveness check failed: {_reason(error)}")

    async def answer_ready(_: Request) -> Response:
        try:
            return _health(await run_in_threadpool(ready))
        except Exception as error:  # noqa: BLE001 - likewise
            return _health(f"the readiness check failed: {_reason(error)}")

    async def answer_status(_: Request) -> Response:
        return JSONResponse(await run_in_threadpool(status))

    async def answer_page(_: Request) -> Response:
        return HTMLResponse(render_page(await run_in_threadpool(status)))

    style = asset("style.css")

    async def answer_style(_: Request) -> Response:
        return Response(style, media_type="text/css", headers={"Cache-Control": "max-age=300"})

    endpoints: dict[str, Endpoint] = {
        "/": answer_page,
        "/metrics": answer_metrics,
        "/-/healthy": answer_healthy,
        "/-/ready": answer_ready,
        "/api/v1/status": answer_status,
        "/style.css": answer_style,
    }
    routes = [Route(path, endpoint, methods=["GET"]) for path, endpoint in endpoints.items()]
    guard: dict[str, Any] = {}
    if desk is not None:
        pages = Pages(desk, status)
        actions, telling = Actions(desk, pages.reader), Telling(desk, pages.reader)
        # First come, first served: the overview with links stands before the one without.
        routes = [*pages.routes(), *actions.routes(), *telling.routes(), *routes]
        guard = {"writes": FORMS | TOLD, "unlocked": UNLOCKED, "ask": ask_to_sign_in}
    app = Starlette(routes=routes, exception_handlers={Exception: _answer_failure})
    # A redirect to the path with or without a slash would repeat the client's Host header.
    app.router.redirect_slashes = False
    return _with_security_headers(Guard(app, token, limits or Limits(), **guard))


def _health(problem: str | None) -> Response:
    return PlainTextResponse("ok\n" if problem is None else f"{problem}\n", 200 if problem is None else 503)


def _reason(error: Exception) -> str:
    """Our errors are written for people; the text of others may hold a secret: only their type is told."""
    return str(error) if isinstance(error, DriftmonError) else type(error).__name__


def _answer_failure(_: Request, error: Exception) -> Response:
    return PlainTextResponse(f"driftmon could not answer: {_reason(error)}\n", 500)


def _with_security_headers(app: ASGIApp) -> ASGIApp:
    """Wrap the whole application, so that a 404, a 405 and a 500 carry the headers as well."""
    ours = {name.lower().encode(): value.encode() for name, value in SECURITY_HEADERS.items()}

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        strict = [STRICT_TRANSPORT] if scope.get("scheme") == "https" else []

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                extra = [(name, value) for name, value in ours.items() if name not in given]
                message = {**message, "headers": [*message["headers"], *extra, *strict]}
            await send(message)

        await app(scope, receive, send_with_headers)

    return wrapped
