"""MCNet's memory (IICM and MCM) on other networks: ``fomm+memory`` and ``tpsm+memory`` (Table 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from baselines.blocks.conv import DownBlock
from baselines.blocks.keypoints import Keypoints
from baselines.fomm.network import FOMM
from baselines.mcnet.memory import Compensation, MemoryUnit, memory_noise
from baselines.mcnet.network import Generated
from baselines.tpsm import network as tpsm
from baselines.tpsm.network import POINTS_PER_TPS, TPSM


class MemoryFOMM(FOMM):
    """FOMM with the memory between warping and decoder.

    config: FOMM's, and ``memory_params`` of `MemoryUnit`.
    """

    def __init__(self, config: Mapping[str, Any], align_corners: bool = False, frame_size: int = 256):
        super().__init__(config, align_corners)
        widths = self.generator.widths
        levels = {frame_size >> (len(widths) - 1): widths[-1]}
        unit = MemoryUnit(levels, config["common_params"]["num_kp"], **config["memory_params"])
        self.generator.mbUnit = unit  # noqa: N815 (named as in MCNet's checkpoints)

    def noise(self, seeds: Sequence[int], like: Tensor) -> list[Tensor | None]:
        """Return the memory's noise, one seed per sample."""
        return memory_noise(self.generator.get_submodule("mbUnit"), 1, seeds, like)

    def generate(  # type: ignore[override]
        self, source_image: Tensor, source: Keypoints, driving: Keypoints, noise: Sequence[Tensor | None]
    ) -> Generated:
        """Return the source ``(N, 3, H, W)`` in [0, 1] animated to the driving keypoints."""
        generator = self.generator
        feature = generator.encode(source_image)[-1]
        motion = generator.dense_motion_network(source_image, source, driving)
        compensation = generator.get_submodule("mbUnit")(generator.deform(feature, motion), source.value, noise[0])
        return Generated(generator.decode(compensation.feature), motion, (compensation,))


class MemoryTPSM(TPSM):
    """TPSM with the memory on the warped features of every level but the finest, as in MCNet.

    config: TPSM's, and ``memory_params`` of `MemoryUnit`.
    """

    def __init__(self, config: Mapping[str, Any], frame_size: int = 256):
        super().__init__(config)
        ups = self.inpainting_network.down_blocks
        widths = [up.conv.out_channels for up in ups if isinstance(up, DownBlock)]
        levels = {frame_size >> (i + 1): widths[i] for i in reversed(range(len(ups)))}
        points = POINTS_PER_TPS * config["common_params"]["num_tps"]
        unit = MemoryUnit(levels, points, **config["memory_params"])
        self.inpainting_network.mbUnit = unit  # noqa: N815 (named as in MCNet's checkpoints)

    def noise(self, seeds: Sequence[int], like: Tensor) -> list[Tensor | None]:
        """Return the memory's noise of every level, one seed per sample."""
        network = self.inpainting_network
        return memory_noise(network.get_submodule("mbUnit"), len(network.down_blocks), seeds, like)

    def generate(
        self,
        source_image: Tensor,
        source: Tensor,
        driving: Tensor,
        background: Tensor | None = None,
        keep: Tensor | None = None,
        noise: Sequence[Tensor | None] = (),
    ) -> tpsm.Generated:
        """Return the source animated to the driving points, as TPSM does. noise: from `noise`."""
        motion = self.dense_motion_network(source_image, source, driving, background, keep)
        return self.inpaint(source_image, motion, source, noise)

    def inpaint(
        self, source_image: Tensor, motion: tpsm.Motion, source: Tensor, noise: Sequence[Tensor | None]
    ) -> tpsm.Generated:
        """Return the frame of the inpainting network with the memory."""
        compensations: list[Compensation] = []

        def compensate(visible: list[Tensor]) -> list[Tensor]:
            unit = self.inpainting_network.get_submodule("mbUnit")
            compensations.extend(unit(x, source, drawn) for x, drawn in zip(visible[:-1], noise, strict=True))
            return [compensation.feature for compensation in compensations] + visible[-1:]

        made = self.inpainting_network(source_image, motion, compensate)
        return tpsm.Generated(made.frame, motion, made.warped, tuple(compensations))
