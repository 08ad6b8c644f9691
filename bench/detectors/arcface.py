"""The identity embedding of CSIM: ArcFace (Deng et al., CVPR 2019), with its residual network.

It reads ``backbone.pth`` as published by insightface for PyTorch (18, 34, 50, 100 or 200 layers, inferred from the
keys). The face is aligned to 112 x 112 by five points, computed from the run's 68 landmarks.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage.transform import estimate_transform
from torch import Tensor
from torch.nn import functional as F

from bench.detectors.base import DerivedDetector, Detection, Detector
from bench.detectors.blocks import Blocks
from bench.detectors.weights import find_file, load
from bench.runtime.errors import UserError
from protocols.files import short_hash

FILE = "backbone.pth"
SIDE, WIDTH = 112, 256
EPS = 1e-5
# Positions of eyes, nose and corners of the mouth in the networks' training images.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


class ArcFace(DerivedDetector):
    """512-d embedding of length 1 of the aligned face; base: a detector of 68 landmarks."""

    kind, name, proxy, shape = "arcface", "arcface", False, (512,)

    def __init__(self, base: Detector, weights: Path | None, *, device: str = "cpu") -> None:
        super().__init__(base)
        file = find_file(FILE, weights)
        if file is None:
            raise UserError(f"{self.name}: {missing(weights)[0]}", code="missing-weights")
        self.file, self.device = file, device
        self._blocks = Blocks(self.name)

    @cached_property
    def _state(self) -> dict[str, Tensor]:
        return read(self.file, self.device)

    @property
    def signature(self) -> str:
        settings = f"align:5-of-68;size:{SIDE};colour:rgb"
        return f"{self.name};v:1;weights:{short_hash(self.file)};{settings};on:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        return self.derive_all(values[None], frame[None])[0]

    def derive_all(self, values: np.ndarray, frames: np.ndarray) -> list[Detection]:
        faces = np.stack([align(frame, points * (frame.shape[1] / WIDTH)) for frame, points in zip(frames, values)])
        images = torch.from_numpy(faces).to(self.device).permute(0, 3, 1, 2).float() / 127.5 - 1
        codes = self._blocks(lambda images: embed(self._state, images), images)
        return [Detection((code / code.norm()).numpy()) for code in codes]


def align(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Align the face to uint8 RGB ``(112, 112, 3)``. landmarks: ``(68, 2)`` in pixels of the frame ``(H, W, 3)``.

    The least-squares similarity to `TEMPLATE` (Umeyama, IEEE TPAMI 13(4), 1991), bilinear, black outside the frame.
    """
    transform = estimate_transform("similarity", five_points(landmarks), TEMPLATE)
    return cv2.warpAffine(np.ascontiguousarray(frame), transform.params[:2], (SIDE, SIDE))


def five_points(landmarks: np.ndarray) -> np.ndarray:
    """Return centers of the eyes, tip of the nose and corners of the mouth, ``(5, 2)``, of 68 landmarks."""
    eyes = [landmarks[36:42].mean(0), landmarks[42:48].mean(0)]
    return np.stack([*eyes, landmarks[30], landmarks[48], landmarks[54]])


def embed(state: dict[str, Tensor], images: Tensor) -> Tensor:
    """Return embeddings ``(N, 512)``, not normalized, of RGB faces ``(N, 3, 112, 112)`` in [-1, 1]."""
    x = F.conv2d(images, state["conv1.weight"], padding=1)
    x = F.prelu(_normalize(state, "bn1", x), state["prelu.weight"])
    for key in blocks(state):
        x = _block(state, key, x)
    x = F.linear(_normalize(state, "bn2", x).flatten(1), state["fc.weight"], state["fc.bias"])
    return _normalize(state, "features", x)


def blocks(state: dict[str, Tensor]) -> list[str]:
    """Return the residual blocks in a state dict, in order, such as ``layer1.0``."""
    found = {match[0]: (int(match[1]), int(match[2])) for key in state if (match := re.match(r"layer(\d)\.(\d+)", key))}
    return sorted(found, key=found.__getitem__)


def read(file: Path, device: str = "cpu") -> dict[str, Tensor]:
    """Read the state dict of the weight file. Raises UserError for another file."""
    state = load(file, device)
    if "features.running_mean" not in state or not blocks(state):
        raise UserError(f"{file} does not hold the weights of an ArcFace network", code="other-network")
    return state


def missing(weights: Path | None) -> list[str]:
    """Return what is missing for this detector, as text."""
    return [] if find_file(FILE, weights) else [f"{FILE} is not on this machine"]


def _block(state: dict[str, Tensor], key: str, x: Tensor) -> Tensor:
    """Normalize, convolve, normalize, PReLU, convolve, normalize, plus a shortcut; a layer's first block halves."""
    stride = 2 if f"{key}.downsample.0.weight" in state else 1
    inner = F.conv2d(_normalize(state, f"{key}.bn1", x), state[f"{key}.conv1.weight"], padding=1)
    inner = F.prelu(_normalize(state, f"{key}.bn2", inner), state[f"{key}.prelu.weight"])
    inner = _normalize(state, f"{key}.bn3", F.conv2d(inner, state[f"{key}.conv2.weight"], stride=stride, padding=1))
    if stride == 2:
        x = _normalize(state, f"{key}.downsample.1", F.conv2d(x, state[f"{key}.downsample.0.weight"], stride=2))
    return inner + x


def _normalize(state: dict[str, Tensor], key: str, x: Tensor) -> Tensor:
    mean, variance, gain, bias = (state[f"{key}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, mean, variance, gain, bias, eps=EPS)
