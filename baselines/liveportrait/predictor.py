"""LivePortrait as a predictor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from baselines import frame_size
from baselines.checkpoints import States
from baselines.levels import to_levels
from baselines.liveportrait import opening
from baselines.liveportrait.animation import Animation, Options, Ratios
from baselines.liveportrait.motion import REGIONS, FaceMotion
from baselines.liveportrait.network import LivePortrait
from baselines.network_predictor import WHOLE, NetworkPredictor, with_failures
from baselines.predictor import ModelError, MotionMode, PairBatch

CORRECTIONS = ("stitching", "eye_retargeting", "lip_retargeting", "normalize_lip")  # each has its own network
LARGEST = 10.0  # multiplier; the published page offers up to 2


class LivePortraitPredictor(NetworkPredictor):
    """LivePortrait: takes frames of 256 pixels and makes frames of 512.

    Options, named as in the published program: ``stitching=false``; ``region=`` all, exp, pose, lip or eyes;
    ``multiplier=0.8``, of all movement; ``eye_retargeting=true``, ``lip_retargeting=true``, to the driving face's
    opening (`opening`); ``normalize_lip=true``, which first closes the lips of the source. Combinations that the
    published program silently ignores raise ModelError. If the checkpoint lacks the networks of the corrections,
    stitching is off, and requesting a correction raises ModelError.
    Frames of other sides are resized to 256, as in that program. Relative motion is that program's default, with
    "expression-friendly" driving; its ratio is 1 up to rounding (`animation`) and is omitted here.
    """

    common_options = ("precision", "compile", "plain")
    options = ("stitching", "region", "multiplier", "eye_retargeting", "lip_retargeting", "normalize_lip")
    memoized = ("encode", "motion")
    sensitive = WHOLE  # instance normalization
    network: LivePortrait
    openings: opening.Openings | None = None

    @classmethod
    def read_shapes(cls, config: dict[str, Any], states: States) -> None:
        if "appearance_feature_extractor" not in states:
            raise KeyError("appearance_feature_extractor")

    @classmethod
    def side_by_shapes(cls, config: Mapping[str, Any], states: States) -> int:
        return frame_size.USUAL

    def prepare(self, config: Mapping[str, Any], options: Mapping[str, str]) -> None:
        super().prepare(config, {})
        self.size = replace(self.size, resize=True)
        side = self.frame_size * (config["spade_generator_params"]["upscale"] or 1)
        self.output_size = None if side == self.frame_size else side
        self._missing: dict[str, str] = {}

    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> LivePortrait:
        return LivePortrait(config)

    def side_step(self) -> int | None:
        return None  # always resized

    def read_options(self, options: Mapping[str, str]) -> None:
        self.requested = Options(
            stitching=self._flag(options, "stitching", self.network.corrects),
            region=self._region(options.get("region", "all")),
            multiplier=self._multiplier(options.get("multiplier", "1")),
            expression_friendly=False,
            eye_retargeting=self._flag(options, "eye_retargeting"),
            lip_retargeting=self._flag(options, "lip_retargeting"),
            normalize_lip=self._flag(options, "normalize_lip"),
        )
        if not self.network.corrects and (needing := [name for name in CORRECTIONS if getattr(self.requested, name)]):
            raise ModelError(
                f"{self.name}: {needing[0]} needs the stitching and retargeting networks, which this checkpoint lacks",
                code="unused-option",
            )
        if self.requested.retargeting and self.requested.normalize_lip:
            raise ModelError(
                f"{self.name}: with eye_retargeting or lip_retargeting, normalize_lip has no effect",
                code="unused-option",
            )
        if self.requested.retargeting or self.requested.normalize_lip:
            self.openings = opening.Openings()
        super().read_options(options)

    def _flag(self, options: Mapping[str, str], name: str, default: bool = False) -> bool:
        text = options.get(name, "true" if default else "false")
        if text not in ("true", "false"):
            raise ModelError(f"{self.name}: {name} is true or false, not {text}", code="bad-value")
        return text == "true"

    def _region(self, text: str) -> str:
        if text not in REGIONS:
            raise ModelError(f"{self.name}: region is {', '.join(REGIONS)}, not {text}", code="bad-value")
        return text

    def _multiplier(self, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 <= number <= LARGEST:
            raise ModelError(f"{self.name}: multiplier is a number from 0 to {LARGEST:g}, not {text}", code="bad-value")
        return number

    def conventions(self) -> dict[str, Any]:
        chosen = self.requested
        facts: dict[str, Any] = {"align_corners": False, "released_demo": "relative", "stitching": chosen.stitching}
        facts |= {"region": chosen.region, "multiplier": chosen.multiplier}
        facts |= {
            name: True for name in ("eye_retargeting", "lip_retargeting", "normalize_lip") if getattr(chosen, name)
        }
        return facts | ({"opening": self.openings.settings} if self.openings else {})

    def check(self, batch: PairBatch, mode: MotionMode) -> None:
        super().check(batch, mode)
        relative = mode == "relative"
        if relative and self.requested.retargeting and self.requested.region != "all":
            raise ModelError(
                f"{self.name}: in relative motion retargeting replaces the driving motion, so that region "
                "has no effect; the motion mode absolute has both",
                code="unused-option",
            )
        if not relative and self.requested.normalize_lip:
            raise ModelError(
                f"{self.name}: normalize_lip is for relative motion, not for the motion mode {mode}",
                code="unused-option",
            )

    def predict(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        self._missing = {}
        return super().predict(batch, mode)

    def why_missing(self, pair: str) -> str | None:
        return self._missing.get(pair)

    def animate(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        net, relative = self.network, mode == "relative"
        faces = [net.motion(image) for image in (batch.source, batch.driving)]
        if relative:
            assert batch.anchor is not None  # `check` ensures it
            faces.append(net.motion(batch.anchor))
        if self.openings is None:
            source, driving = self._points(*faces, relative=relative)
        else:  # which are each pair's own
            alone = [self._opened(batch, i, [face.item(i) for face in faces], relative) for i in range(len(batch))]
            source, driving = (torch.cat(points) for points in zip(*alone))
        frame, _ = net.generate(net.encode(batch.source), source, driving)
        return with_failures(frame, source, driving)

    def _opened(self, batch: PairBatch, i: int, faces: list[FaceMotion], relative: bool) -> tuple[Tensor, Tensor]:
        """Return `_points` of one pair; NaN if a face to be measured is not found."""
        assert self.openings is not None
        images = {"source": batch.source[i], "driving": batch.driving[i]}
        wanted = images if self.requested.retargeting else {"source": images["source"]}
        found = {role: self.openings(_levels(image)) for role, image in wanted.items()}
        if absent := next((role for role, ratios in found.items() if ratios is None), None):
            self._missing[batch.ids[i]] = f"no face in the {absent} frame, so its eyes and lips cannot be measured"
            nothing = torch.full_like(faces[0].keypoints, torch.nan)
            return nothing, nothing
        return self._points(*faces, relative=relative, ratios=(found["source"], found.get("driving")))

    def _points(
        self,
        source: FaceMotion,
        driving: FaceMotion,
        initial: FaceMotion | None = None,
        *,
        relative: bool,
        ratios: tuple[Ratios | None, Ratios | None] = (None, None),
    ) -> tuple[Tensor, Tensor]:
        """Return keypoints ``(N, K, 3)`` of the source and of the frame to generate."""
        options = replace(self.requested, relative=relative)
        animation = Animation(self.network, source, options, initial, ratios=ratios[0])
        return animation.points, animation.drive(driving, ratios[1])


def _levels(image: Tensor) -> Any:
    """Convert ``(3, H, W)`` to uint8 ``(H, W, 3)``; frames that are not finite become black, so they have no face."""
    return to_levels(image.nan_to_num(0, 0, 0)).permute(1, 2, 0).cpu().numpy()
