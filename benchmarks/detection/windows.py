"""References and windows that every detector gets, ours and peers': positions in one array of real vectors, as .npy.

NumPy alone is imported here, since environments of peers read it as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Windows:
    """Runs of scenarios: a run has one reference and one window per scenario.

    Attributes
    ----------
    vectors : (n, d) float32
        Unit vectors of the pool's questions.
    references : (runs, N) int64
        Positions of each run's reference.
    questions : mapping
        Per scenario ``(runs, M)`` int64, positions of each run's window.
    turns : mapping
        Per scenario that has one, the ``(d, d)`` rotation that its windows go through.
    """

    vectors: NDArray[np.float32]
    references: NDArray[np.int64]
    questions: Mapping[str, NDArray[np.int64]]
    turns: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def reference(self, run: int) -> NDArray[np.float32]:
        """Return a run's reference ``(N, d)``."""
        rows: NDArray[np.float32] = self.vectors[self.references[run]]
        return rows

    def window(self, scenario: str, run: int) -> NDArray[np.float32]:
        """Return a run's window ``(M, d)`` of a scenario."""
        rows: NDArray[np.float32] = self.vectors[self.questions[scenario][run]]
        return rows @ self.turns[scenario] if scenario in self.turns else rows

    def save(self, folder: Path) -> None:
        """Write everything as .npy files."""
        for name, array in self._arrays().items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Windows:
        """Return what :meth:`save` wrote."""
        arrays = {path.stem: np.load(path, allow_pickle=False) for path in sorted(folder.glob("*.npy"))}

        def of(kind: str) -> dict[str, NDArray[Any]]:
            return {
                name.partition(" ")[2]: array for name, array in arrays.items() if name.startswith(f"{kind} ")
            }

        return cls(arrays["vectors"], arrays["references"], of("questions"), of("turn"))

    @property
    def fingerprint(self) -> str:
        """What results must share to be results on the same windows."""
        digest = hashlib.sha256()
        for name, array in sorted(self._arrays().items()):
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "vectors": self.vectors,
            "references": self.references,
            **{f"questions {name}": array for name, array in self.questions.items()},
            **{f"turn {name}": array for name, array in self.turns.items()},
        }
