"""LIA as a predictor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from baselines.checkpoints import States
from baselines.lia.network import CHANNELS, LIA, SMALLEST
from baselines.network_predictor import NetworkPredictor, with_failures
from baselines.predictor import MotionMode, PairBatch


class LiaPredictor(NetworkPredictor):
    """LIA: motion as magnitudes along directions. The network's output is not bounded; frames are clamped to [0, 1].

    The released demo uses relative motion for faces, the evaluation script absolute motion. The demo also stretches
    the values of each video to its full range; that is not done here.
    """

    memoized = ("encode", "motion")
    network: LIA

    @classmethod
    def read_shapes(cls, config: dict[str, Any], states: States) -> None:
        names = ("dec.direction.weight", "dec.input.input", "enc.net_app.convs.0.0.weight")
        generator = states.get("gen", {})
        for name in names:
            if name not in generator:
                raise KeyError(f"gen.{name}")
        directions, constant, first = (generator[name].shape for name in names)
        size = cls.side_by_shapes(config, states)
        config |= {"size": size, "style_dim": directions[0], "motion_dim": directions[1], "max_channels": constant[1]}
        config["channel_multiplier"] = first[0] * size / CHANNELS

    @classmethod
    def side_by_shapes(cls, config: Mapping[str, Any], states: States) -> int:
        # Each level of the decoder doubles the side.
        levels = {key.split(".")[2] for key in states.get("gen", {}) if key.startswith("dec.to_flows.")}
        return SMALLEST * 2 ** len(levels)

    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> LIA:
        return LIA(config)

    def side_step(self) -> int | None:
        return None  # fixed side: the number of the encoder's halvings depends on it

    def conventions(self) -> dict[str, Any]:
        return {"align_corners": False, "released_demo": "relative", "levels": "(x + 1) / 2, cut to [0, 1]"}

    def animate(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        source = self.network.encode(2 * batch.source - 1)
        magnitudes = self.network.motion(2 * batch.driving - 1)
        if mode == "relative":
            assert batch.anchor is not None  # `check` ensures it
            magnitudes = source.magnitudes + magnitudes - self.network.motion(2 * batch.anchor - 1)
        code = self.network.moved(source, magnitudes)
        frame = self.network.generate(source, code).frame
        return with_failures(((frame + 1) / 2).clamp(0, 1), code)
