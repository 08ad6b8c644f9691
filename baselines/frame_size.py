"""Side of the frames that a network works on: from its checkpoint's training, the options and the frames."""

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
    """What decides the side that a network works at.

    trained: side that its checkpoint was trained at, in pixels; None if the file does not say. requested: the option
    ``frame_size``. resize: the option ``resize``: resize other frames to the network's side, and its results back.
    """

    trained: int | None
    requested: int | None
    resize: bool

    @property
    def own(self) -> int:
        """Return the network's side in pixels before any frame is known."""
        return self.requested or self.trained or USUAL

    def for_frames(self, side: int) -> int:
        """Return the side in pixels that the network works at for frames of `side`.

        A network trained at 256 or at an unknown side works at the frames' side. A network trained at another side,
        given a ``frame_size`` or with ``resize`` keeps its own.
        """
        return side if self.trained in (None, USUAL) and not self.requested and not self.resize else self.own


def read(name: str, trained: Any, options: Mapping[str, str]) -> FrameSize:
    """Read the options. trained: the side from the checkpoint. Raises ModelError for a value that is not a side."""
    if trained is not None and not (isinstance(trained, int) and trained > 0):
        raise ModelError(
            f"{name}: the checkpoint's frame size is {trained!r}, not a number of pixels", code="bad-configuration"
        )
    asked = options.get("frame_size")
    if asked is not None and not (asked.isascii() and asked.isdecimal() and int(asked)):
        raise ModelError(f"{name}: frame_size is a number of pixels, not {asked}", code="bad-value")
    if options.get("resize", "false") not in ("true", "false"):
        raise ModelError(f"{name}: resize is true or false, not {options['resize']}", code="bad-value")
    return FrameSize(trained, int(asked) if asked else None, options.get("resize") == "true")


def resized(frames: Tensor, side: int) -> Tensor:
    """Resize frames ``(N, 3, H, W)`` to ``(N, 3, side, side)`` with `FILTER`."""
    return F.interpolate(frames, (side, side), mode="bilinear", align_corners=False, antialias=True)


def hourglass_step(network: nn.Module) -> int:
    """Return the number that a frame's side must be a multiple of, so that the motion networks can halve it."""
    steps = [1]
    for module in network.modules():
        parts = list(module.children())
        stride = next((part.stride for part in parts if isinstance(part, AntiAliasDownsample)), None)
        if stride is not None:
            steps += [stride * 2 ** len(part.encoder.down_blocks) for part in parts if isinstance(part, Hourglass)]
    return lcm(*steps)


class SizedPredictor(Predictor):
    """A network that works on square frames of one side at a time; `size` decides which.

    The motion networks work at a quarter of the frame at any side, as in the official configurations for 384 pixels.
    """

    size: FrameSize
    network: nn.Module
    frame_size: int
    given: frozenset[int] = frozenset()  # sides of the frames to expect

    @property
    def resizes(self) -> bool:
        """Return whether frames are resized to the network's side, and its results back."""
        return self.size.resize and any(side != self.frame_size for side in self.given)

    def set_frame_size(self, side: int) -> None:
        wanted = self.size.for_frames(side)
        if wanted != side and not self.size.resize:
            kept = "its option frame_size" if self.size.requested else "the side of its checkpoint"
            other = "" if self.size.requested else f"; {self.name}?frame_size={side} keeps their size"
            raise ModelError(
                f"{self.name} works on frames of {wanted}x{wanted} ({kept}); these are {side}x{side}: "
                f"{self.name}?resize=true resizes them and the results back{other}",
                code="frame-size",
            )
        self.work_at(wanted)
        self.given |= {side}

    def work_at(self, side: int) -> None:
        """Let the network work on frames of `side` pixels. Raises ModelError if it cannot."""
        step = self.side_step()
        if side == self.frame_size and step is None:
            return
        possible = f"or another multiple of {step}, at least {2 * step}" if step else "only"
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
        """Return the step of possible sides: multiples, from twice the step; None for a network with a fixed side.

        At the step itself an hourglass ends in a single pixel, which instance normalization turns to zero.
        """
        return hourglass_step(self.network)

    def change_side(self, old: int, new: int) -> None:  # noqa: B027 (most networks are convolutions only)
        """Prepare the network to change from frames of side `old` to `new`, in pixels."""
