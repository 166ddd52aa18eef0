"""The frozen reference: what it holds, how it is built, and how a window is profiled against it."""

from monitor.baseline.build import WindowData, build_baseline
from monitor.baseline.frozen import (
    Baseline,
    CanaryReference,
    CorpusReference,
    Dispersion,
    FittedFeature,
    Population,
    SuiteReference,
)

__all__ = [
    "Baseline",
    "CanaryReference",
    "CorpusReference",
    "Dispersion",
    "FittedFeature",
    "Population",
    "SuiteReference",
    "WindowData",
    "build_baseline",
]
