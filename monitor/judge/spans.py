"""Small drift over several windows: the profiles of the latest windows, merged and measured as one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from monitor.baseline.frozen import Baseline
from monitor.baseline.rhythm import match_hours
from monitor.judge.runner import measure_all
from monitor.profile import Profile, merge_all
from monitor.protocols import Detector
from monitor.records import Reading, Window

LEAST_COVERED = 0.75
"""Share of a span's windows that must be there: fewer scatter otherwise than quiet history's spans of its length."""


@dataclass(frozen=True, slots=True)
class Span:
    """A detector over the last ``windows`` windows taken together; a stream of its own.

    Spans overlap, so that their p-values do not add up: the latest alone counts (``Reading.alone``). A span is measured
    in every ``stride``-th window; what it has found stands meanwhile.
    """

    detector: Detector
    windows: int

    def __post_init__(self) -> None:
        if not 2 <= self.windows <= 1000:
            raise ValueError(f"a span has 2 to 1000 windows, not {self.windows}")

    @property
    def name(self) -> str:
        """The detector's name."""
        return self.detector.name

    @property
    def signal(self) -> str:
        """The detector's signal and how many windows: ``queries_8``."""
        return f"{self.detector.signal}_{self.windows}"

    @property
    def key(self) -> str:
        """The stream's name."""
        return f"{self.name}.{self.signal}"

    @property
    def stride(self) -> int:
        """How many windows pass from one measurement to the next."""
        return max(1, self.windows // 8)

    def due(self, window: Window) -> bool:
        """Return whether the span is measured in this window; every replica says the same."""
        number = int(window.start.timestamp() // window.length.total_seconds()) + 1
        return number % self.stride == 0

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of the merged profile, under the scatter that quiet spans of this length showed."""
        whole = f"{self.name}.{self.detector.signal}"
        known = baseline.dispersion.get(self.key)
        plain = replace(baseline, dispersion={} if known is None else {whole: known})
        return replace(self.detector.measure(plain, profile), signal=self.signal, alone=True)

    def too_short(self, profile: Profile) -> Reading:
        """Return the reading of a span of which too few windows are there."""
        n = profile.count(f"{self.detector.signal}.n")
        return Reading(self.name, self.signal, 0.0, n, status="insufficient", alone=True)


def base_key(key: str) -> str:
    """Return the stream that a span looks at several windows of; any other key as it is.

    >>> base_key("centroid_distance.queries_32"), base_key("canary.canary")
    ('centroid_distance.queries', 'canary.canary')
    """
    return re.sub(r"_\d+$", "", key)


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier window and its profile."""

    window: Window
    profile: Profile


def due_spans(spans: Sequence[Span], baseline: Baseline, window: Window) -> tuple[Span, ...]:
    """Return the spans that are measured in this window: it is their turn, and quiet history says how they scatter."""
    return tuple(s for s in spans if s.key in baseline.dispersion and s.due(window))


def longest(spans: Sequence[Span]) -> int:
    """Return how many windows the longest span takes; 0 where there is none."""
    return max((span.windows for span in spans), default=0)


def measure_spans(
    spans: Sequence[Span], baseline: Baseline, window: Window, profile: Profile, past: Sequence[Past]
) -> tuple[Reading, ...]:
    """Return the readings of spans that are due; one that has not ``LEAST_COVERED`` of its windows is insufficient.

    Parameters
    ----------
    past : sequence of Past
        Earlier windows of the same baseline, in any order; those outside a span are left out of it.
    """
    readings: list[Reading] = []
    for windows in sorted({s.windows for s in spans}):
        first = window.end - windows * window.length
        parts = [
            p for p in past if first <= p.window.start < window.start and p.profile.basis == profile.basis
        ]
        merged = merge_all(profile.basis, [*(p.profile for p in parts), profile])
        of_length = [s for s in spans if s.windows == windows]
        if len(parts) + 1 < LEAST_COVERED * windows:
            readings += [s.too_short(merged) for s in of_length]
            continue
        weights = [(p.window, float(p.profile.count("queries.n"))) for p in parts]
        matched = match_hours(baseline, [*weights, (window, float(profile.count("queries.n")))])
        readings += measure_all(of_length, matched, merged)
    return tuple(readings)
