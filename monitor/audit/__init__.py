"""The audit of a collection: what its own quiet history says of false alarms, and of what would be found."""

from monitor.audit.examination import Terms, examine
from monitor.audit.findings import Audit, Level, Rate, Replayed
from monitor.audit.history import QuietWindow, read_history
from monitor.audit.power import HORIZONS, Found

__all__ = [
    "HORIZONS",
    "Audit",
    "Found",
    "Level",
    "QuietWindow",
    "Rate",
    "Replayed",
    "Terms",
    "examine",
    "read_history",
]
