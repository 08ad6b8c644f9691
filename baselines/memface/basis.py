"""Linear bases of facial motion: meshes to a few coefficients and back.

MemFace's own basis (Wood et al., ICCV 2021: 85 coefficients, 69 mouth vertices) is not public. Here the faces are the
468 points of FaceMesh, aligned to Google's canonical face (`baselines.facemesh.canonical`), and a basis is one of:
`MeshComponents`, fitted to training clips; `baselines.memface.arkit`, 52 named shapes; `baselines.memface.basis_file`,
a custom linear model. All are linear: vertices = rest + coefficients @ components.
"""

from __future__ import annotations

import hashlib
from abc import ABC
from collections.abc import Iterable
from functools import cache

import numpy as np
from torch import Tensor, from_numpy

from baselines.errors import ModelError
from baselines.facemesh.canonical import canonical, mouth, triangles

WIDTH = 32  # components; they explain 99 % of the motion of unseen clips
POINTS = 468
NOSE, EYE = 2, 133  # mesh vertices between which the weight of speech's motion falls from 1 to 0


class Basis(ABC):
    """A linear basis.

    name: part of the signatures of metrics that use it. components: ``(k, V, 3)`` in cm of the canonical face.
    mouth: ``(h_v,)`` indices of mouth vertices. triangles: ``(F, 3)``. on_mesh: whether its vertices are FaceMesh's.
    A person is a rest shape ``(468, 3)``; the aligned meshes move around it (`person`).
    """

    name: str
    components: np.ndarray
    mouth: np.ndarray
    triangles: np.ndarray
    on_mesh = True

    @property
    def width(self) -> int:
        """Return the number of coefficients, h_c."""
        return len(self.components)

    @property
    def signature(self) -> str:
        """Return name and hash of the components."""
        return f"{self.name};sha256:{hashlib.sha256(self.components.astype('<f4').tobytes()).hexdigest()[:12]}"

    def person(self, aligned: np.ndarray) -> np.ndarray:
        """Return the shape of a person ``(468, 3)``: the mean of its aligned meshes ``(N, 468, 3)``."""
        return aligned.mean(0)

    def rest(self, person: np.ndarray) -> np.ndarray:
        """Return the vertices ``(..., V, 3)`` at coefficients of zero, for persons ``(..., 468, 3)``."""
        return person

    def coefficients(self, aligned: np.ndarray, person: np.ndarray) -> np.ndarray:
        """Return coefficients ``(N, k)`` of aligned meshes ``(N, 468, 3)`` by least squares. person: see `person`."""
        moved = (aligned - person).reshape(len(aligned), -1)
        return moved @ np.linalg.pinv(self.components.reshape(self.width, -1))

    def vertices(self, coefficients: np.ndarray, person: np.ndarray) -> np.ndarray:
        """Return vertices ``(N, V, 3)`` in cm for coefficients ``(N, k)``; `person` may differ between frames."""
        return self.rest(person) + np.tensordot(coefficients, self.components, 1)

    def truth(self, aligned: np.ndarray, person: np.ndarray) -> np.ndarray:
        """Return the mouth vertices ``(N, h_v, 3)`` that a prediction is compared with.

        From the meshes themselves if the basis has the mesh's vertices; else from their coefficients, as in the paper
        (Sec. 3).
        """
        if self.on_mesh:
            return aligned[:, self.mouth]
        return self.vertices(self.coefficients(aligned, person), person)[:, self.mouth]

    def tensors(self) -> dict[str, Tensor]:
        """Return its tensors for a checkpoint; empty if the basis is from a file that may not be redistributed."""
        return {}


class MeshComponents(Basis):
    """Principal components of the lower face's motion.

    The weight of vertices falls to zero from the nose to the eyes: speech does not determine the brows, so a face keeps
    its own. The components are orthonormal; coefficients are in cm.
    """

    def __init__(self, components: np.ndarray):
        """Set the components ``(k, 468, 3)``. Raises ModelError for another shape."""
        if components.ndim != 3 or components.shape[1:] != (POINTS, 3):
            raise ModelError(
                f"components of a mesh have the shape (k, 468, 3), not {components.shape}", code="bad-basis"
            )
        self.components = np.asarray(components, float)
        self.name = f"facemesh-{len(components)}"
        self.mouth, self.triangles = mouth(), triangles()

    @classmethod
    def fit(cls, clips: Iterable[np.ndarray], count: int = WIDTH) -> MeshComponents:
        """Fit to aligned meshes ``(N, 468, 3)``, one array per person, each relative to its own mean.

        Only the covariance is kept in memory, so there may be many clips. Raises ModelError if there are not more
        frames than components.
        """
        covariance, frames = np.zeros((POINTS * 3, POINTS * 3)), 0
        for aligned in clips:
            moved = ((aligned - aligned.mean(0)) * moving()[:, None]).reshape(len(aligned), -1)
            covariance += moved.T @ moved
            frames += len(aligned)
        if frames <= count:
            raise ModelError(
                f"{count} components need more than {count} frames with a face, not {frames}", code="bad-basis"
            )
        left, _, _ = np.linalg.svd(covariance, hermitian=True)
        found = left[:, :count].T
        largest = found[np.arange(count), np.abs(found).argmax(1)]
        return cls((found * np.sign(largest)[:, None]).reshape(count, POINTS, 3))

    def coefficients(self, aligned: np.ndarray, person: np.ndarray) -> np.ndarray:
        moved = (aligned - person) * moving()[:, None]
        return np.tensordot(moved.reshape(len(moved), -1), self.components.reshape(self.width, -1), (1, 1))

    def tensors(self) -> dict[str, Tensor]:
        return {"components": from_numpy(np.ascontiguousarray(self.components, np.float32))}


@cache
def moving() -> np.ndarray:
    """Return the weight of speech in each vertex's motion ``(468,)``: 1 below the nose's base, 0 above the eyes."""
    height = canonical()[0][:, 1]
    share = np.clip((height - height[NOSE]) / (height[EYE] - height[NOSE]), 0, 1)
    return 1 - share * share * (3 - 2 * share)
