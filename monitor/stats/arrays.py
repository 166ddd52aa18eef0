"""The three array types that numbers travel in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
VectorArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
