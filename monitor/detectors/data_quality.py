"""Can the window's data be believed at all?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile
from monitor.records import Reading

_BAD_VECTORS = ("nonfinite", "zero", "wrong_dimension")


@dataclass(frozen=True, slots=True)
class DataQuality:
    """Share of a window's records or new documents that cannot be used; beyond its limits the window is ``invalid``.

    Parameters
    ----------
    bad_vectors : float
        Largest share of NaN, Inf, zero or wrong-dimension query vectors; also of scored answers with NaN or Inf among
        their scores, and of new documents whose vector is NaN, Inf or zero.
    rejected : float
        Largest share of log entries that could not be read.
    missing : float
        Largest share of records with neither a vector nor a text that could be embedded.

    Notes
    -----
    Bad data makes a window invalid and visible; it never becomes a silent NaN, and good records beside it are kept.

    Examples
    --------
    >>> DataQuality().name
    'data_quality'
    """

    name: ClassVar[str] = "data_quality"
    signal: ClassVar[str] = "queries"
    bad_vectors: float = 0.05
    rejected: float = 0.2
    missing: float = 0.5

    def __post_init__(self) -> None:
        for field in ("bad_vectors", "rejected", "missing"):
            if not 0.0 < getattr(self, field) <= 1.0:
                raise ValueError(f"{field} must be in (0, 1], not {getattr(self, field)}")

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window: the worst of its bad shares in units of its limit."""
        del baseline  # absolute limits: a baseline taken from bad data must not excuse bad data
        seen, rejected = profile.count("records.seen"), profile.count("records.rejected")
        sampled = profile.count("records.sampled")
        if seen + rejected == 0:
            return Reading(self.name, self.signal, 0.0, 0, status="insufficient")
        bad = {kind: profile.count(f"queries.{kind}") for kind in (*_BAD_VECTORS, "missing")}
        shares = {
            "bad_vectors": sum(bad[kind] for kind in _BAD_VECTORS) / max(1, sampled),
            "rejected": rejected / (seen + rejected),
            "missing": bad["missing"] / max(1, sampled),
        }
        # Read from the same arrays of numbers as vectors are, so one limit holds for them.
        unusable = {
            "bad_scores": (profile.count("scores.nonfinite"), profile.count("scores.answers")),
            "bad_documents": _documents(profile),
        }
        shares |= {name: part / whole for name, (part, whole) in unusable.items() if part and whole}
        beyond = {name: share / getattr(self, name, self.bad_vectors) for name, share in shares.items()}
        worst = max(beyond, key=lambda name: beyond[name])
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=max(shares.values()),
            n=seen + rejected,
            status="invalid" if beyond[worst] > 1.0 else "ok",
            detail={
                "worst": worst,
                **{f"{name}_share": share for name, share in shares.items()},
                **{name: float(count) for name, count in bad.items() if count},
                "duplicates": float(profile.count("records.duplicates")),
                "hits_without_scores": float(profile.count("scores.missing")),
            },
        )


def _documents(profile: Profile) -> tuple[int, int]:
    """Return how many of the new documents have no usable vector, and how many there are."""
    bad = profile.count("corpus.nonfinite") + profile.count("corpus.zero")
    return bad, bad + profile.count("corpus.n")
