"""The side of the frames that a network works on: what its checkpoint was trained at, and what it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import lcm
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.conv import AntiAliasDownsample
from baselines.blocks.hourglass import Hourglass
from baselines.predictor import ModelError, Predictor

USUAL = 256  # of the published VoxCeleb checkpoints
OPTIONS = ("frame_size", "resize")
FILTER = "bilinear, antialiased (torch interpolate, corners not aligned)"


@dataclass(frozen=True)
class FrameSize:
    """What decides at which side a network works.

    trained: side that its checkpoint was trained at, None where the file does not say. asked: the option
    ``frame_size``. resize: the option of that name: frames of another side are brought to the network's, its results
    back to theirs.
    """

    trained: int | None
    asked: int | None
    resize: bool

    @property
    def own(self) -> int:
        """The network's side as long as nothing is known of the frames."""
        return self.asked or self.trained or USUAL

    def for_frames(self, side: int) -> int:
        """The side that the network works at for frames of `side`.

        A network of 256, or of a checkpoint that does not say what it is for, follows the frames. One that is for
        another side, or was given one, keeps it, and so does one whose frames are resized.
        """
        return side if self.trained in (None, USUAL) and not self.asked and not self.resize else self.own


def read(name: str, trained: Any, options: Mapping[str, str]) -> FrameSize:
    """trained: what the checkpoint says of it. Raises ModelError for a value that is no side of a frame."""
    if trained is not None and not (isinstance(trained, int) and trained > 0):
        raise ModelError(
            f"{name}: the checkpoint says that its frames have {trained!r} pixels a side", code="bad-configuration"
        )
    asked = options.get("frame_size")
    if asked is not None and not (asked.isascii() and asked.isdecimal() and int(asked)):
        raise ModelError(f"{name}: frame_size is a number of pixels, not {asked}", code="bad-value")
    if options.get("resize", "false") not in ("true", "false"):
        raise ModelError(f"{name}: resize is true or false, not {options['resize']}", code="bad-value")
    return FrameSize(trained, int(asked) if asked else None, options.get("resize") == "true")


def resized(frames: Tensor, side: int) -> Tensor:
    """Frames ``(N, 3, H, W)`` brought to ``(N, 3, side, side)`` by `FILTER`."""
    return F.interpolate(frames, (side, side), mode="bilinear", align_corners=False, antialias=True)


def hourglass_step(network: nn.Module) -> int:
    """What a frame's side must be a multiple of, so that every halving of the motion networks comes out even."""
    steps = [1]
    for module in network.modules():
        parts = list(module.children())
        stride = next((part.stride for part in parts if isinstance(part, AntiAliasDownsample)), None)
        if stride is not None:
            steps += [stride * 2 ** len(part.encoder.down_blocks) for part in parts if isinstance(part, Hourglass)]
    return lcm(*steps)


class SizedPredictor(Predictor):
    """A network that works on square frames of one side at a time; `size` decides which.

    The motion networks keep their scale, a quarter of the frame, as in the official configurations for 384 pixels.
    """

    size: FrameSize
    network: nn.Module
    frame_size: int
    given: frozenset[int] = frozenset()  # sides of the frames that it was told to expect

    @property
    def resizes(self) -> bool:
        """Whether frames are resized to the network's side, and its results back."""
        return self.size.resize and any(side != self.frame_size for side in self.given)

    def set_frame_size(self, side: int) -> None:
        wanted = self.size.for_frames(side)
        if wanted != side and not self.size.resize:
            kept = "as asked" if self.size.asked else "its checkpoint is for these"
            other = "" if self.size.asked else f"; {self.name}?frame_size={side} lets it work on them as they are"
            raise ModelError(
                f"{self.name} works on frames of {wanted}x{wanted} ({kept}), those here are {side}x{side}: "
                f"{self.name}?resize=true resizes them and the results back{other}",
                code="frame-size",
            )
        self.work_at(wanted)
        self.given |= {side}

    def work_at(self, side: int) -> None:
        """Let the network work on frames of this side. Raises ModelError where it cannot."""
        step = self.side_step()
        if side == self.frame_size and step is None:
            return
        possible = f"or another multiple of {step} from {2 * step} on" if step else "alone, where its halvings end"
        if step is None or side % step or side < 2 * step:
            raise ModelError(
                f"{self.name} works on frames of {self.frame_size}x{self.frame_size} {possible}, not on {side}x{side}: "
                f"{self.name}?resize=true resizes frames and the results back",
                code="frame-size",
            )
        if side != self.frame_size:
            self.change_side(self.frame_size, side)
        self.frame_size = side

    def side_step(self) -> int | None:
        """What a frame's side must be a multiple of, its double the least; None for a network of one side only.

        A hourglass ends in a single pixel at the step itself, which leaves instance normalization nothing.
        """
        return hourglass_step(self.network)

    def change_side(self, old: int, new: int) -> None:  # noqa: B027 (most networks are convolutions only)
        """Prepare the network for frames of another side than before."""
