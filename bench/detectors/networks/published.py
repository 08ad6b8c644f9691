"""The papers' feature networks: InceptionV3 for FID and KID, I3D for FVD. Their weights are not part of this program.

State dicts are loaded into this project's networks. TorchScript files of the same networks, which other scripts use,
contain programs and are not executed.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.detectors.networks import i3d, inception
from bench.detectors.networks.base import FeatureNetwork, levels
from bench.detectors.networks.resize import FRONT_ENDS, centered, fvd_front_end
from bench.detectors.weights import find_file, load
from bench.runtime.errors import UserError

INCEPTION_FILES = ("pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth")  # same content
INCEPTION_PROGRAM = "inception-2015-12-05.pt"
I3D_FILE, I3D_PROGRAM = "i3d_pretrained_400.pt", "i3d_torchscript.pt"


class InceptionFeatures(FeatureNetwork):
    """2048 pool features of a frame; the subclasses resize in the three ways of published scripts."""

    width = inception.WIDTH
    front_end: str

    @classmethod
    def file(cls, weights: Path | None) -> Path | None:
        return next((file for name in INCEPTION_FILES if (file := find_file(name, weights))), None)

    @classmethod
    def missing(cls, weights: Path | None) -> list[str]:
        return [] if cls.file(weights) else [_absent(INCEPTION_FILES[0], INCEPTION_PROGRAM, weights)]

    def compute(self, frames: Tensor) -> Tensor:
        net = _network("inception", self._file, self._device)
        resized = FRONT_ENDS[self.front_end](levels(frames), inception.SIDE)
        return net(centered(resized, self.front_end))


class InceptionTfLegacy(InceptionFeatures):
    """With TensorFlow 1's bilinear resize, as FID's own script and torch-fidelity."""

    name, front_end = "inception-tf-legacy", "tf-legacy"
    settings = f"size:{inception.SIDE};resize:{front_end}"


class InceptionClean(InceptionFeatures):
    """With clean-fid's antialiased bicubic resize."""

    name, front_end = "inception-clean", "clean"
    settings = f"size:{inception.SIDE};resize:{front_end}"


class InceptionTorch(InceptionFeatures):
    """With torch's bilinear resize, as pytorch-fid."""

    name, front_end = "inception-torch", "torch"
    settings = f"size:{inception.SIDE};resize:{front_end}"


class I3DFeatures(FeatureNetwork):
    """400 logits of I3D of 16 frames."""

    name, width, length = "i3d", i3d.WIDTH, 16
    settings = f"size:{i3d.SIDE};resize:torch,center-crop;frames:16;eps:{i3d.EPS:g}"

    @classmethod
    def file(cls, weights: Path | None) -> Path | None:
        return find_file(I3D_FILE, weights)

    @classmethod
    def missing(cls, weights: Path | None) -> list[str]:
        return [] if cls.file(weights) else [_absent(I3D_FILE, I3D_PROGRAM, weights)]

    def compute(self, frames: Tensor) -> Tensor:
        if frames.shape[1] < i3d.FEWEST:
            raise UserError(f"I3D needs {i3d.FEWEST} frames, got {frames.shape[1]}", code="too-few-frames")
        net = _network("i3d", self._file, self._device)
        clips = frames.permute(0, 4, 1, 2, 3).float() / 255
        return net(torch.stack([fvd_front_end(clip, i3d.SIDE) for clip in clips]))


def read(kind: str, file: Path, device: str = "cpu") -> nn.Module:
    """Load the network "inception" or "i3d" with the weights of a file, in evaluation mode.

    Raises UserError for another file, and for a TorchScript program.
    """
    net = {"inception": inception.Inception, "i3d": i3d.I3D}[kind]()
    counters = {key: value for key, value in net.state_dict().items() if key.endswith("num_batches_tracked")}
    try:
        net.load_state_dict({**counters, **load(file, device)})
    except (RuntimeError, TypeError, AttributeError):
        raise UserError(f"{file} does not hold the weights of {type(net).__name__}", code="other-network") from None
    return net.to(device).eval()


@lru_cache(maxsize=4)
def _network(kind: str, file: Path, device: str) -> nn.Module:
    return read(kind, file, device)


def _absent(name: str, program: str, weights: Path | None) -> str:
    if found := find_file(program, weights):
        return f"{name} is not on this machine ({found} is a TorchScript program, which is not executed)"
    return f"{name} is not on this machine"
