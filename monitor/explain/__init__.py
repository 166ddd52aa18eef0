"""A window's verdict for people: in sentences, with what moved, what stood still, and what to do next."""

from monitor.explain.cells import MovedCell, moved_cells
from monitor.explain.events import offer_baselines, tell_events
from monitor.explain.sentences import CAUSES, Told, tell

__all__ = ["CAUSES", "MovedCell", "Told", "moved_cells", "offer_baselines", "tell", "tell_events"]
