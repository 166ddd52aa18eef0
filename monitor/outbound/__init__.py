"""HTTP to the outside that cannot be turned against the network this process stands in."""

from __future__ import annotations

from monitor.outbound.client import Answer, Outbound

__all__ = ["Answer", "Outbound"]
