"""Face detection by BlazeFace (Bazarevsky et al., CVPR 2019 workshop on computer vision for AR/VR; arXiv:1907.05047).

Two of Google's networks: the short-range one, and the full-range one if the first finds nothing. Decoding, threshold
and merging as in the paper: overlapping boxes become their mean, weighted by score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from baselines.facemesh.boxes import largest_face
from baselines.facemesh.litert import Network, sigmoid

OVERLAP = 0.3
EYES = slice(4, 8)  # in a face's numbers: x and y of the eyes, the picture's left one first


@dataclass(frozen=True)
class _Finder:
    """One network.

    side: of its input in pixels. grids: (cells per side, anchors per cell), in the order of its outputs.
    score: least score of a face, as in MediaPipe.
    """

    network: Network
    side: int
    grids: tuple[tuple[int, int], ...]
    score: float


FINDERS = (
    _Finder(Network("face_detection_short_range"), 128, ((16, 2), (8, 6)), 0.5),
    _Finder(Network("face_detection_full_range_sparse"), 192, ((48, 1),), 0.6),
)


def faces(frames: np.ndarray) -> list[np.ndarray]:
    """Return all faces of each frame of uint8 RGB ``(N, H, W, 3)``: ``(F, 5)`` x0, y0, x1, y1, score; F may be 0.

    In pixels of the frame; the largest face first, of equal ones the leftmost, then the topmost.
    """
    nothing = np.zeros((0, 17))
    found = [next((some for some in candidates(frame) if len(some)), nothing) for frame in frames]
    return [rows[:, [0, 1, 2, 3, -1]] for rows in found]


def candidates(frame: np.ndarray) -> Iterator[np.ndarray]:
    """Yield all faces ``(F, 17)`` of one frame from each network in turn, in the order of `faces`.

    x0, y0, x1, y1, six points x and y (eyes, nose, mouth, ears), score.
    """
    for finder in FINDERS:
        found = _find(finder, frame)
        order, rest = [], list(range(len(found)))
        while rest:
            order.append(rest.pop(largest_face(found[rest])))
        yield found[order]


def settings() -> str:
    """Return what affects the boxes, for signatures."""
    weights = "+".join(finder.network.signature.removeprefix("weights:") for finder in FINDERS)
    scores = ",".join(str(finder.score) for finder in FINDERS)
    return f"finder:short,full;finder-weights:{weights};finder-score:{scores}"


@cache
def _anchors(finder: _Finder) -> np.ndarray:
    """Return the centers of the anchors ``(N, 2)``, in units of the input's side."""
    found = []
    for cells, count in finder.grids:
        middle = (np.arange(cells) + 0.5) / cells
        found.append(np.stack(np.meshgrid(middle, middle), -1).reshape(-1, 2).repeat(count, 0))
    return np.concatenate(found)


def _find(finder: _Finder, frame: np.ndarray) -> np.ndarray:
    """Return faces ``(F, 17)`` as `candidates`, in any order."""
    side, (height, width) = finder.side, frame.shape[:2]
    scale = side / max(height, width)
    size = np.array([max(round(width * scale), 1), max(round(height * scale), 1)])
    margin = (side - size) // 2
    image = np.full((side, side, 3), -1, np.float32)
    small = cv2.resize(frame, size.tolist(), interpolation=cv2.INTER_AREA)
    image[margin[1] : margin[1] + size[1], margin[0] : margin[0] + size[0]] = small / np.float32(127.5) - 1
    numbers, logits = finder.network(image)
    scores = sigmoid(logits)
    good = np.flatnonzero(scores >= finder.score)
    # Eight points per anchor, relative to it: center and size of the box, six points of the face.
    points = numbers.reshape(-1, 8, 2)[good] / side
    middle, extent = points[:, 0] + _anchors(finder)[good], points[:, 1] / 2
    corners = np.stack([middle - extent, middle + extent], 1)
    points = np.concatenate([corners, points[:, 2:] + _anchors(finder)[good][:, None]], 1)
    points = (points * side - margin) * ((width, height) / size) - 0.5
    return _merged(np.column_stack([points.reshape(-1, 16), scores[good]]))


def _merged(found: np.ndarray) -> np.ndarray:
    """Merge the box with the highest score with all that overlap it; repeat with the rest."""
    rest, merged = found[np.argsort(-found[:, -1], kind="stable")], [np.zeros((0, 17))]
    while len(rest):
        together = _overlaps(rest) > OVERLAP
        together[0] = True
        mean = np.average(rest[together, :-1], axis=0, weights=rest[together, -1])
        merged.append(np.append(mean, rest[0, -1])[None])
        rest = rest[~together]
    return np.concatenate(merged)


def _overlaps(boxes: np.ndarray) -> np.ndarray:
    """Return the intersection over union of each box with the first."""
    low, high = np.maximum(boxes[:, :2], boxes[0, :2]), np.minimum(boxes[:, 2:4], boxes[0, 2:4])
    shared = np.clip(high - low, 0, None).prod(1)
    areas = np.clip(boxes[:, 2:4] - boxes[:, :2], 0, None).prod(1)
    return shared / np.maximum(areas + areas[0] - shared, 1e-12)
