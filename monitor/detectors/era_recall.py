"""Does the suite still find what was there before, newcomers set aside?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from monitor.baseline.frozen import Baseline
from monitor.detectors.recall_at_k import suite_reading
from monitor.profile import Profile
from monitor.records import Reading


@dataclass(frozen=True, slots=True)
class EraRecall:
    """Recall@K recomputed over documents of the baseline's era: harmless growth does not lower it.

    Parameters
    ----------
    signal : {"suite", "index"}
        With live embeddings, or with the baseline's stored query vectors.
    effect_floor : float
        The least mean loss that counts.
    least : int
        Fewer judged queries than this are ``insufficient``.
    standing : float
        The largest share of changed stored vectors under which newcomers can be told.

    Notes
    -----
    Rankings are fetched 4 K deep and documents that joined after the baseline are left out before recall@K is taken.
    When too many stored vectors changed (a re-embed), "newcomer" can no longer be told from the ranking, and the
    plain recall is used instead. Firing is harm: users miss what they used to find.

    Examples
    --------
    >>> EraRecall("index").name
    'era_recall'
    """

    name: ClassVar[str] = "era_recall"
    signal: Literal["suite", "index"] = "suite"
    effect_floor: float = 0.02
    least: int = 10
    standing: float = 0.05

    def __post_init__(self) -> None:
        if not 0.0 <= self.effect_floor < 1.0:
            raise ValueError(f"effect_floor must be in [0, 1), not {self.effect_floor}")
        if self.least < 1:
            raise ValueError(f"least must be at least 1, not {self.least}")
        if not 0.0 <= self.standing <= 1.0:
            raise ValueError(f"standing must be in [0, 1], not {self.standing}")

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window's replay."""
        kept, changed = profile.count("corpus.kept"), profile.count("corpus.changed")
        column = "era_recall" if changed <= self.standing * kept else "recall"
        return suite_reading(
            self.name, self.signal, baseline, profile, column, self.effect_floor, self.least, harmful=True
        )
