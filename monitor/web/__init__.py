"""Health, metrics and status over HTTP."""

from __future__ import annotations

from monitor.web.app import create_app
from monitor.web.server import Server, serve
from monitor.web.status import summarize

__all__ = ["Server", "create_app", "serve", "summarize"]
