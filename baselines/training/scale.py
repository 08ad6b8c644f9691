"""OSTNet in training, and its parts on FOMM: FOMM's losses on rescaled driving frames, and rectification."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines.blocks.grid import coordinate_grid, warp
from baselines.blocks.keypoints import Keypoints
from baselines.ostnet.network import OSTNet, Rectified
from baselines.training import losses
from baselines.training.first_order import FOMM_CONFIG, HOURGLASS, FirstOrderTrainee
from baselines.training.transform import ThinPlateTransform

DELTA = 0.3  # appendix A
SCALE = {"scale_params": {"code": 64, "hidden": 128, "with_distances": True, "transform": True, "embed": True}}
# FOMM's reduced generator instead of four halvings: with 64x64 features a short training fits its training faces and
# blurs others. Occlusion is off, as in the paper.
OSTNET_CONFIG: dict[str, Any] = {
    "common_params": FOMM_CONFIG["common_params"],
    "kp_detector_params": FOMM_CONFIG["kp_detector_params"],
    "generator_params": {
        **{k: v for k, v in FOMM_CONFIG["generator_params"].items() if k != "estimate_occlusion_map"},
        "dense_motion_params": {**HOURGLASS, "estimate_occlusion": False},
    },
    **SCALE,
}
FOMM_SCALE_CONFIG: dict[str, Any] = {**FOMM_CONFIG, **SCALE}


def squeeze(images: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """Augment ``(N, 3, S, S)`` by factors ``(N,)`` for height and width, preserving the expression (Sec. 3.4).

    The resized frame is padded with black to a square and resized to S x S, so the shorter side is squeezed. The
    protocol's version, in `protocols.augment`, also has the blur of its two resizes.
    """
    longest = torch.maximum(alpha, beta)
    shrink = torch.stack([beta, alpha], dim=1) / longest[:, None]
    grid = coordinate_grid(images.shape[2], images.shape[3], images) / shrink[:, None, None]
    return warp(images, grid, align_corners=True)


class ScaleTrainee(FirstOrderTrainee):
    """OSTNet (Eqs. 6 to 10), its variants, and ``fomm+scale``: the generator decides which.

    Detector, dense motion and, if all shapes agree, the generator's own blocks can start from a trained FOMM.
    """

    config = OSTNET_CONFIG
    network: OSTNet
    shareable = (
        "kp_detector",
        *(
            f"generator.{part}"
            for part in ("dense_motion_network", "first", "down_blocks", "bottleneck", "up_blocks", "final")
        ),
    )

    def build(self) -> OSTNet:
        return OSTNet(self.config)

    def parts(self) -> dict[str, torch.nn.Module]:
        own = {"scale_transformation": self.network.scale_transformation} if self.network.scale_transformation else {}
        return super().parts() | own

    def generate(self, image: Tensor, source: Keypoints, driving: Rectified) -> Tensor:  # type: ignore[override]
        return super().generate(image, source, driving)  # type: ignore[arg-type]  # as its network takes them

    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        at_source = self.network.detect(source)
        return self.generate(source, at_source, self.network.rectify(at_source, driving))

    def losses(self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        half = self.deformed(len(source))
        alpha, beta = (1 - DELTA + 2 * DELTA * torch.rand(2, len(driving), generator=rng)).to(driving.device)
        transform = ThinPlateTransform.random(half, rng).to(source.device)
        frames = torch.cat([source, transform.frames(source[:half])])
        points = self.network.detect(frames)
        assert points.jacobian is not None  # FOMM's detector has them
        at_source = Keypoints(points.value[: len(source)], points.jacobian[: len(source)])
        at_copy = Keypoints(points.value[len(source) :], points.jacobian[len(source) :])
        rectified = self.network.rectify(at_source, squeeze(driving, alpha, beta))
        parts = self.compare(self.generate(source, at_source, rectified), driving, rng)
        if rectified.scale is not None:
            nearer = self.reconstruction(rectified.image, driving, rng)
            parts |= {f"rectified_{name}": value for name, value in nearer.items()}
        back, slope = transform.points(at_copy.value), transform.jacobians(at_copy.value)
        assert at_source.jacobian is not None and at_copy.jacobian is not None
        terms = {
            "equivariance_value": losses.equivariance_points(at_source.value[:half], back),
            # Eq. 8 has keypoints only; the jacobians of FOMM's detector need FOMM's term.
            "equivariance_jacobian": losses.equivariance_jacobians(at_source.jacobian[:half], slope, at_copy.jacobian),
            "keypoint_distance": losses.keypoint_hinge(at_source.value),
        }
        return parts | self.weighted(terms)


class FommScaleTrainee(ScaleTrainee):
    """``fomm+scale``: FOMM's generator, which can start completely from a trained FOMM (Table 5)."""

    config = FOMM_SCALE_CONFIG
