"""The bound `wrong-sound`: the true frames, whose mouth says what is said in the template."""

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

MARGIN, SOFT = 0.15, 0.12  # of the mouth's width: by which the mask is wider than the mouths, over which it fades out
NO_FACE = "no face in the {} frame"


class WrongSound(Predictor):
    """Pastes the mouth of the template's frame into the true one: the bound of all that does not hear.

    The mouth is moved by the similarity that lays the skin around it over that of the true frame, and fades into it.
    """

    name = WRONG
    motion_modes = MODES
    driven_by = None

    def __init__(self) -> None:
        litert.release()  # raises where it is missing, before a run begins
        self._reasons: dict[str, str] = {}

    def predict(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        """NaN where a frame has no face; the target is read, or where there is none the driving frame."""
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
    """The true frame with the template's mouth, float32 ``(H, W, 3)`` in [0, 1]; why there is none where a face lacks.

    Both are uint8 RGB; their sizes may differ.
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
    """The 2x3 matrix, rotation, scale and shift, that lays `points` ``(N, 2)`` over `others` with the least squares.

    In complex numbers the least squares of ``a z + b`` have a closed form.
    """
    z, w = (p[:, 0] + 1j * p[:, 1] for p in (points, others))
    centered = z - z.mean()
    a = np.vdot(centered, w - w.mean()) / np.vdot(centered, centered)
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def _skin() -> np.ndarray:
    """The vertices around the mouth that are no lips."""
    return np.setdiff1d(mouth(), OUTER_LIPS + INNER_LIPS)


def _mask(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Float32 in [0, 1] of a frame's `size`: 1 inside the hull of the points and some way around it, then fading."""
    across = float(np.ptp(points[:, 0]))
    hull = cv2.convexHull(points.astype(np.float32)).round().astype(np.int32)
    mask = cv2.fillConvexPoly(np.zeros(size, np.float32), hull, 1.0)
    wider = 2 * round(MARGIN * across) + 1
    mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wider, wider)))
    return cv2.GaussianBlur(mask, (0, 0), max(SOFT * across / 2, 0.5))


def _image(frame: Tensor) -> np.ndarray:
    return np.ascontiguousarray(to_levels(frame).permute(1, 2, 0).cpu().numpy())
