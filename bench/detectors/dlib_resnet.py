"""dlib's residual network for faces in torch, with the weights of dlib's file: 29 layers (King, 2017).

A ResNet-34 with fewer layers and half the filters (He et al., CVPR 2016); every convolution is followed by a gain and
an offset per channel.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.runtime.errors import UserError

SIDE = 150
MEAN = (122.782, 117.001, 104.298)  # mean of each color, subtracted
STRIDES = (1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 2, 1, 1, 2)  # of the residual blocks
LAYER = re.compile(rb"(con_4|affine_|fc_2)(?=[\x01\x02])")


class FaceNetwork(nn.Module):
    """Returns embeddings ``(N, 128)`` of RGB faces ``(N, 3, 150, 150)`` in 0 to 255, from `dlib.get_face_chip`."""

    mean: Tensor

    def __init__(self, file: Path) -> None:
        """Load the weights. Raises UserError for a file that is not dlib's face recognition network."""
        super().__init__()
        convolutions, last = read(file)
        self.weights = nn.ParameterList(weight for weight, _ in convolutions)
        self.biases = nn.ParameterList(bias for _, bias in convolutions)
        self.last = nn.Parameter(last)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.requires_grad_(False)

    def forward(self, faces: Tensor) -> Tensor:
        x = self._convolved(0, (faces - self.mean) / 256, 2).relu_()
        x = F.max_pool2d(x, 3, 2)
        for block, stride in enumerate(STRIDES):
            inner = self._convolved(2 * block + 1, x, stride).relu_()
            inner = self._convolved(2 * block + 2, inner, 1)
            x = _sum(inner, F.avg_pool2d(x, 2) if stride == 2 else x).relu_()
        return x.mean((2, 3)) @ self.last

    def _convolved(self, layer: int, x: Tensor, stride: int) -> Tensor:
        """Convolve; with stride 2 without padding, as in dlib."""
        return F.conv2d(x, self.weights[layer], self.biases[layer], stride, padding=2 - stride)


def read(file: Path) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    """Read weight and bias of the convolutions, with gains and offsets folded in, and the last layer (256, 128).

    dlib stores each layer's name and its numbers as raw little-endian float32. Raises UserError for another file.
    """
    data = file.read_bytes()
    try:
        tensors = [_tensor(data, found.end(), 2 if found[1] == b"fc_2" else 0) for found in LAYER.finditer(data)]
        *rest, last = tensors
        convolutions = [_folded(numbers, affine) for numbers, affine in zip(rest[::2], rest[1::2], strict=True)]
        if len(convolutions) != 1 + 2 * len(STRIDES):
            raise ValueError(f"{len(convolutions)} convolutions")
        return convolutions, last.reshape(256, 128)
    except (ValueError, IndexError, RuntimeError) as error:
        raise UserError(f"{file} is not dlib's face recognition network: {error}", code="other-network") from None


def _tensor(data: bytes, at: int, skipped: int) -> Tensor:
    """Read a tensor: version, four sizes, then the numbers."""
    sizes = []
    for _ in range(skipped + 5):  # an integer is stored as its length in bytes, then the bytes
        length = data[at]
        sizes.append(int.from_bytes(data[at + 1 : at + 1 + length], "little"))
        at += 1 + length
    count = int(np.prod(sizes[skipped + 1 :]))
    return torch.from_numpy(np.frombuffer(data, "<f4", count, at).astype(np.float32))


def _folded(numbers: Tensor, affine: Tensor) -> tuple[Tensor, Tensor]:
    """Return a convolution's weights and biases, with the gain and offset per channel folded in."""
    gain, offset = affine.chunk(2)
    kernel = 7 if len(gain) == 32 and len(numbers) == 32 * (3 * 49 + 1) else 3
    weight, bias = numbers[: -len(gain)].reshape(len(gain), -1, kernel, kernel), numbers[-len(gain) :]
    return weight * gain[:, None, None, None], bias * gain + offset


def _sum(x: Tensor, y: Tensor) -> Tensor:
    """Add two tensors of different sizes, padded with zeros on the right, below and in channels."""
    sizes = [max(pair) for pair in zip(x.shape, y.shape)]
    x, y = (F.pad(z, [n for size, own in zip(sizes[:0:-1], z.shape[:0:-1]) for n in (0, size - own)]) for z in (x, y))
    return x + y
