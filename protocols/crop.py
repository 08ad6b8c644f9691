"""The square of custom pictures that models receive: the head, framed like their training data, or the center.

FOMM's preprocessing of VoxCeleb takes the smallest box around the face boxes of a clip (the tube), enlarges it and
makes it a square. The same is done here with the outlines of 68 landmarks in a few frames. `SCALE` and `SHIFT` were
measured on pictures that are framed that way (docs/protocols.md, "Crop").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

Mode = Literal["face", "center", "none"]
MODES: tuple[Mode, ...] = ("face", "center", "none")
Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels; the right and lower edge are not in it

LOOKS = 9  # frames of a clip with face detection
SCALE = 1.8  # side of the square over the longer side of the tube
SHIFT = 0.2  # how far the square's center is above the tube's, over the same
OVERLAP = 0.25  # least intersection over union of two boxes of one person, as in FOMM's preprocessing
FRAMED = 0.75  # a square frame is framed already if the square around its head has this share of its side


class FaceFinder(Protocol):
    """Find the largest face of a frame."""

    @property
    def signature(self) -> str:
        """Return one line with everything that changes its boxes."""

    def __call__(self, frame: np.ndarray) -> Sequence[float] | None:
        """Return x0, y0, x1, y1 around the landmarks of the largest face of RGB uint8 ``(H, W, 3)``, or None."""


@dataclass(frozen=True)
class Cut:
    """One clip's square.

    box: in pixels. how: ``face``; ``framed`` (the whole frame, since the face already fills it); ``center`` (no face
    was found). size: (height, width) of the checked frames. looked: number of checked frames; faces: of those with the
    box's face; others: of those with another face.
    """

    box: Box
    how: Literal["face", "framed", "center"]
    size: tuple[int, int]
    looked: int
    faces: int
    others: int = 0

    def misfit(self, size: tuple[int, int]) -> str:
        """Return why the box does not apply to a frame of this (height, width); empty if it does."""
        if size == self.size:
            return ""
        return f"{size[1]}x{size[0]} pixels, but the face's box is for frames of {self.size[1]}x{self.size[0]}"

    def __str__(self) -> str:
        height, width = self.size
        return f"{self.how} {','.join(map(str, self.box))} of {width}x{height}, face in {self.faces} of {self.looked}"


def mode(text: str) -> Mode | None:
    """Return the mode of this name, in either spelling; None for an unknown name."""
    text = "center" if text == "centre" else text
    return next((known for known in MODES if known == text), None)


def looks(count: int) -> list[int]:
    """Return the numbers of the frames, of `count`, with face detection: evenly spaced, at most `LOOKS`."""
    return sorted({(2 * k + 1) * count // (2 * LOOKS) for k in range(LOOKS)}) if count else []


def find(frames: Iterable[np.ndarray], finder: FaceFinder, always: bool = False) -> Cut:
    """Return the square of a clip with frames RGB uint8 ``(H, W, 3)``, at least one, of one size.

    always: crop around the face even if the face fills a square frame.
    """
    size, found, looked = (0, 0), [], 0
    for frame in frames:
        size, looked = frame.shape[:2], looked + 1
        if (face := finder(frame)) is not None:
            found.append(face)
    if not found:
        return Cut(center_box(*size), "center", size, looked, 0)
    same = _one_person(np.array(found, dtype=np.float64))
    box = head_box(same, *size)
    counts = (size, looked, len(same), len(found) - len(same))
    if size[0] == size[1] and not always and box[2] - box[0] >= FRAMED * size[1]:
        return Cut((0, 0, size[1], size[0]), "framed", *counts)
    return Cut(box, "face", *counts)


def head_box(faces: np.ndarray, height: int, width: int) -> Box:
    """Return the square around a head from face boxes ``(N, 4)``, N >= 1, in frames of one size.

    Its side is `SCALE` times the longer side of the box around all faces, and it is moved up by `SHIFT` times that
    longer side. It is limited to the frame's shorter side and moved inside the frame, so it needs no padding.
    """
    (x0, y0), (x1, y1) = faces[:, :2].min(0), faces[:, 2:].max(0)
    long = max(x1 - x0, y1 - y0)
    side = max(min(round(SCALE * long), height, width), 1)
    left = _inside((x0 + x1 - side) / 2, side, width)
    top = _inside((y0 + y1 - side) / 2 - SHIFT * long, side, height)
    return left, top, left + side, top + side


def center_box(height: int, width: int) -> Box:
    """Return the largest centered square."""
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return left, top, left + side, top + side


def cut(image: np.ndarray, box: Box) -> np.ndarray:
    """Return a box of an image ``(H, W, 3)``, as a copy unless it is the whole image."""
    x0, y0, x1, y1 = box
    return np.ascontiguousarray(image[y0:y1, x0:x1])


def center_square(image: np.ndarray) -> np.ndarray:
    """Return the largest centered square of an image ``(H, W, 3)``."""
    return cut(image, center_box(*image.shape[:2]))


def _inside(start: float, side: int, length: int) -> int:
    return min(max(round(start), 0), length - side)


def _one_person(faces: np.ndarray) -> np.ndarray:
    """Return the faces that overlap the one with the most overlaps (the first of equal ones): no passers-by."""
    low = np.maximum(faces[:, None, :2], faces[None, :, :2])
    high = np.minimum(faces[:, None, 2:], faces[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(-1)
    area = (faces[:, 2:] - faces[:, :2]).prod(-1)
    near = common >= OVERLAP * (area[:, None] + area[None] - common)
    return faces[near[near.sum(1).argmax()]]
