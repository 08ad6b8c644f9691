"""FOMM and MCNet in training: keypoints with jacobians, dense motion, generator."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import add
from typing import Any

import torch
from torch import Tensor, nn

from baselines.blocks.conv import AntiAliasDownsample
from baselines.blocks.hourglass import Hourglass
from baselines.blocks.keypoints import Keypoints
from baselines.fomm.network import FOMM
from baselines.training import losses
from baselines.training.precision import in_bf16, in_float32
from baselines.training.settings import TrainSettings
from baselines.training.trainee import Trainee
from baselines.training.transform import ThinPlateTransform

HOURGLASS = {"block_expansion": 16, "max_features": 96, "num_blocks": 5, "scale_factor": 0.25}
# One halving instead of two: without skip connections, all details of a face must be in the warped feature, and a short
# training learns that much faster at 128x128x48 than at 64x64x96.
FOMM_CONFIG: dict[str, Any] = {
    "common_params": {"num_kp": 10, "num_channels": 3, "estimate_jacobian": True},
    "kp_detector_params": {"temperature": 0.1, **HOURGLASS},
    "generator_params": {
        "block_expansion": 24,
        "max_features": 48,
        "num_down_blocks": 1,
        "num_bottleneck_blocks": 4,
        "estimate_occlusion_map": True,
        "dense_motion_params": HOURGLASS,
    },
}


class FirstOrderTrainee(Trainee):
    """FOMM (Siarohin et al. 2019, Sec. 3): reconstruction and equivariance losses."""

    config = FOMM_CONFIG
    shareable: tuple[str, ...] = ("kp_detector", "generator.dense_motion_network")
    detector_name: str = "kp_detector"
    heads: tuple[str, ...] = ("kp", "jacobian")
    motion_name = "dense_motion_network"

    def __init__(self, settings: TrainSettings):
        super().__init__(settings)
        self.network = self.build()
        self.networks = nn.ModuleDict(self.parts())
        self.detector = getattr(self.network, self.detector_name)
        self.motion = getattr(self.network.generator, self.motion_name)
        if self.bf16:
            # The whole generator runs under autocast; of its motion part only the convolutions do.
            self.motion.forward = in_float32(self.motion.forward, torch.device(settings.device).type)
            for module in self.motion_convolutions():
                module.forward = in_bf16(module.forward)

    def build(self) -> Any:
        return FOMM(self.config)

    def parts(self) -> dict[str, nn.Module]:
        """Return the trained networks by their top-level names in the checkpoint."""
        return {self.detector_name: getattr(self.network, self.detector_name), "generator": self.network.generator}

    def motion_convolutions(self) -> Iterator[nn.Module]:
        yield from (getattr(self.detector, head) for head in self.heads)
        yield self.motion.mask
        yield from [self.motion.occlusion] if self.motion.occlusion is not None else []
        yield from (m for net in (self.detector, self.motion) for m in net.modules() if isinstance(m, Hourglass))

    def set_side(self, side: int) -> None:
        scale = self.motion_side / side
        for network in (self.detector, self.motion):
            if network.down.stride != round(1 / scale):
                network.down = AntiAliasDownsample(network.down.channels, scale).to(network.down.weight.device)

    def generate(self, image: Tensor, source: Keypoints, driving: Keypoints, *more: Any) -> Tensor:
        image = image.contiguous(memory_format=torch.channels_last)
        with self.reduced_precision(image.device):
            prediction, _ = self.network.generate(image, source, driving, *more)
        return prediction.float()

    def beside(self, source: Tensor, driving: Tensor) -> tuple[Any, ...]:
        """Return the generator's inputs for a pair of frames besides their keypoints."""
        return ()

    def detect(self, *frames: Tensor) -> list[Any]:
        """Return keypoints of several batches of frames, detected together."""
        keypoints = self.network.detect(torch.cat(frames))
        sizes = [len(batch) for batch in frames]
        parts = zip(keypoints.value.split(sizes), keypoints.jacobian.split(sizes))
        return [Keypoints(value, jacobian) for value, jacobian in parts]

    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        return self.generate(source, *self.detect(source, driving), *self.beside(source, driving))

    def losses(self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        half = self.deformed(len(driving))
        frames = {"source": source, "driving": driving}
        transforms = [ThinPlateTransform.random(half, rng).to(driving.device) for _ in self.deforms]
        copies = [transform.frames(frames[name][:half]) for name, transform in zip(self.deforms, transforms)]
        at_source, at_driving, *at_copies = self.detect(source, driving, *copies)
        at = {"source": at_source, "driving": at_driving}
        generated = self.generate(source, at_source, at_driving, *self.beside(source, driving))
        parts = self.compare(generated, driving, rng)
        # After the generator, because the order of adding gradients affects their last bits.
        terms = [self.equivariance(at[name], *more) for name, *more in zip(self.deforms, at_copies, transforms)]
        equivariance = {name: reduce(add, (of_one[name] for of_one in terms)) for name in terms[0]}
        return parts | self.weighted(equivariance) | self.keypoint_terms(at_source, at_driving)

    def equivariance(self, at: Any, copy: Any, transform: ThinPlateTransform) -> dict[str, Tensor]:
        """Return unweighted terms for frames' keypoints and those of deformed copies of the first frames."""
        value, jacobian = at.value[: len(copy.value)], at.jacobian[: len(copy.value)]
        slope = transform.jacobians(copy.value)
        return {
            "equivariance_value": losses.equivariance_points(value, transform.points(copy.value)),
            "equivariance_jacobian": losses.equivariance_jacobians(jacobian, slope, copy.jacobian),
        }

    def keypoint_terms(self, source: Any, driving: Any) -> dict[str, Tensor]:
        if self.published:
            return {}
        return {"spread": 10 * (losses.keypoint_spread(source.value) + losses.keypoint_spread(driving.value))}
