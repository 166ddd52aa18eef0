"""When documents arrive: carried from window to window, in the windows' own time."""

from __future__ import annotations

from dataclasses import replace

from monitor.profile import Profile, counts_profile
from monitor.records import Ingest, Window


def watch_ingest(before: Ingest | None, window: Window, look: Profile) -> Ingest | None:
    """Return what is known of arrivals after one window's look at the index; ``before`` where it did not look.

    A document arrived when the index has more of them, or more new since the baseline, than at the look before.
    The time between two arrivals is a gap. The first look has nothing to compare with and opens the watch.
    """
    if not look.count("corpus.looked"):
        return before
    size, new = look.count("corpus.size"), look.count("corpus.new")
    if before is None:
        return Ingest(since=window.end, newest=window.end, size=size, new=new)
    if size <= before.size and new <= before.new:
        return replace(before, size=size, new=new)
    gap = (window.end - before.newest).total_seconds()
    first = before.newest == before.since  # from the opening of the watch to the first arrival is no gap
    return replace(
        before,
        newest=window.end,
        size=size,
        new=new,
        gaps=before.gaps + (not first),
        longest=before.longest if first else max(before.longest, gap),
    )


def skip_ingest(before: Ingest | None, window: Window) -> Ingest | None:
    """Return the watch after a window made up late: the index of today says nothing of that time."""
    return None if before is None else replace(before, newest=max(before.newest, window.end))


def profile_ingest(basis: str, ingest: Ingest | None, window: Window) -> Profile:
    """Return the silence up to the window's end and what it is held against, in whole seconds."""
    if ingest is None:
        return Profile(basis)
    return counts_profile(
        basis,
        ingest__looked=1,
        ingest__silent=round(max(0.0, (window.end - ingest.newest).total_seconds())),
        ingest__longest=round(ingest.longest),
        ingest__gaps=ingest.gaps,
        ingest__watched=round(max(0.0, (window.end - ingest.since).total_seconds())),
    )
