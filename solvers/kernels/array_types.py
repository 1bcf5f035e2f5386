"""Names for arrays, in annotations, by the numbers that they hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]  # 64 bits of a table each
Masks = NDArray[np.uint32]  # which items a sum takes, a bit for each
Images = NDArray[np.int32]  # numbers rounded to 31 bits: see ``row_numbers``
