"""MCNet in training, and its memory on FOMM and TPSM: their losses, keypoint distance and memory consistency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from baselines.blocks.keypoints import Keypoints
from baselines.mcnet.attached import MemoryFOMM, MemoryTPSM
from baselines.mcnet.memory import Compensation, rename_levels
from baselines.mcnet.network import MCNet
from baselines.tpsm.network import Generated
from baselines.training import losses
from baselines.training.first_order import FOMM_CONFIG, HOURGLASS, FirstOrderTrainee
from baselines.training.thin_plate import TPSM_CONFIG, ThinPlateTrainee
from baselines.training.transform import ThinPlateTransform

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

    Detector and dense motion are FOMM's, so they can start from a trained FOMM with the same widths.
    """

    config = MCNET_CONFIG

    def build(self) -> Any:
        self.side = self.frame_size
        return MCNet(self.config, self.frame_size)

    def set_side(self, side: int) -> None:
        """Change the side; also rename the memory unit's modules of each level, which are named by their sides."""
        super().set_side(side)
        rename_levels(self.network.generator.mbUnit, self.side, side)
        self.side = side

    def generate(self, image: Tensor, source: Keypoints, driving: Keypoints) -> Tensor:
        # Training noise is from the global generator, which the loop seeds at every step.
        seeds = torch.randint(2**31, (len(image),)).tolist()
        with self.reduced_precision(image.device):
            made = self.network.generate(
                image.contiguous(memory_format=torch.channels_last), source, driving, self.network.noise(seeds, image)
            )
        self.compensations = made.compensations
        return made.frame.float()

    def losses(self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        parts = super().losses(source, driving, rng, progress)
        return parts | self.weighted(consistency(self.compensations))

    def equivariance(self, at: Keypoints, copy: Keypoints, transform: ThinPlateTransform) -> dict[str, Tensor]:
        """Return FOMM's terms; with the recipe ``published`` Eq. 8, a sum instead of the mean in FOMM's code."""
        terms = super().equivariance(at, copy, transform)
        if self.published:
            value = losses.equivariance_sum(at.value[: len(copy.value)], transform.points(copy.value))
            terms["equivariance_value"] = value
        return terms

    def keypoint_terms(self, source: Keypoints, driving: Keypoints) -> dict[str, Tensor]:
        """Return Eq. 9 with the recipe ``published``, else the released code's form; neither has a gradient."""
        distance = losses.keypoint_crowding if self.published else losses.keypoint_distance
        crowded = distance(source.value) + distance(driving.value)
        return super().keypoint_terms(source, driving) | self.weighted({"keypoint_distance": crowded})


class FommMemoryTrainee(MemoryTrainee):
    """``fomm+memory``; all parts of FOMM can start from a trained one."""

    config = {**FOMM_CONFIG, "memory_params": {"mb_channel": 48, "mb_spatial": 16}}
    shareable = (
        *FirstOrderTrainee.shareable,
        *(f"generator.{part}" for part in ("first", "down_blocks", "bottleneck", "up_blocks", "final")),
    )

    def build(self) -> MemoryFOMM:
        self.side = self.frame_size
        return MemoryFOMM(self.config, frame_size=self.frame_size)


class TpsmMemoryTrainee(ThinPlateTrainee):
    """``tpsm+memory``; detector and dense motion can start from a trained TPSM."""

    network: MemoryTPSM

    config = {**TPSM_CONFIG, "memory_params": {"mb_channel": 48, "mb_spatial": 16}}
    shareable = ("kp_detector", "dense_motion_network")

    def build(self) -> MemoryTPSM:
        self.side = self.frame_size
        return MemoryTPSM(self.config, self.frame_size)

    def set_side(self, side: int) -> None:
        super().set_side(side)
        rename_levels(self.network.inpainting_network.get_submodule("mbUnit"), self.side, side)
        self.side = side

    def inpaint(self, image: Tensor, motion: Any, source: Tensor) -> Generated:
        seeds = torch.randint(2**31, (len(image),)).tolist()
        made = self.network.inpaint(image, motion, source, self.network.noise(seeds, image))
        self.compensations = made.compensations
        return made

    def losses(self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        return super().losses(source, driving, rng, progress) | self.weighted(consistency(self.compensations))


def consistency(compensations: Sequence[Compensation]) -> dict[str, Tensor]:
    """Return the unweighted loss of Eq. 5, summed over the levels; an empty dictionary without a memory."""
    levels = [losses.memory_consistency(c.projected.float(), c.value.float()) for c in compensations]
    return {"consistency": torch.stack(levels).sum()} if levels else {}
