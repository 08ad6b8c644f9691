"""OSTNet: online scale transformation network (Hong and Xu, 2023). Written from the paper, since no code is public.

Keypoint detector and dense motion are FOMM's. Comments mark the choices that the paper leaves open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from baselines.blocks.dense_motion import Motion
from baselines.blocks.keypoints import KeypointDetector, Keypoints
from baselines.dagan.network import DaGAN, DepthAwareGenerator
from baselines.fomm.network import OcclusionAwareGenerator
from baselines.ostnet.scale import Scale, ScaleEmbedding, ScaleTransformation


@dataclass(frozen=True)
class Rectified:
    """image: I_D^, the driving image ``(N, 3, H, W)`` in the source's scale; keypoints: detected in it.

    scale: code and fiducials; None without the scale transformation.
    """

    image: Tensor
    keypoints: Keypoints
    scale: Scale | None


class ScaleAwareGenerator(OcclusionAwareGenerator):
    """FOMM's generator with the scale code added before every down block and every up block (Eq. 5).

    OSTNet itself has L = 4 levels, no bottleneck and a last convolution of 1x1. Its Eq. 5 has no occlusion map, so
    ``estimate_occlusion`` of the dense motion is off.
    """

    def __init__(self, *args: Any, scale_code: int | None = None, **parameters: Any):
        super().__init__(*args, **parameters)
        self.embedding = ScaleEmbedding(self.widths, scale_code) if scale_code else None

    def forward(
        self, source_image: Tensor, source: Keypoints, driving: Keypoints, code: Tensor | None = None
    ) -> tuple[Tensor, Motion]:
        """Return the frame ``(N, 3, H, W)`` in (0, 1) and its motion. code: ``(N, Z)``."""
        down, up = (None, None) if self.embedding is None else self.embedding(code)
        feature = self.encode(source_image, down)[-1]
        motion = self.dense_motion_network(source_image, source, driving)
        return self.decode(self.deform(feature, motion), up), motion


class ScaleAwareDepthGenerator(DepthAwareGenerator):
    """DaGAN's generator with the scale code added before every down block and every up block."""

    def __init__(self, *args: Any, scale_code: int | None = None, **parameters: Any):
        super().__init__(*args, **parameters)
        self.embedding = ScaleEmbedding(self.widths, scale_code) if scale_code else None

    def forward(  # type: ignore[override]
        self, source_image: Tensor, source: Keypoints, driving: Keypoints, code: Tensor | None, depth: Tensor
    ) -> tuple[Tensor, Motion]:
        """Return the frame and its motion. depth: ``(N, 1, H, W)`` in (0, 1), of the source."""
        down, up = (None, None) if self.embedding is None else self.embedding(code)
        motion = self.dense_motion_network(source_image, source, driving)
        feature = self.deform(self.encode(source_image, down)[-1], motion)
        return self.decode(self.AttnModule(self.encode_depth(depth), feature), up), motion


class OSTNet(nn.Module):
    """Keypoint detector, scale transformation and generator (Fig. 2); with FOMM's generator, ``fomm+scale``.

    config: as FOMM's, and ``scale_params``: widths ``code`` and ``hidden``, ``with_distances``, and the switches
        ``transform`` and ``embed`` of the two parts (ST and SE of Table 3).
    """

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        common = config["common_params"]
        num_kp, num_channels = common["num_kp"], common.get("num_channels", 3)
        self.kp_detector = KeypointDetector(num_kp, num_channels, **config["kp_detector_params"])
        self.scale_transformation, code = _scale_parts(config, num_kp)
        parameters = {k: v for k, v in config["generator_params"].items() if k != "estimate_occlusion_map"}
        self.generator = ScaleAwareGenerator(num_kp, num_channels, scale_code=code, **parameters)

    def detect(self, image: Tensor) -> Keypoints:
        """Return the keypoints of images ``(N, 3, H, W)`` in [0, 1]."""
        return self.kp_detector(image)

    def rectify(self, source: Keypoints, driving_image: Tensor) -> Rectified:
        """Return the driving image in the source's scale, and its keypoints."""
        return _rectify(self.scale_transformation, self.detect, source, driving_image)

    def generate(self, source_image: Tensor, source: Keypoints, driving: Rectified) -> tuple[Tensor, Motion]:
        """Return the source animated to the rectified driving image, ``(N, 3, H, W)`` in (0, 1), and its motion."""
        return self.generator(source_image, source, driving.keypoints, driving.scale and driving.scale.code)


class ScaleDaGAN(DaGAN):
    """DaGAN with scale transformation and scale embedding, ``dagan+scale`` (Table 5)."""

    def __init__(self, config: Mapping[str, Any]):
        super().__init__(config)
        common = config["common_params"]
        num_kp, num_channels = common["num_kp"], common.get("num_channels", 3)
        self.scale_transformation, code = _scale_parts(config, num_kp)
        parameters = {k: v for k, v in config["generator_params"].items() if k != "estimate_occlusion_map"}
        self.generator = ScaleAwareDepthGenerator(num_kp, num_channels, scale_code=code, **parameters)

    def rectify(self, source: Keypoints, driving_image: Tensor) -> Rectified:
        """Return the driving image in the source's scale, and its keypoints."""
        return _rectify(self.scale_transformation, self.detect, source, driving_image)

    def generate(  # type: ignore[override]
        self, source_image: Tensor, source: Keypoints, driving: Rectified, depth: Tensor | None = None
    ) -> tuple[Tensor, Motion]:
        """Return the source animated to the rectified driving image, ``(N, 3, H, W)`` in (0, 1), and its motion."""
        depth = self.depth(source_image) if depth is None else depth
        code = driving.scale and driving.scale.code
        return self.generator(source_image, source, driving.keypoints, code, depth)


def _scale_parts(config: Mapping[str, Any], num_kp: int) -> tuple[ScaleTransformation | None, int | None]:
    """Return the transformation, and the width of the generator's code; None for a part that is switched off."""
    parameters = dict(config["scale_params"])
    transform, embed = parameters.pop("transform", True), parameters.pop("embed", True)
    if embed and not transform:
        raise ValueError("the scale embedding needs the code of the scale transformation")
    return (ScaleTransformation(num_kp, **parameters) if transform else None), (parameters["code"] if embed else None)


def _rectify(transformation: ScaleTransformation | None, detect: Any, source: Keypoints, image: Tensor) -> Rectified:
    driving = detect(image)
    if transformation is None:
        return Rectified(image, driving, None)
    scale = transformation(source.value, driving.value)
    rectified = transformation.rectify(image, scale)
    return Rectified(rectified, detect(rectified), scale)
