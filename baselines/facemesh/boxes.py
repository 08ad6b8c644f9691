"""The choice of a face if a frame has several: one rule for all face detectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FACE_RULE = "largest,leftmost,topmost"  # in the signature of every detector that chooses with `largest_face`


def largest_face(boxes: Sequence[Sequence[float]] | np.ndarray) -> int:
    """Return the index of the largest box; of equal areas the leftmost, then the topmost.

    boxes: N >= 1 rows that start with x0, y0, x1, y1.
    """
    x0, y0, x1, y1 = np.asarray(boxes, dtype=np.float64)[:, :4].T
    return int(np.lexsort((y0, x0, -(x1 - x0) * (y1 - y0)))[0])
