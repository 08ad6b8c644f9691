"""Compute the keypoints for the warping from the motion of a source and a driving face, as the released program does.

For one source, driven by a video or a still. What its options do not tell:

- eye and lip retargeting replace the driving motion if motion is relative, and are added to it if absolute;
- the multiplier also scales the corrections of stitching and retargeting;
- "expression-friendly" driving multiplies the movement by a ratio of hull sizes that is 1 up to rounding, because the
  first frame's moved keypoints are the source's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from baselines.blocks.relative import movement_scale, relative_points
from baselines.liveportrait import motion
from baselines.liveportrait.motion import FaceMotion
from baselines.liveportrait.network import LivePortrait
from baselines.liveportrait.retargeting import PointNet, retargeted, stitched

OPEN_LIPS = 0.03  # lip ratio of the source above which its lips are closed before a video drives it


@dataclass(frozen=True)
class Options:
    """The defaults are those of the program's command line.

    relative: motion since the first driving frame. region: one of `motion.REGIONS`. multiplier: of all movement.
    expression_friendly: see the module. normalize_lip: close the open lips of a source.
    """

    relative: bool = True
    stitching: bool = True
    region: str = "all"
    multiplier: float = 1.0
    expression_friendly: bool = True
    eye_retargeting: bool = False
    lip_retargeting: bool = False
    normalize_lip: bool = False

    @property
    def retargeting(self) -> bool:
        return self.eye_retargeting or self.lip_retargeting


@dataclass(frozen=True)
class Ratios:
    """Opening of eyes and lips of a face, from its landmarks (`crop.ratios`). eyes: left, right."""

    eyes: tuple[float, float]
    lip: float


class Animation:
    """One source, driven frame by frame.

    initial: motion of the first driving frame, for relative motion. rest: for a driving still, which has no first
    frame: the neutral expression ``(1, K, 3)``. ratios: of the source, for retargeting and `normalize_lip`.
    """

    def __init__(
        self,
        net: LivePortrait,
        source: FaceMotion,
        options: Options,
        initial: FaceMotion | None = None,
        rest: Tensor | None = None,
        ratios: Ratios | None = None,
    ):
        if options.relative and initial is None and rest is None:
            raise ValueError("relative motion needs an initial frame or a neutral expression")
        if ratios is None and (options.retargeting or options.normalize_lip):
            raise ValueError("retargeting needs the source's ratios")
        self.net, self.options, self.ratios = net, options, ratios
        self.source, self.initial, self.rest = source, initial, rest
        self.points = source.points()
        self.multiplier: Tensor | None = None  # of "expression-friendly" driving
        self._first: Tensor | None = None
        if options.relative and options.expression_friendly and initial is not None:
            self._first = self._move(initial)
            self.multiplier = movement_scale(self.points, self._first)
        self._closed: Tensor | None = None
        closing = options.normalize_lip and options.relative and not options.retargeting
        if closing and ratios is not None and ratios.lip >= OPEN_LIPS:
            self._closed = self._lip_change(ratios.lip, 0.0)

    def drive(self, driving: FaceMotion, ratios: Ratios | None = None) -> Tensor:
        """Return keypoints ``(N, K, 3)`` for the warping. ratios: of the driving frame, for retargeting."""
        options = self.options
        moved = self._move(driving)
        if self._first is not None and self.multiplier is not None:
            moved = relative_points(self.points, moved, self._first, self.multiplier)
        if options.retargeting:
            moved = self._retarget(moved, ratios)
        if options.stitching:
            moved = stitched(self.net.retarget_shoulder, self.points, moved)
        if self._closed is not None:
            moved = moved + self._closed
        return self.points + (moved - self.points) * options.multiplier

    def _move(self, driving: FaceMotion) -> Tensor:
        region = self.options.region
        if not self.options.relative:
            return motion.absolute(self.source, driving, region).points()
        if self.initial is not None:
            return motion.relative(self.source, driving, self.initial, region).points()
        assert self.rest is not None  # see the constructor
        return motion.relative_to_rest(self.source, driving, self.rest, region).points()

    def _retarget(self, moved: Tensor, wanted: Ratios | None) -> Tensor:
        if wanted is None or self.ratios is None:
            raise ValueError("retargeting needs the ratios of both faces")
        moved = self.points if self.options.relative else moved
        if self.options.eye_retargeting:
            moved = moved + self._change(self.net.retarget_eye, *self.ratios.eyes, wanted.eyes[0])
        if self.options.lip_retargeting:
            moved = moved + self._lip_change(self.ratios.lip, wanted.lip)
        return moved

    def _lip_change(self, found: float, wanted: float) -> Tensor:
        return self._change(self.net.retarget_mouth, found, wanted)

    def _change(self, network: PointNet, *ratios: float) -> Tensor:
        given = self.points.new_tensor(ratios).expand(len(self.points), -1)
        return retargeted(network, self.points, given)
