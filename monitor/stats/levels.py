"""How finely vectors are graded: few distinct values in a row mean that they went through a coarse number format."""

from __future__ import annotations

import numpy as np

from monitor.stats.arrays import FloatArray, VectorArray


def count_levels(rows: VectorArray) -> FloatArray:
    """Return how many distinct values each row of ``(n, d)`` has, ``(n,)`` float64.

    float32 gives nearly d of them, int8 by one scale at most 255 whatever d is, and scaling a row changes nothing.

    >>> import numpy as np
    >>> count_levels(np.array([[0.5, 0.25, 0.5, -0.0], [1, 2, 3, 4]], dtype=np.float32)).tolist()
    [3.0, 4.0]
    """
    if not rows.shape[1]:
        return np.zeros(len(rows))
    ordered = np.sort(rows, axis=1)
    levels: FloatArray = 1.0 + np.count_nonzero(ordered[:, 1:] != ordered[:, :-1], axis=1)
    return levels
