"""LivePortrait's face crop, and pasting the result back.

Images are RGB ``(H, W, 3)`` uint8. Landmarks are in pixels: ``(106, 2)`` in InsightFace's layout, ``(203, 2)`` in
LivePortrait's own, or ``(68, 2)`` in dlib's. The numbers are those of the released program.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from baselines.liveportrait.animation import Ratios

CROP, INPUT = 512, 256  # sides in pixels: of crop and output; of the networks' input
SHORTEST = 1e-3  # pixels between eyes and lips; below, a face counts as upright
EDGE, FADE = 16, 16  # of the mask, in pixels: from the crop's border to full weight, and width of the soft edge
# Landmarks: left eye, right eye, corners of the mouth.
POINTS = {
    68: (tuple(range(36, 42)), tuple(range(42, 48)), (48, 54)),
    106: ((33, 35, 40, 39), (87, 89, 94, 93), (52, 61)),
    203: ((0, 6, 12, 18), (24, 30, 36, 42), (48, 66)),
}
# Of the 203: two points across and two along.
LEFT_EYE, RIGHT_EYE, LIP = (6, 18, 0, 12), (30, 42, 24, 36), (90, 102, 48, 66)


@dataclass(frozen=True)
class Square:
    """center: x, y ``(2,)`` in pixels; side: in pixels; angle: rotation of the face in radians."""

    center: np.ndarray
    side: float
    angle: float

    def box(self) -> np.ndarray:
        """Return left, top, right, bottom ``(4,)`` of the upright square of the same center and side."""
        return np.concatenate([self.center - self.side / 2, self.center + self.side / 2])


def square(landmarks: np.ndarray, scale: float, shift: float) -> Square:
    """Return the square around a face. scale: side over the landmarks' larger extent; shift: of the center to the chin.

    shift is in sides. The program uses 2.3 and -0.125 for sources, 2.2 and -0.1 for driving frames. Raises ValueError
    for another number of landmarks.
    """
    if len(landmarks) not in POINTS:
        raise ValueError(f"{len(landmarks)} landmarks; known layouts have {', '.join(map(str, POINTS))}")
    points = landmarks.astype(np.float64)
    left, right, corners = (points[list(chosen)].mean(0) for chosen in POINTS[len(landmarks)])
    down = corners - (left + right) / 2
    length = float(np.linalg.norm(down))
    down = down / length if length >= SHORTEST else np.array([0.0, 1.0])
    across = np.array([down[1], -down[0]])
    axes = np.stack([across, down])
    middle = points.mean(0)
    own = (points - middle) @ axes.T
    low, high = own.min(0), own.max(0)
    side = float((high - low).max()) * scale
    center = middle + (low + high) / 2 @ axes + down * shift * side
    angle = float(np.arccos(np.clip(across[0], -1, 1)))
    return Square(center, side, angle if across[1] >= 0 else -angle)


def to_crop(where: Square, turned: bool = True) -> np.ndarray:
    """Return ``(3, 3)`` float32, from pixels of the picture to those of the crop; turned: rotate the face upright."""
    factor = CROP / where.side
    angle = where.angle if turned else 0.0
    c, s = factor * np.cos(angle), factor * np.sin(angle)
    turn = np.array([[c, s], [-s, c]])
    return _affine(turn, CROP / 2 - turn @ where.center)


def box_to_crop(box: np.ndarray) -> np.ndarray:
    """Return the matrix of `to_crop` for an upright box ``(4,)``; driving frames share the mean of their boxes."""
    factor = CROP / float(box[2] - box[0])
    center = (box[:2] + box[2:]) / 2
    return _affine(factor * np.eye(2), CROP / 2 - factor * center)


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Return ``(3, 3)`` float32, from pixels of the crop to those of the picture."""
    return np.linalg.inv(matrix).astype(np.float32)


def moved(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Transform points ``(N, 2)`` by an affine ``(3, 3)``."""
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def cut(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the crop ``(512, 512, 3)``, black outside the picture."""
    return _warp(image, matrix, CROP, CROP)


def source_input(crop: np.ndarray) -> np.ndarray:
    """Resize a source's crop to the networks' input ``(256, 256, 3)``, by area averaging."""
    return cv2.resize(crop, (INPUT, INPUT), interpolation=cv2.INTER_AREA)


def driving_input(image: np.ndarray) -> np.ndarray:
    """Resize a driving frame's crop, or a picture without a crop, to the networks' input, without anti-aliasing."""
    return cv2.resize(image, (INPUT, INPUT), interpolation=cv2.INTER_LINEAR)


def mask() -> np.ndarray:
    """Return the weight of the output, ``(512, 512, 3)`` uint8: full inside, soft within `FADE` pixels of the edge."""
    position = np.arange(CROP)
    outside = np.maximum(np.maximum(EDGE - position, position - (CROP - EDGE)), 0)
    distance = np.hypot(outside[:, None], outside[None])
    weight = np.floor(255 * np.clip(1 - distance / FADE, 0, 1)).astype(np.uint8)
    return np.repeat(weight[..., None], 3, axis=2)


def placed_mask(matrix: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return `mask` in the picture, ``(height, width, 3)`` float32 in [0, 1]. matrix: of the crop, see `inverse`."""
    return _warp(mask(), matrix, height, width).astype(np.float32) / 255


def paste(output: np.ndarray, image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Paste the network's output ``(512, 512, 3)`` into the picture. matrix: of the crop, see `inverse`."""
    height, width = image.shape[:2]
    weight = placed_mask(matrix, height, width)
    mixed = weight * _warp(output, matrix, height, width) + (1 - weight) * image
    return np.clip(mixed, 0, 255).astype(np.uint8)


def ratios(landmarks: np.ndarray) -> Ratios:
    """Return the opening of eyes and lips from landmarks ``(203, 2)``: height over width."""
    return Ratios((opened(landmarks, LEFT_EYE), opened(landmarks, RIGHT_EYE)), opened(landmarks, LIP))


def opened(landmarks: np.ndarray, chosen: tuple[int, int, int, int]) -> float:
    """Return the distance of the first two of the chosen landmarks over that of the other two."""
    a, b, c, d = landmarks[list(chosen)]
    return float(np.linalg.norm(a - b) / (np.linalg.norm(c - d) + 1e-6))


def _affine(linear: np.ndarray, shift: np.ndarray) -> np.ndarray:
    matrix = np.eye(3, dtype=np.float32)
    matrix[:2, :2], matrix[:2, 2] = linear, shift
    return matrix


def _warp(image: np.ndarray, matrix: np.ndarray, height: int, width: int) -> np.ndarray:
    return cv2.warpAffine(image, matrix[:2], (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
