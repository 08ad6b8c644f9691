"""Body joints by the COCO network of OpenPose (Cao et al., CVPR 2017, Fig. 3), with its network.

VGG-19's first ten layers and six stages of two branches: part affinity fields (38 channels) and confidence maps (19).
It reads ``pose_model.pth``, in the layer names of the PyTorch port that pose-evaluation uses (``model0.0``,
``model1_1.0``, ...), or in those of the Caffe original (``conv1_1``, ``conv5_1_CPM_L1``, ``Mconv1_stage2_L1``, ...).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.detectors.base import Detection, Detector
from bench.detectors.blocks import Blocks
from bench.detectors.body_parts import JOINTS, LINK, PEAK, SIGMA, best_person
from bench.detectors.weights import find_file, load
from bench.runtime.errors import UserError
from protocols.files import short_hash

FILE = "pose_model.pth"
HEIGHT, STRIDE = 368, 8  # of the network's input; of its maps
NO_BODY = "no body found"
# Layers of one Sequential of the port: (Caffe's name, output channels, side of the kernel), "" for a pooling.
VGG = (
    *(("conv1_1", 64, 3), ("conv1_2", 64, 3), ("", 0, 2), ("conv2_1", 128, 3), ("conv2_2", 128, 3), ("", 0, 2)),
    *(("conv3_1", 256, 3), ("conv3_2", 256, 3), ("conv3_3", 256, 3), ("conv3_4", 256, 3), ("", 0, 2)),
    *(("conv4_1", 512, 3), ("conv4_2", 512, 3), ("conv4_3_CPM", 256, 3), ("conv4_4_CPM", 128, 3)),
)
BRANCHES = {1: 38, 2: 19}  # affinity fields, confidence maps
STAGES = 6


def layers(stage: int, branch: int = 0) -> tuple[tuple[str, int, int], ...]:
    """Return (Caffe's name, output channels, kernel) of one block's layers; stage 0 is shared by both branches."""
    if stage == 0:
        return VGG
    last = BRANCHES[branch]
    if stage == 1:
        widths = (128, 128, 128, 512, last)
        return tuple((f"conv5_{i}_CPM_L{branch}", w, 1 if i > 3 else 3) for i, w in enumerate(widths, start=1))
    names = (f"Mconv{i}_stage{stage}_L{branch}" for i in range(1, 8))
    return tuple(zip(names, (128,) * 6 + (last,), (7,) * 5 + (1, 1)))


class OpenPose(Detector):
    """18 joints of the person with the highest score: x and y in pixels of the frame, NaN for missing joints."""

    kind, name, proxy, shape = "body-landmarks", "openpose-coco18", False, (JOINTS, 2)

    def __init__(self, weights: Path | None, device: str = "cpu") -> None:
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
        decoding = f"peak:{PEAK}@sigma{SIGMA:g};link:{LINK};person:highest-score"
        return (
            f"{self.name};v:1;weights:{short_hash(self.file)};scale:height-{HEIGHT};pad:{STRIDE};colour:bgr/256-0.5;"
            f"maps:bicubic;{decoding}"
        )

    def detect(self, frames: np.ndarray) -> list[Detection]:
        if not len(frames):
            return []
        found = [best_person(maps, fields) for fields, maps in zip(*self.maps(frames))]
        return [Detection(None, NO_BODY) if joints is None else Detection(joints) for joints in found]

    def maps(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return affinity fields ``(N, H, W, 38)`` and confidence maps ``(N, H, W, 19)`` of RGB ``(N, H, W, 3)``."""
        height, width = frames.shape[1:3]
        seen = (HEIGHT, round(width * HEIGHT / height))
        right, bottom = (-side % STRIDE for side in reversed(seen))

        def network(images: Tensor) -> list[Tensor]:
            images = F.interpolate(images.float(), seen, mode="bicubic", align_corners=False) / 256 - 0.5
            out = estimate(self._state, F.pad(images, (0, right, 0, bottom)))  # 0 is gray 128
            whole = [F.interpolate(x, scale_factor=STRIDE, mode="bicubic", align_corners=False) for x in out]
            inside = [x[..., : seen[0], : seen[1]] for x in whole]
            return [F.interpolate(x, (height, width), mode="bicubic", align_corners=False) for x in inside]

        images = torch.from_numpy(frames[..., ::-1].copy()).to(self.device).permute(0, 3, 1, 2)
        fields, maps = (x.permute(0, 2, 3, 1).double().numpy() for x in self._blocks.outputs(network, images))
        return fields, maps


def estimate(state: dict[str, Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    """Return fields ``(N, 38, h/8, w/8)`` and maps ``(N, 19, h/8, w/8)`` of BGR ``(N, 3, h, w)`` in [-0.5, 0.5)."""
    front = block(state, images, 0)
    found = [block(state, front, 1, branch) for branch in BRANCHES]
    for stage in range(2, STAGES + 1):
        joined = torch.cat([*found, front], 1)
        found = [block(state, joined, stage, branch) for branch in BRANCHES]
    return found[0], found[1]


def block(state: dict[str, Tensor], x: Tensor, stage: int, branch: int = 0) -> Tensor:
    """Apply one block; ReLU after every convolution except a branch's last."""
    steps = layers(stage, branch)
    for name, _, side in steps:
        if not name:
            x = F.max_pool2d(x, side, side)
            continue
        x = F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=side // 2)
        if stage == 0 or name != steps[-1][0]:
            x = x.relu()
    return x


def expected() -> Iterator[tuple[str, str, tuple[int, int, int, int]]]:
    """Return (name in the port, Caffe's name, shape of the kernel) of every convolution."""
    blocks = [(0, 0), *((stage, branch) for stage in range(1, STAGES + 1) for branch in BRANCHES)]
    for stage, branch in blocks:
        width = 3 if stage == 0 else 128 if stage == 1 else 128 + sum(BRANCHES.values())
        place = 0
        for name, out, side in layers(stage, branch):
            if name:
                yield f"model{stage}{f'_{branch}' if stage else ''}.{place}", name, (out, width, side, side)
                width = out
            place += 2 if name else 1  # each convolution has its ReLU after it


def read(file: Path, device: str = "cpu") -> dict[str, Tensor]:
    """Read the weights by Caffe's names. Raises UserError for another file."""
    content: dict[str, Any] = load(file, device)  # in a file with more than weights, they are an entry
    given = content.get("state_dict", content)
    given = {str(key).removeprefix("module."): value for key, value in given.items()}
    state: dict[str, Tensor] = {}
    for port, caffe, shape in expected():
        found = port if f"{port}.weight" in given else caffe
        weight, bias = given.get(f"{found}.weight"), given.get(f"{found}.bias")
        if not isinstance(weight, Tensor) or not isinstance(bias, Tensor) or tuple(weight.shape) != shape:
            raise UserError(
                f"{file} does not hold the COCO body network of OpenPose: see {port} or {caffe}", code="other-network"
            )
        state |= {f"{caffe}.weight": weight.float(), f"{caffe}.bias": bias.float()}
    return state


def missing(weights: Path | None) -> list[str]:
    """Return what is missing for this detector, as text."""
    return [] if find_file(FILE, weights) else [f"{FILE} is not on this machine"]
