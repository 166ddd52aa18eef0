"""One small tree of errors; every message names what, where and the mend."""

from __future__ import annotations


class DriftmonError(Exception):
    """Root of what driftmon raises on purpose; its text is safe to show to people (it holds no secret)."""

    exit_code = 2


class ConfigError(DriftmonError):
    """The configuration is wrong: the message gives the dotted path, the value and the mend."""


class BaselineError(DriftmonError):
    """A baseline cannot be built, found or used."""


class MergeError(DriftmonError):
    """Two profiles that were measured on different baselines cannot be merged."""


class EdgeError(DriftmonError):
    """A system outside this process (log, embedder, index, notifier, store) failed or refused."""

    exit_code = 3


class UnsentError(EdgeError):
    """A system outside this process could not be reached: it has received nothing."""


class EdgeTimeoutError(EdgeError):
    """A system outside this process did not answer in its time."""


class StoreError(EdgeError):
    """The monitor's own database failed, or its schema is not the one this release needs."""


class LeaseLostError(StoreError):
    """Another worker owns the window now; this worker's result must not be kept."""
