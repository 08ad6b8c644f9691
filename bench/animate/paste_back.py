"""`animate --paste-back`: LivePortrait's crop of a photograph, and its result pasted back into it, frame by frame.

`baselines.liveportrait.crop` has the published program's constants. Here dlib's 68 landmarks locate the face; the
published program uses InsightFace's 106, whose models are licensed for research only. Both reach from the brows to the
chin, so the squares are similar but not equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from baselines.liveportrait import crop
from bench.detectors.dlib68 import WIDTH, Dlib68
from bench.runtime.errors import UserError

LONGEST = 1280  # pixels of the longer side of a photograph, as published
SCALE, SHIFT = 2.3, -0.125  # of the crop around a source, as published


class PasteBack:
    """The photograph as in the published program, its crop, and the transform back.

    image: RGB uint8 ``(H, W, 3)`` with even sides. source: the network's input, float32 ``(256, 256, 3)`` in [0, 1].
    side: size of the frames to paste, in pixels.
    """

    side = crop.CROP

    def __init__(self, photograph: np.ndarray, what: str) -> None:
        """Crop the photograph. Raises UserError, starting with `what`, if no face is found."""
        self.image = bounded(photograph)
        (found,) = Dlib68().detect(self.image[None])
        if found.values is None:
            raise UserError(f"{what}: no face found; --paste-back needs one", code="no-face")
        matrix = crop.to_crop(crop.square(found.values * (self.image.shape[1] / WIDTH), SCALE, SHIFT))
        self._back = crop.inverse(matrix)
        self.source = crop.source_input(crop.cut(self.image, matrix)).astype(np.float32) / 255

    @property
    def size(self) -> tuple[int, int]:
        """Return (height, width) of the output frames."""
        height, width = self.image.shape[:2]
        return height, width

    def frame(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Paste one result, uint8 ``(512, 512, 3)``, into the photograph."""
        (result,) = pictures
        return crop.paste(result, self.image, self._back)


def bounded(photograph: np.ndarray) -> np.ndarray:
    """Resize a photograph ``(H, W, 3)`` to at most `LONGEST` (bilinear); crop right and bottom to even sides."""
    height, width = photograph.shape[:2]
    if (longer := max(height, width)) > LONGEST:
        small = [LONGEST if side == longer else int(side * LONGEST / longer) for side in (width, height)]
        photograph = cv2.resize(photograph, small, interpolation=cv2.INTER_LINEAR)
    height, width = (side - side % 2 for side in photograph.shape[:2])
    return np.ascontiguousarray(photograph[:height, :width])
