"""The one interface behind which every model stands.

A predictor turns a batch of pairs into frames. It knows nothing of metrics, protocols or reports.
Third parties register a class under the entry-point group ``talking_head_bench.predictors``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from baselines.errors import ModelError as ModelError
from protocols.protocol import MotionMode as MotionMode


@dataclass(frozen=True)
class PairBatch:
    """What a model is asked. All images are RGB ``(N, 3, H, W)`` float32 in ``[0, 1]``.

    ids: one stable name a pair, unique within its list.
    source: the photograph to animate.
    driving: the frame whose motion it shall take (augmented already, where the protocol does so).
    target: what the result should be, where it exists. Only the bound `copy-target` may read it.
    anchor: initial driving frame of relative motion, where the protocol has one.
    seeds: one non-negative int a pair, for models that draw random numbers.
    info: per pair, JSON-able facts for predictors outside this process (data set, clips, frames, identities).
    """

    ids: tuple[str, ...]
    source: Tensor
    driving: Tensor
    target: Tensor | None = None
    anchor: Tensor | None = None
    seeds: tuple[int, ...] = ()
    info: tuple[Mapping[str, Any], ...] = field(default=())

    def __len__(self) -> int:
        return len(self.ids)


class TimeLimit(Exception):
    """A batch took too long, and is not asked for again, since that might take as long once more.

    frames: what was made in time, as `Predictor.predict` gives it, NaN for the other pairs.
    """

    def __init__(self, message: str, frames: Tensor):
        super().__init__(message)
        self.frames = frames


class ClipEnd(NamedTuple):
    """From when on a model has no frames of a clip, in seconds from its first, and why, in words."""

    seconds: float
    why: str


class Predictor(ABC):
    """One loaded model.

    name: short id, as given on the command line.
    motion_modes: what it can do; the first is its default.
    frame_size: side of the square frames that it takes, or None where any size will do.
    output_size: side of the square frames that it gives; None where they are of the size of those that it is given.
    driven_by: what it takes the motion from: driving frames, sound (`baselines.talking`); None: neither, or unknown.
    filled_batches: on an accelerator, whether a batch that has fewer pairs than the others is filled up with its last
        pair, whose further frames are dropped: kernels, and with them rounding, depend on the size of a batch.
    """

    name: str
    motion_modes: tuple[MotionMode, ...] = ("absolute",)
    frame_size: int | None = None
    output_size: int | None = None
    driven_by: Literal["frames", "sound"] | None = "frames"
    filled_batches: bool = False

    def known_mode(self, mode: str, label: str | None = None) -> MotionMode:
        """Return `mode`. Raises ModelError where the model has no such one. label: its name in messages."""
        for one in self.motion_modes:
            if one == mode:
                return one
        known = ", ".join(self.motion_modes)
        raise ModelError(f"{label or self.name} has no motion mode {mode}; it has: {known}", code="unknown-mode")

    def nearest_mode(self, asked: str) -> MotionMode:
        """The mode that a protocol asks for; where the model lacks it, its first of the same kind, else its first."""
        same = [one for one in self.motion_modes if one.startswith("relative") == asked.startswith("relative")]
        return next((one for one in self.motion_modes if one == asked), (*same, self.motion_modes[0])[0])

    @abstractmethod
    def predict(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        """Generated frames ``(N, 3, H, W)`` float32 in ``[0, 1]``, in the order of the batch; H, W: see `output_size`.

        The result for a pair may not depend on the rest of its batch. NaN marks a pair that could not be made.
        Raises ModelError where `mode` is not one of `motion_modes` or the batch lacks what the mode needs; TimeLimit.
        Pairs of a batch that fails in another way are asked for one by one.
        """

    def expect(self, ids: Sequence[str]) -> None:  # noqa: B027 (most predictors answer any pair)
        """Told before the first batch which pairs a run has. Raises ModelError where it can answer none of them."""

    def expect_clips(self, clips: Mapping[str, Sequence[str]]) -> list[str]:
        """Receive which clips a run of whole clips has; return lines that the user must see.

        clips: id to the names by which a finished clip may be found, the best first.
        Raises ModelError where the model can answer none of them.
        """
        return []

    def clip_end(self, clip: str) -> ClipEnd | None:
        """Return where a clip of this model ends, where that is known before it is asked; None where it is not.

        Later frames are left out, and counted, in place of failing.
        """
        return None

    def sound_file(self, clip: str) -> Path | None:
        """Return the file that holds the sound of this model's clip; None where it makes none."""
        return None

    def why_missing(self, pair: str) -> str | None:
        """Return why the frame of a pair is NaN, right after `predict` gave it; None where there is no more to say."""
        return None

    def set_frame_size(self, side: int) -> None:
        """Told before the first batch of a run's square frames, their side in pixels; of several sizes, each.

        Raises ModelError where they cannot be answered.
        """
        if self.frame_size not in (None, side):
            own = self.frame_size
            raise ModelError(
                f"{self.name} takes frames of {own}x{own}, those here are {side}x{side}", code="frame-size"
            )

    def describe(self) -> dict[str, Any]:
        """JSON-able facts for the manifest: weights file and hash, whether they are sample weights, conventions."""
        return {}

    def forget(self) -> None:  # noqa: B027 (most predictors keep nothing)
        """Let go of what is kept of earlier pairs to be faster; told when another model's turn comes."""

    def close(self) -> None:  # noqa: B027 (most predictors hold nothing)
        """Release what the predictor holds (processes, files). Called once."""


def filled(batch: PairBatch, size: int) -> PairBatch:
    """The batch with its last pair repeated until it has `size` pairs; itself where it has as many."""
    more = size - len(batch)
    if more <= 0:
        return batch

    def fill(images: Tensor) -> Tensor:
        return torch.cat([images, images[-1:].expand(more, -1, -1, -1)])

    return PairBatch(
        batch.ids + batch.ids[-1:] * more,
        fill(batch.source),
        fill(batch.driving),
        None if batch.target is None else fill(batch.target),
        None if batch.anchor is None else fill(batch.anchor),
        batch.seeds + batch.seeds[-1:] * more,
        batch.info + batch.info[-1:] * more,
    )


def default_device() -> torch.device:
    """The first CUDA device, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
