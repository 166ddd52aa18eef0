"""Health, metrics and status over HTTP."""

from __future__ import annotations

from monitor.web.app import create_app
from monitor.web.desk import Desk
from monitor.web.guard import exposed
from monitor.web.limits import Limits
from monitor.web.server import Server, serve
from monitor.web.status import summarize
from monitor.web.tls import Tls
from monitor.web.tokens import TokenFile

__all__ = ["Desk", "Limits", "Server", "Tls", "TokenFile", "create_app", "exposed", "serve", "summarize"]
