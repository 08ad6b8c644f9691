"""MCNet in training: FOMM's losses, keypoint distance and memory consistency."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines.blocks.keypoints import Keypoints
from baselines.mcnet.network import MCNet
from baselines.training import losses
from baselines.training.first_order import HOURGLASS, FirstOrderTrainee

MCNET_CONFIG: dict[str, Any] = {
    "common_params": {"num_kp": 10, "num_channels": 3, "estimate_jacobian": True},
    "kp_detector_params": {"temperature": 0.1, **HOURGLASS},
    "generator_params": {
        "block_expansion": 16,
        "max_features": 64,
        "num_down_blocks": 3,
        "estimate_occlusion_map": True,
        "dense_motion_params": HOURGLASS,
    },
    "command_line": {"mb_channel": 64, "mb_spatial": 16},
}


class MemoryTrainee(FirstOrderTrainee):
    """MCNet (Hong and Xu 2023, Eq. 6).

    Detector and dense motion are FOMM's, so they may start from a trained FOMM of the same widths.
    """

    config = MCNET_CONFIG
    network: MCNet
    side = 256

    def build(self) -> MCNet:
        return MCNet(self.config)

    def set_side(self, side: int) -> None:
        """Also renames what the memory unit keeps for each level: its names are the sides of the features."""
        super().set_side(side)
        unit = self.network.generator.mbUnit
        if side != self.side:
            modules = {name: unit._modules.pop(name) for name in list(unit._modules)}
            for name, module in modules.items():
                stem, _, level = name.rpartition("_")
                unit.add_module(f"{stem}_{int(level) * side // self.side}" if level.isdigit() else name, module)
            self.side = side

    def generate(self, image: Tensor, source: Keypoints, driving: Keypoints) -> Tensor:
        # Training noise comes from the global generator, which the loop seeds at every step.
        seeds = torch.randint(2**31, (len(image),)).tolist()
        with self.reduced_precision(image.device):
            made = self.network.generate(
                image.contiguous(memory_format=torch.channels_last), source, driving, self.network.noise(seeds, image)
            )
        self.compensations = made.compensations
        return made.frame.float()

    def losses(self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        parts = super().losses(source, driving, rng, progress)
        levels = [losses.memory_consistency(c.projected.float(), c.value.float()) for c in self.compensations]
        parts["consistency"] = 10 * torch.stack(levels).sum()
        return parts

    def keypoint_terms(self, source: Keypoints, driving: Keypoints) -> dict[str, Tensor]:
        crowded = sum(losses.keypoint_distance(at.value) for at in (source, driving))
        return super().keypoint_terms(source, driving) | {"keypoint_distance": 10 * crowded}
