"""Python's garbage collector, told what a daemon's memory looks like."""

from __future__ import annotations

import gc

YOUNG = 50_000
"""Containers that may be made before the collector looks at them; a window of 1,000 records makes about 10,000."""


def calm_collector() -> None:
    """Let the collector pass over what stays as long as the process does, and look less often at what is new.

    Rows, records and readings are freed by their reference counts; the collector, which looks after every 700 new
    containers, finds nothing among them. Cycles are still found.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
