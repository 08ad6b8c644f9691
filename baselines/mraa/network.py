"""MRAA: Motion Representations for Articulated Animation (Siarohin et al., CVPR 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from baselines.blocks.avd import AVDNetwork
from baselines.blocks.conv import batch_norm
from baselines.blocks.dense_motion import DenseMotionNetwork, Motion
from baselines.blocks.generator import ImageGenerator
from baselines.blocks.grid import background_motion, coordinate_grid, resize, resize_flow, warp
from baselines.blocks.hourglass import HourglassEncoder
from baselines.mraa.regions import RegionPredictor, Regions


class BackgroundPredictor(nn.Module):
    """Map source and driving image to the background motion ``(N, 3, 3)``, driving to source coordinates (Sec. 3.3)."""

    def __init__(self, num_channels: int = 3, block_expansion: int = 32, max_features: int = 1024, num_blocks: int = 5):
        super().__init__()
        self.encoder = HourglassEncoder(block_expansion, 2 * num_channels, num_blocks, max_features, batch_norm)
        self.fc = nn.Linear(self.encoder.widths[-1], 6)
        # Training starts at the identity.
        nn.init.zeros_(self.fc.weight)
        self.fc.bias.data = torch.tensor([1.0, 0, 0, 0, 1, 0])

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        feature = self.encoder(torch.cat([source, driving], dim=1))[-1]
        rows = self.fc(feature.mean((2, 3))).float().view(-1, 2, 3)
        last = rows.new_tensor([0.0, 0.0, 1.0]).expand(len(rows), 1, 3)
        return torch.cat([rows, last], dim=1)


class PixelwiseFlowPredictor(DenseMotionNetwork):
    """FOMM's dense motion with regions instead of keypoints, and a background that may move (Sec. 3.3)."""

    def forward(  # type: ignore[override]
        self, source_image: Tensor, source: Regions, driving: Regions, background: Tensor | None = None
    ) -> Motion:
        small = self.down(source_image)
        h, w = small.shape[2:]
        heatmaps = region_heatmaps(driving, h, w) - region_heatmaps(source, h, w)
        return self.mix(small, heatmaps, region_motions(source, driving, background, h, w))


def region_heatmaps(regions: Regions, height: int, width: int) -> Tensor:
    """Return Gaussians ``(N, K, height, width)`` with peak 1 and each region's covariance."""
    offset = coordinate_grid(height, width, regions.shift) - regions.shift[:, :, None, None]
    precision = torch.linalg.inv(regions.covar)
    return torch.exp(-0.5 * (torch.einsum("nkij,nkhwj->nkhwi", precision, offset) * offset).sum(-1))


def region_motions(source: Regions, driving: Regions, background: Tensor | None, height: int, width: int) -> Tensor:
    """Return source coordinates ``(N, K+1, height, width, 2)``: background, then A_S A_D^-1 (z - c_D) + c_S per region.

    The sign of principal axes is arbitrary. Each map is multiplied by the sign of its first entry, so that no region
    is turned upside down.
    """
    grid = coordinate_grid(height, width, source.shift)
    affine = source.affine @ torch.linalg.inv(driving.affine)
    affine = affine * torch.sign(affine[..., :1, :1])
    offset = grid - driving.shift[:, :, None, None]
    motions = torch.einsum("nkij,nkhwj->nkhwi", affine, offset) + source.shift[:, :, None, None]
    return torch.cat([background_motion(grid, background, len(motions)), motions], dim=1)


class SkipGenerator(ImageGenerator):
    """FOMM's generator with skips: the warped source, masked by occlusion, enters at every size, the image included."""

    pixelwise_flow_predictor: PixelwiseFlowPredictor

    def __init__(
        self,
        num_regions: int,
        num_channels: int = 3,
        pixelwise_flow_predictor_params: Mapping[str, Any] | None = None,
        **widths: int,
    ):
        motion = PixelwiseFlowPredictor(num_regions, num_channels, **(pixelwise_flow_predictor_params or {}))
        super().__init__(("pixelwise_flow_predictor", motion), num_channels, **widths)

    def forward(
        self, source_image: Tensor, source: Regions, driving: Regions, background: Tensor | None = None
    ) -> tuple[Tensor, Motion]:
        """Return the frame ``(N, 3, H, W)`` in (0, 1) and its motion. background: ``(N, 3, 3)``."""
        features = self.encode(source_image)
        motion = self.pixelwise_flow_predictor(source_image, source, driving, background)
        *features, coarsest = features
        out = blend(self.bottleneck(blend(torch.zeros_like(coarsest), coarsest, motion)), coarsest, motion)
        for up, feature in zip(self.up_blocks, reversed(features), strict=True):
            out = blend(up(out), feature, motion)
        return blend(torch.sigmoid(self.final(out)), source_image, motion), motion


def blend(out: Tensor, skip: Tensor, motion: Motion) -> Tensor:
    """Return the warped `skip` ``(N, C, H, W)`` where it is not occluded, `out` elsewhere."""
    height, width = skip.shape[2:]
    assert motion.occlusion is not None  # MRAA always estimates it
    visible = resize(motion.occlusion, height, width, align_corners=False).to(skip.dtype)
    flow = resize_flow(motion.flow, height, width, align_corners=False).to(skip.dtype)
    return warp(skip, flow, align_corners=False) * visible + out * (1 - visible)


class MRAA(nn.Module):
    """All networks, named as in the official checkpoints.

    config: ``model_params`` of the official YAML files.
    """

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        count, channels = config["num_regions"], config.get("num_channels", 3)
        # Switches of the official files; the released models have only these values.
        switches = {"pca_based", "fast_svd", "skips", "use_deformed_source", "use_covar_heatmap"}
        switches |= {"estimate_occlusion_map", "bg_type"}
        generator = _without(config["generator_params"], switches)
        generator["pixelwise_flow_predictor_params"] = _without(generator["pixelwise_flow_predictor_params"], switches)
        self.region_predictor = RegionPredictor(
            count, channels, **_without(config["region_predictor_params"], switches)
        )
        self.generator = SkipGenerator(count, channels, **generator)
        background, avd = config.get("bg_predictor_params"), config.get("avd_network_params")
        self.bg_predictor = BackgroundPredictor(channels, **_without(background, switches)) if background else None
        self.avd_network = AVDNetwork(6 * count, **avd) if avd else None

    def detect(self, image: Tensor) -> Regions:
        """Return the regions of images ``(N, 3, H, W)`` in [0, 1]."""
        return self.region_predictor(image)

    def generate(
        self, source_image: Tensor, source: Regions, driving: Regions, background: Tensor | None = None
    ) -> tuple[Tensor, Motion]:
        """Return the source animated to the driving regions, ``(N, 3, H, W)`` in (0, 1), and its motion."""
        return self.generator(source_image, source, driving, background)

    def disentangled(self, source: Regions, driving: Regions) -> Regions:
        """Return the driving pose with the source's shape, from the AVD network."""
        affine = source.affine @ torch.linalg.inv(driving.affine)
        turned = source.affine * torch.sign(affine[..., :1, :1])
        described = [
            torch.cat([shift, affine.flatten(2)], dim=2)
            for shift, affine in ((source.shift, turned), (driving.shift, driving.affine))
        ]
        assert self.avd_network is not None  # else avd is not a motion mode
        moved = self.avd_network(*described).float()
        affine = moved[..., 2:].unflatten(2, (2, 2))
        return Regions(moved[..., :2], affine @ affine.transpose(2, 3), affine)


def _without(parameters: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {key: value for key, value in parameters.items() if key not in names}
