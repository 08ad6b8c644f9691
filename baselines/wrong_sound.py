"""The bound `wrong-sound`: the true frames with the mouth of the template, which says something else."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from baselines.facemesh import litert, mesh
from baselines.facemesh.canonical import INNER_LIPS, OUTER_LIPS, mouth
from baselines.levels import to_levels
from baselines.predictor import MotionMode, PairBatch, Predictor
from protocols.names import WRONG
from protocols.protocol import MODES

MARGIN, SOFT = 0.15, 0.12  # in widths of the mouth: the mask's margin around the mouths, and its soft edge
NO_FACE = "no face in the {} frame"


class WrongSound(Predictor):
    """The true frame with the mouth of the template's frame: the bound of models that ignore the sound.

    A similarity transform aligns the skin around the two mouths; the edge is blended.
    """

    name = WRONG
    motion_modes = MODES
    driven_by = None

    def __init__(self) -> None:
        litert.release()  # raises ModelError before a run begins if it is missing
        self._reasons: dict[str, str] = {}

    def predict(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        """Return the frames, NaN if one has no face. The true frame is the target, or the driving frame without one."""
        truth = batch.driving if batch.target is None else batch.target
        self._reasons = {}
        made = []
        for pair, template, true in zip(batch.ids, batch.source, truth):
            frame = pasted(_image(template), _image(true))
            if isinstance(frame, str):
                self._reasons[pair] = frame
                made.append(torch.full_like(true, torch.nan))
            else:
                made.append(torch.from_numpy(frame).permute(2, 0, 1).to(true.device))
        return torch.stack(made)

    def why_missing(self, pair: str) -> str | None:
        return self._reasons.get(pair)

    def describe(self) -> dict[str, Any]:
        rule = {"mesh": mesh.settings(), "margin": MARGIN, "soft": SOFT}
        return {"sample_weights": False, "weights_file": None, "weights_sha256": None, "conventions": rule}


def pasted(template: np.ndarray, truth: np.ndarray) -> np.ndarray | str:
    """Return the true frame with the template's mouth, float32 ``(H, W, 3)`` in [0, 1]; a reason if a face is missing.

    template, truth: uint8 RGB ``(H, W, 3)``; sizes may differ.
    """
    meshes = mesh.find(template), mesh.find(truth)
    for found, whose in zip(meshes, ("template's", "true")):
        if found is None:
            return NO_FACE.format(whose)
    given, taken = (found[:, :2] for found in meshes if found is not None)
    move = similarity(given[_skin()], taken[_skin()])
    moved = given[mouth()] @ move[:, :2].T + move[:, 2]
    height, width = truth.shape[:2]
    warped = cv2.warpAffine(template, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = _mask(np.concatenate([moved, taken[mouth()]]), (height, width))[..., None]
    return ((mask * warped + (1 - mask) * truth) / 255).astype(np.float32)


def similarity(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the similarity ``(2, 3)`` that maps `points` ``(N, 2)`` to `others` with least squared error.

    In complex numbers the least squares of ``a z + b`` have a closed form.
    """
    z, w = (p[:, 0] + 1j * p[:, 1] for p in (points, others))
    centered = z - z.mean()
    a = np.vdot(centered, w - w.mean()) / np.vdot(centered, centered)
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def _skin() -> np.ndarray:
    """Return the vertices around the mouth, without the lips."""
    return np.setdiff1d(mouth(), OUTER_LIPS + INNER_LIPS)


def _mask(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a mask, float32 in [0, 1], of a frame's `size`: 1 in the points' hull and a margin, then a soft edge."""
    across = float(np.ptp(points[:, 0]))
    hull = cv2.convexHull(points.astype(np.float32)).round().astype(np.int32)
    mask = cv2.fillConvexPoly(np.zeros(size, np.float32), hull, 1.0)
    wider = 2 * round(MARGIN * across) + 1
    mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wider, wider)))
    return cv2.GaussianBlur(mask, (0, 0), max(SOFT * across / 2, 0.5))


def _image(frame: Tensor) -> np.ndarray:
    return np.ascontiguousarray(to_levels(frame).permute(1, 2, 0).cpu().numpy())
