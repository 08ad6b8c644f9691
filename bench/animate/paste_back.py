"""`animate --paste-back`: LivePortrait's crop of a photograph, and its result pasted back into it, frame by frame.

`baselines.liveportrait.crop` has the published program's numbers. Here dlib's 68 landmarks say where the face is; that
program takes 106 of InsightFace, whose models may be used for research only. Both reach from the brows to the chin, so
the squares are near one another, and not the same.
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
    """The photograph as the published program takes it, its crop, and the way back.

    image: RGB uint8 ``(H, W, 3)`` of even sides. source: the crop as the network sees it, float32 ``(256, 256, 3)`` in
    [0, 1]. side: of the frames that are pasted.
    """

    side = crop.CROP

    def __init__(self, photograph: np.ndarray, what: str) -> None:
        """Raises UserError, beginning with `what`, where no face is found."""
        self.image = bounded(photograph)
        (found,) = Dlib68().detect(self.image[None])
        if found.values is None:
            raise UserError(f"{what}: no face found, which --paste-back needs", code="no-face")
        matrix = crop.to_crop(crop.square(found.values * (self.image.shape[1] / WIDTH), SCALE, SHIFT))
        self._back = crop.inverse(matrix)
        self.source = crop.source_input(crop.cut(self.image, matrix)).astype(np.float32) / 255

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames that are written."""
        height, width = self.image.shape[:2]
        return height, width

    def frame(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """The photograph with one result, uint8 ``(512, 512, 3)``, in its place."""
        (result,) = pictures
        return crop.paste(result, self.image, self._back)


def bounded(photograph: np.ndarray) -> np.ndarray:
    """A photograph ``(H, W, 3)`` with sides of `LONGEST` at most, bilinear, and even, cut on the right and below."""
    height, width = photograph.shape[:2]
    if (longer := max(height, width)) > LONGEST:
        small = [LONGEST if side == longer else int(side * LONGEST / longer) for side in (width, height)]
        photograph = cv2.resize(photograph, small, interpolation=cv2.INTER_LINEAR)
    height, width = (side - side % 2 for side in photograph.shape[:2])
    return np.ascontiguousarray(photograph[:height, :width])
