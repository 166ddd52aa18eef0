"""The long-running process: a tick plans and publishes, a crew works windows, signals reload and end it politely."""

from __future__ import annotations

from monitor.daemon.crew import Crew
from monitor.daemon.daemon import Daemon
from monitor.daemon.snapshot import take_snapshot

__all__ = ["Crew", "Daemon", "take_snapshot"]
