"""Run a model on a batch, check its output, and convert it to 8-bit frames. A wrong scale is refused, never clamped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.frame_size import resized
from baselines.levels import to_levels
from baselines.predictor import ModelError, MotionMode, PairBatch, Predictor, TimeLimit

# Values up to this far outside [0, 1] are clamped: the step of bfloat16 above 1, the coarsest type that networks use.
# It is two gray levels at most.
ROUNDING = 2.0**-7
BRIGHT = 32 / 255  # a frame without a higher value is dark


def generate(
    predictor: Predictor,
    batch: PairBatch,
    mode: MotionMode,
    label: str,
    truncate: bool = False,
    as_made: bool = False,
) -> list[np.ndarray | str]:
    """Return one uint8 frame ``(H, W, 3)`` a pair, in order, or the reason why there is none.

    Frames of another size (`Predictor.output_size`) are resized to the driving frames' by `frame_size.FILTER`.
    as_made: they are not.

    Raises ModelError if the model, not a pair, is wrong (`as_uint8`), and what the model raises.
    """
    late = None
    bright = _highest(batch.source).minimum(_highest(batch.driving)) > BRIGHT  # before a model may change them
    try:
        output = predictor.predict(batch, mode)
    except TimeLimit as limit:
        output, late = limit.frames, str(limit)
    made_at = made_shape(predictor, batch.driving)
    if made_at != batch.driving.shape and batch.driving.shape[-2] != batch.driving.shape[-1]:
        raise ModelError(f"{label} makes square frames, and those here are not square", code="frame-size")
    wanted = made_at if as_made else batch.driving.shape
    frames = as_uint8(output, made_at, label, truncate, None if wanted == made_at else wanted[-1])
    made: list[np.ndarray | str] = []
    for i, (frame, lit) in enumerate(zip(frames, bright.tolist())):
        if frame is None:
            made.append(late or str(predictor.why_missing(batch.ids[i]) or _not_finite(output[i])))
        elif lit and frame.max() <= 1:
            made.append(
                "the frame is black (no value above 1 of 255), and source and driving frame are not: "
                "values of 0 to 1 stored as whole numbers, or divided by 255 twice?"
            )
        else:
            made.append(frame)
    return made


def made_shape(predictor: Predictor, driving: Tensor) -> torch.Size:
    """Return the shape of a model's frames for driving frames ``(N, 3, H, W)``."""
    side = predictor.output_size
    return driving.shape if side is None else torch.Size((*driving.shape[:2], side, side))


def as_uint8(
    output: Tensor, shape: Sequence[int], label: str, truncate: bool = False, side: int | None = None
) -> list[np.ndarray | None]:
    """Convert frames ``(N, 3, H, W)`` in [0, 1] to uint8 ``(H, W, 3)``, rounded half to even; None for non-finite ones.

    truncate: truncate ``255 x`` instead, as the evaluation scripts of FOMM and its successors do; frames read from
    8-bit files are exact either way. side: resize to it by `frame_size.FILTER`.
    Raises ModelError for another type, another shape than `shape`, or values outside [0, 1] by more than `ROUNDING`:
    clamped, frames of another scale would score very badly.
    """
    if not isinstance(output, Tensor):
        raise ModelError(
            f"{label} gave a {type(output).__name__}, expected a torch.Tensor of frames", code="bad-frames"
        )
    if output.shape != tuple(shape):
        n, channels, *size = shape
        last = "; channels are the second dimension: .permute(0, 3, 1, 2)"
        hint = last if output.shape == (n, *size, channels) else ""
        raise ModelError(
            f"{label} gave frames of shape {tuple(output.shape)}, expected {tuple(shape)}{hint}",
            code="bad-frames",
        )
    if not output.is_floating_point():
        raise ModelError(
            f"{label} gave frames of type {output.dtype}, expected floating point in [0, 1]: "
            "divide whole numbers from 0 to 255 by 255",
            code="bad-frames",
        )
    if output.layout != torch.strided or output.is_meta:
        raise ModelError(f"{label} gave frames without values, {_kind(output)}", code="bad-frames")
    output = output.float()
    low, high = output.amin((1, 2, 3)), output.amax((1, 2, 3))  # NaN where a frame has one
    finite = low.isfinite() & high.isfinite()
    if not finite.all():
        known = output.isfinite()
        low = high = torch.where(known, output, 0.5)
        output = output.nan_to_num()
    if len(output):
        _check_range(float(low.min()), float(high.max()), label)
    if side is not None:
        output = resized(output, side).clamp(0, 1)  # float32 rounds
    images = to_levels(output, truncate).permute(0, 2, 3, 1).cpu().numpy()
    return [image if ok else None for image, ok in zip(images, finite.tolist())]


def _kind(output: Tensor) -> str:
    return "on the meta device" if output.is_meta else f"of the layout {output.layout}"


def _check_range(low: float, high: float, label: str) -> None:
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise ModelError(
            f"{label} gave values from {low:.4g} to {high:.4g}, expected [0, 1]: {_cause(low, high)}", code="bad-frames"
        )


def _cause(low: float, high: float) -> str:
    """Return the likely cause and the fix. Common scales: 0 to 255, -1 to 1, and ImageNet's."""
    if low >= -0.1 and high <= 1.1:
        return "a last layer without a limit? if the model's own code clamps before it saves, do as it does"
    if low >= -1.5 and high <= 1.5:
        return "probably -1 to 1, so give (x + 1) / 2"
    if low >= -16 and 4 < high <= 272:
        return "probably 0 to 255, so divide by 255"
    if low >= -4 and high <= 4:
        return "probably normalized by a mean and a standard deviation, so undo that"
    return "not the values of an image"


def _not_finite(frame: Tensor) -> str:
    wrong = int((~frame.isfinite()).sum())
    if wrong == frame.numel():
        return "the model gave no frame for this pair (every value is NaN or infinite)"
    return f"the model gave NaN or infinity in {wrong} of {frame.numel()} values of the frame"


def _highest(frames: Tensor) -> Any:
    return frames.amax((1, 2, 3))
