"""Retrieval Drift Monitor: watches production vector search and names the cause when its results drift."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("retrieval-drift-monitor")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"
