"""The papers' identity embedding: OpenFace nn4.small2 (Amos et al., CMU-CS-16-118), with its network.

It reads ``openface.pth``, the weights of the public PyTorch port (thnkim/OpenFacePytorch, Apache-2.0), and follows the
preprocessing of pose-evaluation: the whole frame, not aligned, channels reversed to BGR, resized to 96 x 96.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from skimage.transform import resize
from torch import Tensor
from torch.nn import functional as F

from bench.detectors.base import Detection, Detector
from bench.detectors.blocks import Blocks
from bench.detectors.weights import find_file, load
from bench.runtime.errors import UserError
from protocols.files import short_hash

FILE = "openface.pth"
SIDE = 96
EPS = 1e-5
LRN_SIZE, LRN_ALPHA, LRN_BETA = 5, 1e-4, 0.75
Lrn = Literal["window", "legacy"]
Record = Callable[[str, Tensor], None]

# Inception blocks: stride of the 3x3 and 5x5 branches, and the branches in the order of their keys.
BLOCKS: dict[int, tuple[int, str]] = {
    14: (1, "3x3 5x5 max 1x1"),
    15: (1, "3x3 5x5 l2 1x1"),
    16: (2, "3x3 5x5 max-bare"),
    17: (1, "3x3 5x5 l2 1x1"),
    18: (2, "3x3 5x5 max-bare"),
    19: (1, "3x3 l2 1x1"),
    21: (1, "3x3 max 1x1"),
}


class OpenFace(Detector):
    """128-d embedding of length 1 of the whole frame; it needs no face detection."""

    kind, name, proxy, shape = "identity", "openface", False, (128,)

    def __init__(
        self, weights: Path | None, *, lrn: Lrn = "window", antialias: bool = True, device: str = "cpu"
    ) -> None:
        """Load the weights. lrn "legacy", antialias False: like torch 0.4, scikit-image 0.14; see `docs/metrics.md`."""
        file = find_file(FILE, weights)
        if file is None:
            raise UserError(f"{self.name}: {missing(weights)[0]}", code="missing-weights")
        self.file, self.lrn, self.antialias, self.device = file, lrn, antialias, device
        self._blocks = Blocks(self.name)

    @cached_property
    def _state(self) -> dict[str, Tensor]:
        return read(self.file, self.device)

    @property
    def signature(self) -> str:
        resize_by = f"skimage-{SIDE}{'-antialias' if self.antialias else ''}"
        return f"{self.name};v:1;weights:{short_hash(self.file)};resize:{resize_by};colour:bgr;align:no;lrn:{self.lrn}"

    def detect(self, frames: np.ndarray) -> list[Detection]:
        if not len(frames):
            return []
        images = torch.stack([preprocess(frame, self.antialias) for frame in frames]).to(self.device)
        codes = self._blocks(lambda images: embed(self._state, images, self.lrn)[0], images)
        return [Detection(code) for code in codes.numpy()]


def preprocess(frame: np.ndarray, antialias: bool = True, side: int = SIDE) -> Tensor:
    """Convert uint8 (or float) RGB ``(H, W, 3)`` to BGR ``(3, side, side)`` float32 in [0, 1]."""
    small = resize(frame[..., ::-1], (side, side), anti_aliasing=antialias)
    return torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1), dtype=np.float32))


def embed(
    state: dict[str, Tensor], images: Tensor, lrn: Lrn = "window", record: Record = lambda name, x: None
) -> tuple[Tensor, Tensor]:
    """Return embeddings ``(N, 128)`` of length 1 and the 736 features before the last layer, of BGR ``(N, 3, 96, 96)``.

    Images of 128 x 128 are resized to 96 x 96 (nearest x3, then 4 x 4 averages). `record` receives every layer's
    output, ``layer<number>`` as in the port, and a block's branches, ``layer<number>.branch<k>``, before padding.
    """
    if images.shape[-1] == 128:
        images = F.avg_pool2d(F.interpolate(images, scale_factor=3.0, mode="nearest"), 4)

    def kept(number: int, x: Tensor) -> Tensor:
        record(f"layer{number}", x)
        return x

    def conv(number: int, x: Tensor, stride: int = 1) -> Tensor:
        x = kept(number, _convolve(state, f"layer{number}", x, stride))
        return kept(number + 2, kept(number + 1, _normalize(state, f"layer{number + 1}", x)).relu())

    x = kept(4, F.max_pool2d(conv(1, images, 2), 3, 2, 1))
    x = conv(6, kept(5, local_response_norm(x, lrn)))
    x = kept(12, local_response_norm(conv(9, x), lrn))
    x = kept(13, F.max_pool2d(x, 3, 2, 1))
    for number in BLOCKS:
        x = kept(number, _block(state, number, x, record))
    features = kept(22, F.avg_pool2d(x, 3)).flatten(1)
    code = kept(25, F.linear(features, state["layer25.weight"], state["layer25.bias"]))
    return code / (code.square().sum(1, keepdim=True) + 1e-6).sqrt(), features


def local_response_norm(x: Tensor, kind: Lrn) -> Tensor:
    """Divide by (1 + alpha / 5 * sum of squares over five channels) ^ 0.75.

    "legacy": torch 0.4's sum, which never removes channel 0 after the window has passed it.
    """
    squares = F.pad(x.square(), (0, 0, 0, 0, LRN_SIZE // 2, LRN_SIZE // 2))
    sums = squares.unfold(1, LRN_SIZE, 1).sum(-1)
    if kind == "legacy":
        sums = torch.cat((sums[:, :3], sums[:, 3:] + x[:, :1].square()), 1)
    return x / (1 + LRN_ALPHA / LRN_SIZE * sums) ** LRN_BETA


def read(file: Path, device: str = "cpu") -> dict[str, Tensor]:
    """Read the state dict of the weight file. Raises UserError for another file."""
    state = load(file, device)
    if "layer25.weight" not in state:
        raise UserError(f"{file} does not hold the weights of OpenFace nn4.small2", code="other-network")
    return state


def missing(weights: Path | None) -> list[str]:
    """Return what is missing for this detector, as text."""
    return [] if find_file(FILE, weights) else [f"{FILE} is not on this machine"]


def _convolve(state: dict[str, Tensor], key: str, x: Tensor, stride: int = 1) -> Tensor:
    """Convolve with padding that keeps the size (divided by the stride)."""
    kernel = state[f"{key}.weight"]
    return F.conv2d(x, kernel, state[f"{key}.bias"], stride, kernel.shape[-1] // 2)


def _normalize(state: dict[str, Tensor], key: str, x: Tensor) -> Tensor:
    mean, variance, gain, bias = (state[f"{key}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, mean, variance, gain, bias, eps=EPS)


def _conv(state: dict[str, Tensor], conv: str, norm: str, x: Tensor, stride: int = 1) -> Tensor:
    """Apply convolution, batch normalization and ReLU."""
    return _normalize(state, norm, _convolve(state, conv, x, stride)).relu()


def _block(state: dict[str, Tensor], number: int, x: Tensor, record: Record) -> Tensor:
    """Concatenate branches; smaller ones are centered in the largest one's size, an odd pixel at the end."""
    stride, kinds = BLOCKS[number]
    parts = [_branch(state, f"layer{number}.seq_list.{k}", kind, stride, x) for k, kind in enumerate(kinds.split())]
    for k, part in enumerate(parts):
        record(f"layer{number}.branch{k}", part)
    height, width = (max(part.shape[axis] for part in parts) for axis in (2, 3))
    padded = []
    for part in parts:
        high, wide = height - part.shape[2], width - part.shape[3]
        padded.append(F.pad(part, (wide // 2, wide - wide // 2, high // 2, high - high // 2)))
    return torch.cat(padded, 1)


def _branch(state: dict[str, Tensor], key: str, kind: str, stride: int, x: Tensor) -> Tensor:
    if kind in ("3x3", "5x5"):
        reduced = _conv(state, f"{key}.1_conv", f"{key}.2_bn", x)
        return _conv(state, f"{key}.4_conv", f"{key}.5_bn", reduced, stride)
    if kind == "1x1":
        return _conv(state, f"{key}.1_conv", f"{key}.2_bn", x)
    if kind == "max-bare":
        return F.max_pool2d(x, 3, 2)
    # The L2 pool is the root of the sum, not of the mean, of nine squares.
    pooled = (F.avg_pool2d(x.square(), 3, 3) * 9).sqrt() if kind == "l2" else F.max_pool2d(x, 3, 2)
    return _conv(state, f"{key}.2_conv", f"{key}.3_bn", pooled)
