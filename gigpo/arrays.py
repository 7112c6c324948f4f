"""Array types, and the largest number, used throughout `anchorgym.gigpo`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

LARGEST = 1e300
"""No number of a batch is larger: sums over a million rows of it are finite in float64."""
