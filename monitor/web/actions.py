"""What people do on the pages: sign in and out, promote a baseline, silence, acknowledge. Forms, no script."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from monitor.errors import DriftmonError, EdgeError
from monitor.web.desk import Desk, Reader
from monitor.web.entrance import FOREIGN, Entrance, same_origin
from monitor.web.limits import network
from monitor.web.page import Visit
from monitor.web.pages import message, safe_place
from monitor.web.refusal import Refusal
from monitor.web.rendering import collection_path, render
from monitor.web.sessions import bake

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Scope

    Form = Mapping[str, str]

FIELDS = 20
WRITES = frozenset({"/login", "/logout", "/actions/promote", "/actions/silence", "/actions/acknowledge"})
UNLOCKED = frozenset({"/login", "/style.css"})


@dataclass(frozen=True, slots=True)
class Actions:
    """Answers the forms of the pages."""

    desk: Desk
    reader: Reader

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/login", self.show_login),
            Route("/login", self.login, methods=["POST"]),
            Route("/logout", self.logout, methods=["POST"]),
            Route("/actions/promote", self.promote, methods=["POST"]),
            Route("/actions/silence", self.silence, methods=["POST"]),
            Route("/actions/acknowledge", self.acknowledge, methods=["POST"]),
        ]

    async def show_login(self, request: Request) -> Response:
        """Show the form to sign in."""
        return HTMLResponse(_login_page(request.scope, ""))

    async def login(self, request: Request) -> Response:
        """Open a session for who shows the token."""
        form = await read_form(request)
        entrance: Entrance = request.scope["driftmon.entrance"]
        client = network(request.client.host) if request.client else ""
        place = safe_place(form.get("next", ""))
        cookie = entrance.sign_in(request.scope, client, form.get("token", "").strip(), form.get("name", ""))
        if isinstance(cookie, Refusal):
            answer = HTMLResponse(_login_page(request.scope, place, cookie.text), cookie.status)
            for name, value in cookie.headers:
                answer.headers.append(name, value)
            return answer
        return _go(request, f"{place}?said=in", bake(cookie, secure=request.scope.get("scheme") == "https"))

    async def logout(self, request: Request) -> Response:
        """End a session."""
        form = await read_form(request)
        if (refusal := refuse_form(request, form)) is not None:
            return refusal
        return _go(request, "login", bake("", secure=False, lasts=0))

    async def promote(self, request: Request) -> Response:
        """Put a baseline in use."""

        def act(form: Form, by: str) -> str:
            self.desk.promote(form["collection"], _number(form["baseline"]), by, form.get("reason", ""))
            return f"{collection_path(form['collection'])}?said=promoted"

        return await self._act(request, act)

    async def silence(self, request: Request) -> Response:
        """Let nobody be told for a while."""

        def act(form: Form, by: str) -> str:
            name = form["collection"]
            self.desk.silence(name, form.get("cause", ""), form["span"], by, form.get("reason", ""))
            return f"{collection_path(name)}?said=silenced"

        return await self._act(request, act)

    async def acknowledge(self, request: Request) -> Response:
        """Note that somebody works on an incident."""

        def act(form: Form, by: str) -> str:
            self.desk.acknowledge(_number(form["incident"]), by)
            return f"incidents/{_number(form['incident'])}?said=acknowledged"

        return await self._act(request, act)

    async def _act(self, request: Request, act: Callable[[Form, str], str]) -> Response:
        form = await read_form(request)
        if (refusal := refuse_form(request, form)) is not None:
            return refusal
        session = request.scope["driftmon.entrance"].session(request.scope)
        by = (session.name if session else "") or "status page"
        try:
            return _go(request, await self.reader.ask(lambda: act(form, by)))
        except KeyError as error:
            return message(request, 422, "Not done", f"The form lacks the field {error.args[0]}.")
        except EdgeError as error:
            return message(request, 503, "Not done", str(error))
        except DriftmonError as error:
            return message(request, 422, "Not done", str(error))


async def read_form(request: Request) -> dict[str, str]:
    """Return a form's fields; its size has been limited already. What is no form is an empty one."""
    if (
        request.headers.get("content-type", "").partition(";")[0].strip()
        != "application/x-www-form-urlencoded"
    ):
        return {}
    try:
        text = (await request.body()).decode()
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS))
    except ValueError:
        return {}


def refuse_form(request: Request, form: Form) -> Response | None:
    """Return why a form is not taken, or None: it must come from a page of ours, in a session that holds."""
    session = request.scope["driftmon.entrance"].session(request.scope)
    shown = form.get("csrf", "").encode("utf-8", "replace")
    right = session is not None and hmac.compare_digest(session.csrf.encode(), shown)
    if right and same_origin(request.scope):
        return None
    return message(request, 403, "Not done", FOREIGN[0].upper() + FOREIGN[1:] + ".")


def ask_to_sign_in(scope: Scope) -> Response:
    """Return what a browser is shown that comes without a token: the form, under the address that it asked for."""
    place = safe_place(scope["raw_path"].decode("ascii", "replace").lstrip("/"))
    answer = HTMLResponse(_login_page(scope, place), 401)
    answer.headers["WWW-Authenticate"] = 'Bearer realm="driftmon"'
    return answer


def _login_page(scope: Scope, place: str, problem: str = "") -> str:
    # A stranger is told nothing: neither the release nor whether anybody is signed in.
    entrance: Entrance | None = scope.get("driftmon.entrance")
    locked = entrance is None or entrance.token is not None
    visit = Visit(root="../" * (scope["raw_path"].count(b"/") - 1), locked=locked, version="")
    return render("login.html", visit=visit, next=place, problem=problem)


def _go(request: Request, place: str, cookie: str | None = None) -> Response:
    """Send a browser on to a page; the place is relative, so that no Host header is repeated."""
    up = "../" * (request.scope["raw_path"].count(b"/") - 1)
    answer = RedirectResponse((up + place) or "./", 303)
    if cookie is not None:
        answer.headers.append("Set-Cookie", cookie)
    return answer


def _number(text: str) -> int:
    # Nothing else is a number of ours: int() would take "1_0" and digits of other scripts.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
