"""A custom linear face model, such as one made from BFM or FLAME: an ``.npz`` file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from baselines.errors import ModelError
from baselines.facemesh.canonical import canonical
from baselines.memface.basis import POINTS, Basis

NEEDED = {"mean": 2, "components": 3, "mouth": 1, "mesh": 1, "vertex": 1}  # array to its number of dimensions


class BasisFile(Basis):
    """A linear model with its own vertices.

    mean: ``(V, 3)``; components: ``(k, V, 3)``, in the same unit; mouth: ``(m,)`` indices of mouth vertices; mesh,
    vertex: ``(p,)`` each, corresponding FaceMesh points and vertices; triangles, optional: ``(F, 3)``.
    A similarity aligns the model with the canonical face by the correspondences, and coefficients are fitted to these
    by least squares. The person's own shape is not used: every face is the model's mean face, in motion.
    """

    on_mesh = False

    def __init__(self, file: Path):
        """Read the file. Raises ModelError if it does not fit."""
        arrays = _read(file)
        mean, components = arrays["mean"].astype(float), arrays["components"].astype(float)
        mouth, mesh, vertex = (arrays[name] for name in ("mouth", "mesh", "vertex"))
        count = len(mean)
        if mean.shape != (count, 3) or components.shape[1:] != (count, 3) or not len(components):
            _refuse(file, f"mean {mean.shape} and components {components.shape} are not (V, 3) and (k, V, 3)")
        for name, values, end in (("mouth", mouth, count), ("mesh", mesh, POINTS), ("vertex", vertex, count)):
            if values.dtype.kind not in "iu" or not len(values) or values.min() < 0 or values.max() >= end:
                _refuse(file, f"{name} is not a list of whole numbers from 0 to {end - 1}")
        if len(mesh) != len(vertex) or len(mesh) < 4:
            _refuse(file, f"mesh and vertex must name the same 4 points or more, not {len(mesh)} and {len(vertex)}")
        if not (np.isfinite(mean).all() and np.isfinite(components).all()):
            _refuse(file, "mean or components have numbers that are not finite")
        triangles = arrays.get("triangles", np.zeros((0, 3), int))
        if (
            triangles.dtype.kind not in "iu"
            or triangles.ndim != 2
            or triangles.shape[1] != 3
            or triangles.max(initial=0) >= count
        ):
            _refuse(file, f"triangles are not (F, 3) indices of {count} vertices")
        scale, rotation, shift = similarity(mean[vertex], canonical()[0][mesh])
        self.name = f"{file.stem}-{len(components)}"
        self.components = scale * components @ rotation
        self.mouth, self.triangles = mouth.astype(int), triangles.astype(int)
        self._mean, self._mesh = scale * mean @ rotation + shift, mesh
        known = self.components[:, vertex].reshape(self.width, -1)
        if (rank := int(np.linalg.matrix_rank(known))) < self.width:
            _refuse(file, f"its {len(mesh)} correspondences distinguish only {rank} of {self.width} components")
        self._solve = np.linalg.pinv(known)
        self.sha256 = hashlib.sha256(file.read_bytes()).hexdigest()

    def rest(self, person: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self._mean, (*person.shape[:-2], *self._mean.shape))

    def coefficients(self, aligned: np.ndarray, person: np.ndarray) -> np.ndarray:
        moved = (aligned - person)[:, self._mesh]
        return moved.reshape(len(moved), -1) @ self._solve


def similarity(points: np.ndarray, onto: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return scale, rotation ``(3, 3)`` and shift ``(3,)`` so that ``scale * points @ rotation + shift`` fits `onto`.

    Both ``(n, 3)``; Umeyama, IEEE TPAMI 13(4), 1991.
    """
    middle, target = points.mean(0), onto.mean(0)
    left, sizes, right = np.linalg.svd((points - middle).T @ (onto - target))
    proper = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = left * proper @ right
    scale = float((sizes * proper).sum() / ((points - middle) ** 2).sum())
    return scale, rotation, target - scale * middle @ rotation


def _read(file: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except (OSError, ValueError, BadZipFile, AttributeError, EOFError):
        raise ModelError(f"{file}: not an .npz file of a face basis", code="bad-basis") from None
    if missing := [name for name in NEEDED if name not in arrays]:
        _refuse(file, f"lacks {', '.join(missing)}")
    for name, dimensions in NEEDED.items():
        if arrays[name].ndim != dimensions or arrays[name].dtype.kind not in "fiu":
            _refuse(file, f"{name} is not an array of numbers with {dimensions} dimensions")
    return arrays


def _refuse(file: Path, reason: str) -> None:
    raise ModelError(f"{file}: {reason}", code="bad-basis")
