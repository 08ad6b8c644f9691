"""The interface of every model.

A predictor turns a batch of pairs into frames. It is independent of metrics, protocols and reports.
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
    """The input of a model. All images are RGB ``(N, 3, H, W)`` float32 in ``[0, 1]``.

    ids: one stable name per pair, unique within its list.
    source: the photograph to animate.
    driving: the frame with the motion (already augmented, if the protocol augments).
    target: the true result, if it exists. Only the bound `copy-target` may read it.
    anchor: reference frame of relative motion, if the protocol has one.
    seeds: one non-negative int per pair, for models that draw random numbers.
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
    """A batch took too long; it is not retried, since that could take as long again.

    frames: the frames made in time, in the form of `Predictor.predict`, NaN for the other pairs.
    """

    def __init__(self, message: str, frames: Tensor):
        super().__init__(message)
        self.frames = frames


class ClipEnd(NamedTuple):
    """The time from which a model has no frames of a clip, in seconds from its first, and the reason in words."""

    seconds: float
    why: str


class Predictor(ABC):
    """One loaded model.

    name: short id, as given on the command line.
    motion_modes: supported modes; the first is the default.
    frame_size: side of the square input frames; None for any size.
    output_size: side of the square output frames; None if it is that of the input.
    driven_by: source of the motion: driving frames, or sound (`baselines.talking`); None: neither, or unknown.
    filled_batches: on an accelerator, whether a smaller batch is filled up with copies of its last pair, which are
        dropped afterwards: kernels, and so rounding, depend on the batch size.
    """

    name: str
    motion_modes: tuple[MotionMode, ...] = ("absolute",)
    frame_size: int | None = None
    output_size: int | None = None
    driven_by: Literal["frames", "sound"] | None = "frames"
    filled_batches: bool = False

    def known_mode(self, mode: str, label: str | None = None) -> MotionMode:
        """Return `mode`. Raises ModelError if the model does not support it. label: the model's name in messages."""
        for one in self.motion_modes:
            if one == mode:
                return one
        known = ", ".join(self.motion_modes)
        raise ModelError(f"{label or self.name} has no motion mode {mode}; it has: {known}", code="unknown-mode")

    def nearest_mode(self, asked: str) -> MotionMode:
        """Return the protocol's mode; if the model lacks it, the model's first of the same kind, else its first."""
        same = [one for one in self.motion_modes if one.startswith("relative") == asked.startswith("relative")]
        return next((one for one in self.motion_modes if one == asked), (*same, self.motion_modes[0])[0])

    @abstractmethod
    def predict(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        """Return frames ``(N, 3, H, W)`` float32 in ``[0, 1]``, in the order of the batch; H, W: see `output_size`.

        The result for a pair must not depend on the rest of its batch. NaN marks a failed pair.
        Raises ModelError if `mode` is not one of `motion_modes` or the batch lacks what the mode needs; TimeLimit.
        After any other error the pairs of the batch are requested one by one.
        """

    def expect(self, ids: Sequence[str]) -> None:  # noqa: B027 (most predictors answer any pair)
        """Receive the ids of a run's pairs before the first batch. Raises ModelError if it has frames for none."""

    def expect_clips(self, clips: Mapping[str, Sequence[str]]) -> list[str]:
        """Receive the clips of a run of whole clips; return notices for the user.

        clips: id → names by which a finished clip may be found, the best first.
        Raises ModelError if the model has none of them.
        """
        return []

    def clip_end(self, clip: str) -> ClipEnd | None:
        """Return the end of this model's clip if it is known in advance, else None.

        Later frames are left out and counted, instead of failing.
        """
        return None

    def sound_file(self, clip: str) -> Path | None:
        """Return the sound file of this model's clip; None if it makes no sound."""
        return None

    def why_missing(self, pair: str) -> str | None:
        """Return why the frame of a pair is NaN, right after `predict` returned it; None if unknown."""
        return None

    def set_frame_size(self, side: int) -> None:
        """Receive the side of a run's square frames, in pixels, before the first batch; once per size.

        Raises ModelError if the model does not support it.
        """
        if self.frame_size not in (None, side):
            own = self.frame_size
            raise ModelError(
                f"{self.name} takes frames of {own}x{own}, those here are {side}x{side}", code="frame-size"
            )

    def describe(self) -> dict[str, Any]:
        """Return JSON-able facts for the manifest: weights file and hash, whether they are the sample, conventions."""
        return {}

    def forget(self) -> None:  # noqa: B027 (most predictors keep nothing)
        """Release caches of earlier pairs; called before another model runs."""

    def close(self) -> None:  # noqa: B027 (most predictors hold nothing)
        """Release processes and files. Called once."""


def filled(batch: PairBatch, size: int) -> PairBatch:
    """Return the batch with its last pair repeated until it has `size` pairs."""
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
    """Return the first CUDA device, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
