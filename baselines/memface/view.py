"""Geometry of MemFace's renderer: its window on a frame, the masked lower face, and the place of mouth patches.

The paper gives no details (Sec. 3, "mask the face region"; Sec. 3.3, "image of mouth region"), so these are this
project's: everything depends only on the head pose and the person's mean face, never on the frame's expression, so that
neither pixels nor the mask's outline reveal the template's mouth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from baselines.facemesh.canonical import NOSE_BASE, OUTER_LIPS, Pose, canonical

_WIDER = 1.12  # enlargement of the masked part of the face, around the mouth
_CHIN_DROP = 1.5  # cm that an opening jaw moves the chin down
_LIPS_MARGIN = 1.25  # around the template's own mouth, if it is opened wider than the mask
_VIEW_DOWN = 1.7  # cm from the center of the mouth down to the center of the window
_SEAM = 3  # pixels of rendered margin around the mask, blended over as many more


@dataclass(frozen=True)
class Framing:
    """side: of the rendered square in pixels. width: of the visible part of the face in cm; None: the whole frame.

    patch, patch_width: side of a mouth patch, in pixels and in cm.
    """

    side: int = 256
    width: float | None = None
    patch: int = 96
    patch_width: float = 9.0

    def window(self, pose: Pose, frame_side: int) -> np.ndarray:
        """Return the affine map ``(2, 3)`` from pixels of the rendered square to pixels of the frame."""
        if self.width is None:
            scale = frame_side / self.side
            return np.array([[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5]])
        return _square(pose, _middle() + (0, _VIEW_DOWN, 0), self.width, self.side)

    def patch_window(self, pose: Pose) -> np.ndarray:
        """Return the affine map ``(2, 3)`` from pixels of a mouth patch to pixels of the frame."""
        return _square(pose, _middle(), self.patch_width, self.patch)

    def placement(self, pose: Pose, frame_side: int) -> np.ndarray:
        """Return a patch's place in the rendered square, ``(2, 3)`` float32 for `torch.nn.functional.affine_grid`.

        Maps the square's coordinates to the patch's, both in [-1, 1] from edge to edge (align_corners false).
        """
        to_patch = chained(inverted(self.patch_window(pose)), self.window(pose, frame_side))
        return chained(inverted(_unit(self.patch)), chained(to_patch, _unit(self.side))).astype(np.float32)


def _unit(side: int) -> np.ndarray:
    """Return the map from [-1, 1] to pixels with centers at whole numbers."""
    return np.array([[side / 2, 0, side / 2 - 0.5], [0, side / 2, side / 2 - 0.5]])


def _square(pose: Pose, middle: np.ndarray, width: float, side: int) -> np.ndarray:
    """Return the map of a square of `width` cm around a canonical point, upright relative to the face."""
    axis = pose.rotation[:2, 0]
    norm = float(np.hypot(*axis))
    cosine, sine = axis / norm if norm > 1e-6 else (1.0, 0.0)
    scale = width * pose.scale / side
    turn = scale * np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([turn, pose.apply(middle)[:2] - turn @ np.full(2, (side - 1) / 2)])


@cache
def _middle() -> np.ndarray:
    """Return the center of the mouth, ``(3,)`` cm."""
    head, _ = canonical()
    return head[list(OUTER_LIPS)].mean(0)


@cache
def _lower_face() -> np.ndarray:
    """Return the vertices from the nose's base down."""
    head, _ = canonical()
    return np.flatnonzero(head[:, 1] >= head[NOSE_BASE, 1])


def chained(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Return the affine map ``(2, 3)`` that applies `inner`, then `outer`."""
    return np.column_stack([outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def inverted(matrix: np.ndarray) -> np.ndarray:
    """Return the inverse of an affine map ``(2, 3)``."""
    back = np.linalg.inv(matrix[:, :2])
    return np.column_stack([back, -back @ matrix[:, 2]])


def through(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points ``(..., 3)`` of a frame to a square; matrix: from square to frame. z keeps its ratio to x and y."""
    back = inverted(matrix)
    scale = float(np.sqrt(abs(np.linalg.det(back[:, :2]))))
    return np.concatenate([points[..., :2] @ back[:, :2].T + back[:, 2], points[..., 2:] * scale], axis=-1)


def cut(image: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    """Return a square of an image ``(H, W)`` or ``(H, W, C)``, black outside. matrix: from square to image."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_CONSTANT)


def outer_lips(mesh: np.ndarray) -> np.ndarray:
    """Return the outer edge of the lips ``(20, 2)`` of a mesh ``(468, 3)``."""
    return mesh[list(OUTER_LIPS), :2]


def mask(pose: Pose, person: np.ndarray, lips: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the mask of a frame, ``(height, width)`` uint8: 255 where it is hidden from the renderer, else 0.

    It is the hull of the lower half of the person's mean face ``(468, 3)`` in cm, enlarged and with room for the jaw,
    in the head's pose. lips: `outer_lips` of the frame, which are masked in any case.
    """
    around = person[list(OUTER_LIPS)].mean(0)
    lower = around + (person[_lower_face()] - around) * _WIDER
    points = pose.apply(np.concatenate([lower, lower + (0, _CHIN_DROP, 0)]))[:, :2]
    out = np.zeros((height, width), np.uint8)
    for one in (points, lips.mean(0) + (lips - lips.mean(0)) * _LIPS_MARGIN):
        hull = cv2.convexHull(np.round(np.clip(one, -1e4, 1e4)).astype(np.int32))
        cv2.fillConvexPoly(out, hull, 255)
    return out


def paste(frame: np.ndarray, rendered: np.ndarray, matrix: np.ndarray, masked: np.ndarray) -> np.ndarray:
    """Return a frame ``(H, W, 3)`` float32 with the rendered square ``(S, S, 3)`` where `masked` ``(H, W)``.

    The two are blended over a few pixels around the mask; the rest of the frame does not change.
    matrix: from pixels of the rendered square to those of the frame.
    """
    height, width = masked.shape
    grown = cv2.dilate(masked, np.ones((2 * _SEAM + 1, 2 * _SEAM + 1), np.uint8))
    share = cv2.blur(grown.astype(np.float32) / 255, (2 * _SEAM + 1, 2 * _SEAM + 1))[..., None]
    back = cv2.warpAffine(
        rendered,
        inverted(matrix),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return (frame + share * (back - frame)).astype(np.float32)
