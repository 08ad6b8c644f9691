"""The 52 face shapes of ARKit as a basis: from a head in the package openfacefx, aligned with FaceMesh's points.

The head (``facecap.glb``) has no stated license, so it is fetched on request and never redistributed: a checkpoint has
only the name of this basis.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from scipy.optimize import nnls
from scipy.spatial import cKDTree

from baselines.facemesh.canonical import canonical, mouth, triangles
from baselines.memface.basis import Basis
from baselines.memface.basis_file import similarity
from baselines.memface.glb import Morphs, morphs
from protocols import files, wheels

FILE = "openfacefx/studio_web/assets/facecap.glb"
FILES = {FILE: {"package": "openfacefx", "sha256": "6bfce6d0fcbb5839f5102b79733007859fef7c5df6d9eb49e2264542810b5f64"}}
PACKAGES = {
    "openfacefx": {
        "version": "0.24.0",
        "wheel_sha256": "f13482510d389992c42ad83b8f33576ac1d8a37ab2bfebd8539e9ed658d50003",
    }
}
LIPS = (13, 14)  # inner lips in the middle, upper and lower
SHUT = 0.2  # share of a person's frames, those with the most closed lips; their median is the neutral face
MOUTH_WEIGHT = 3.0  # of a mouth vertex's squared error in the fit; others have 1
ROUNDS, TRIMMED = 30, 0.8  # of aligning the head with the mesh; share of points that are used
MIDDLE, DEPTH = (
    0.6,
    5.0,
)  # in units of the head: half the width of its middle strip, and how far behind the nose it ends


class ArkitShapes(Basis):
    """52 shapes with ARKit's names; coefficients are 0 or more, 1 is the shape as modeled.

    Fitted by non-negative least squares to the differences from the person's neutral face.
    """

    name = "arkit-52"

    def __init__(self, head: Morphs):
        self.shapes = head.names
        self.components = _on_mesh(head)
        self.mouth, self.triangles = mouth(), triangles()
        weights = np.ones(len(canonical()[0]))
        weights[self.mouth] = MOUTH_WEIGHT
        self._weights = np.sqrt(np.repeat(weights, 3))
        # An equivalent problem with 52 rows instead of 1404.
        self._turn, self._triangle = np.linalg.qr((self.components.reshape(self.width, -1) * self._weights).T)

    def person(self, aligned: np.ndarray) -> np.ndarray:
        """Return the neutral face: the median of the frames with the most closed lips."""
        gap = np.linalg.norm(aligned[:, LIPS[0]] - aligned[:, LIPS[1]], axis=1)
        return np.median(aligned[gap <= np.quantile(gap, SHUT)], axis=0)

    def coefficients(self, aligned: np.ndarray, person: np.ndarray) -> np.ndarray:
        moved = ((aligned - person).reshape(len(aligned), -1) * self._weights) @ self._turn
        return np.array([nnls(self._triangle, one)[0] for one in moved]).reshape(-1, self.width)


def arkit(cache: Path) -> ArkitShapes:
    """Fetch the head into the cache folder, if it is not there, and return the basis.

    Raises DataError if the package cannot be fetched.
    """
    place = cache / "openfacefx" / Path(FILE).name
    if not place.is_file():
        with tempfile.TemporaryDirectory() as work:
            content = wheels.collect(FILES, PACKAGES, Path(work), "the basis arkit")[FILE]
        with files.replacing(place) as temporary:
            temporary.write_bytes(content)
    return ArkitShapes(morphs(place.read_bytes()))


def _on_mesh(head: Morphs) -> np.ndarray:
    """Return the shapes ``(k, 468, 3)`` at FaceMesh's points, each from the head's nearest vertex.

    The mesh is aligned with the head by eyes, nose and chin, then by all points.
    """
    turn = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # in the head's axes y points into the face, z down
    points, moved = head.vertices @ turn, head.targets @ turn
    face = canonical()[0]
    middle = points[np.abs(points[:, 0]) < MIDDLE]
    nose = middle[middle[:, 2].argmin()]
    front = middle[middle[:, 2] < nose[2] + DEPTH]
    marks = np.stack([*(_place(points, moved[head.names.index(f"eyeBlink_{side}")]) for side in "RL"), nose])
    marks = np.concatenate([marks, front[front[:, 1].argmax()][None]])
    own = np.stack([face[[33, 133]].mean(0), face[[263, 362]].mean(0), face[4], face[152]])
    tree = cKDTree(points)
    scale, rotation, shift = similarity(own, marks)
    for _ in range(ROUNDS):
        distance, nearest = map(np.asarray, tree.query(scale * face @ rotation + shift))
        near = distance < np.quantile(distance, TRIMMED)
        scale, rotation, shift = similarity(face[near], points[nearest[near]])
    nearest = np.asarray(tree.query(scale * face @ rotation + shift)[1])
    return moved[:, nearest] @ rotation.T / scale


def _place(points: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Return the place on the head that a shape moves most."""
    return np.average(points, axis=0, weights=np.linalg.norm(moved, axis=1))
