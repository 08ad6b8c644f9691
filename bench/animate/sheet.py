"""The layout of a video frame: panels side by side, with labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.animate.frames import as_bytes
from bench.animate.input import resize

FILTER = "bilinear, as scikit-image's resize"
MARGIN = 4  # pixels between a label and the edge of its panel


@dataclass(frozen=True)
class Sheet:
    """Square panels side by side.

    side: of each panel in pixels. labels: above each panel; empty for none.
    """

    side: int
    panels: int
    labels: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Return (height, width) of the whole."""
        return self._strip.shape[0] + self.side, self.panels * self.side

    def frame(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Return a frame with one square uint8 RGB picture per panel; smaller ones are resized."""
        row = np.concatenate([enlarged(picture, self.side) for picture in pictures], axis=1)
        return np.concatenate([self._strip, row])

    @cached_property
    def _strip(self) -> np.ndarray:
        """Return the labels, white on black, ``(H, panels * side, 3)``; H is 0 without labels."""
        height = self.side // 10 if self.labels else 0
        strip = Image.new("RGB", (self.panels * self.side, height))
        draw, font = ImageDraw.Draw(strip), ImageFont.load_default(max(6.0, self.side / 16))
        for number, label in enumerate(self.labels):
            text, cut = label, len(label)
            while draw.textlength(text, font) > self.side - 2 * MARGIN and cut:
                cut -= 1
                text = f"{label[:cut]}…"
            draw.text(((number + 0.5) * self.side, height / 2), text, (255, 255, 255), font, anchor="mm")
        return np.asarray(strip)


def enlarged(picture: np.ndarray, side: int) -> np.ndarray:
    """Resize a square uint8 picture to `side` with `FILTER`, unless it has that size."""
    return picture if len(picture) == side else as_bytes(resize(picture, side))
