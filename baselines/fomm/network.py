"""FOMM: First Order Motion Model for Image Animation (Siarohin et al., NeurIPS 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from baselines.blocks.dense_motion import DenseMotionNetwork, Motion
from baselines.blocks.generator import ImageGenerator
from baselines.blocks.grid import resize, resize_flow, warp
from baselines.blocks.keypoints import KeypointDetector, Keypoints


class OcclusionAwareGenerator(ImageGenerator):
    """Encode the source, warp its feature by the dense motion, mask occlusions, decode (FOMM Sec. 3.3)."""

    dense_motion_network: DenseMotionNetwork

    def __init__(
        self,
        num_kp: int,
        num_channels: int = 3,
        dense_motion_params: Mapping[str, Any] | None = None,
        align_corners: bool = False,
        **widths: int,
    ):
        motion = DenseMotionNetwork(num_kp, num_channels, align_corners=align_corners, **(dense_motion_params or {}))
        super().__init__(("dense_motion_network", motion), num_channels, **widths)
        self.align_corners = align_corners

    def forward(self, source_image: Tensor, source: Keypoints, driving: Keypoints) -> tuple[Tensor, Motion]:
        """Return the frame ``(N, 3, H, W)`` in (0, 1) and its motion."""
        feature = self.encode(source_image)[-1]
        motion = self.dense_motion_network(source_image, source, driving)
        return self.decode(self.deform(feature, motion)), motion

    def deform(self, feature: Tensor, motion: Motion) -> Tensor:
        """Warp a feature ``(N, C, h, w)`` by the flow and multiply it by the occlusion map (FOMM Eq. 8)."""
        height, width = feature.shape[2:]
        flow = resize_flow(motion.flow, height, width, False).to(feature.dtype)
        warped = warp(feature, flow, self.align_corners)
        return warped if motion.occlusion is None else warped * resize(motion.occlusion, height, width, False)


class FOMM(nn.Module):
    """Keypoint detector and generator, named as in the official checkpoints.

    config: as in the official YAML files: ``common_params``, ``kp_detector_params``, ``generator_params``.
    """

    def __init__(self, config: Mapping[str, Any], align_corners: bool = False):
        super().__init__()
        common = config["common_params"]
        num_kp, num_channels = common["num_kp"], common.get("num_channels", 3)
        self.kp_detector = KeypointDetector(num_kp, num_channels, **config["kp_detector_params"])
        parameters = {k: v for k, v in config["generator_params"].items() if k != "estimate_occlusion_map"}
        self.generator = OcclusionAwareGenerator(num_kp, num_channels, align_corners=align_corners, **parameters)

    def detect(self, image: Tensor) -> Keypoints:
        """Return the keypoints of images ``(N, 3, H, W)`` in [0, 1]."""
        return self.kp_detector(image)

    def generate(self, source_image: Tensor, source: Keypoints, driving: Keypoints) -> tuple[Tensor, Motion]:
        """Return the source animated to the driving keypoints, ``(N, 3, H, W)`` in (0, 1), and its motion."""
        return self.generator(source_image, source, driving)
