"""468 3D points of the face by Google's face mesh (Kartynnik et al., CVPR 2019 workshop; arXiv:1907.06724).

It is made for video, with a frame's crop taken from the previous frame. Here each frame is independent, so that clips
do not affect each other and results can be cached: BlazeFace finds the face, and then the crop is taken from the mesh
itself, `ROUNDS` times in all.
"""

from __future__ import annotations

from itertools import chain

import numpy as np

from baselines.facemesh import blazeface
from baselines.facemesh.boxes import FACE_RULE
from baselines.facemesh.crop import Crop, slope
from baselines.facemesh.litert import Network, sigmoid

SIZE, POINTS = 192, 468
MARGIN = 1.5  # side of the crop over that of the face
PRESENT = 0.5  # least score of a crop with a face
ROUNDS = 3
TRIED = 4  # boxes tried per finder, since BlazeFace may find a face in a pattern, which the mesh then rejects
RIGHT_EYE, LEFT_EYE = (33, 133), (263, 362)  # outer and inner corner; the person's right is the picture's left
# From the crop around BlazeFace's box to the mesh's final crop: shift over the side, factor of the side; means over the
# sample set. This better start saves one round.
START_SHIFT, START_SCALE = np.array([0.0, -0.047]), 1.19
NETWORK = Network("face_landmark")


def find(frame: np.ndarray) -> np.ndarray | None:
    """Return the mesh ``(468, 3)`` of the largest face of a frame, uint8 RGB ``(H, W, 3)``; None without a face.

    x and y in pixels of the frame, z away from the camera in the same unit, about 0 at the center of the head.
    """
    frame = np.ascontiguousarray(frame)
    for face in chain.from_iterable(found[:TRIED] for found in blazeface.candidates(frame)):
        crop = start(face)
        for _ in range(ROUNDS):
            points, present = look(frame, crop)
            crop = around(points)
        if present >= PRESENT:
            return points
    return None


def look(frame: np.ndarray, crop: Crop) -> tuple[np.ndarray, float]:
    """Return the mesh ``(468, 3)`` in pixels of the frame from one crop, and its face score in [0, 1]."""
    points, score = NETWORK(crop.cut(frame, SIZE).astype(np.float32) / 255)
    points = points.reshape(POINTS, 3)
    # The network's origin is the edge of the first pixel, so this shift gives mirrored frames mirrored meshes.
    flat = crop.back(points[:, :2] - 0.5, SIZE)
    return np.column_stack([flat, points[:, 2] * (crop.side / SIZE)]), float(sigmoid(score)[0])


def settings() -> str:
    """Return what affects the points, for signatures; the release of LiteRT (`litert.release`) does, too."""
    return f"{NETWORK.signature};{blazeface.settings()};rounds:{ROUNDS};margin:{MARGIN};face:{FACE_RULE}"


def start(face: np.ndarray) -> Crop:
    """Return the first crop for a face of `blazeface.candidates`."""
    right, left = face[blazeface.EYES].reshape(2, 2)
    side = float((face[2:4] - face[:2]).max()) * MARGIN
    crop = Crop((face[:2] + face[2:4]) / 2, side * START_SCALE, slope(right, left))
    return Crop(crop.center + crop.rotation @ START_SHIFT * side, crop.side, crop.angle)


def around(points: np.ndarray) -> Crop:
    """Return the crop around a mesh ``(468, 3)``, upright by the outer corners of the eyes."""
    crop = Crop(np.zeros(2), 1.0, slope(points[RIGHT_EYE[0], :2], points[LEFT_EYE[0], :2]))
    upright = points[:, :2] @ crop.rotation
    low, high = upright.min(0), upright.max(0)
    return Crop(crop.rotation @ ((low + high) / 2), float((high - low).max()) * MARGIN, crop.angle)
