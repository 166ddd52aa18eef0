"""The array types that numbers travel in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
VectorArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
CountArray = IntArray | FloatArray
"""Counts, or weighted counts where some of them are worth less than one."""
