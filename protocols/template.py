"""The template of a clip driven by sound: frames of a person, played back and forth while there is sound."""

from __future__ import annotations


def back_and_forth(frames: int, count: int) -> list[int]:
    """Numbers of `count` frames: 0 up to ``frames - 1``, down to 0, up again, and so on; no end comes twice in a row.

    Successive numbers differ by 1, so that the pictures never jump; of a single frame every number is 0. Raises
    ValueError where there are no frames.
    """
    if frames < 1:
        raise ValueError(f"a template of {frames} frames")
    period = max(1, 2 * (frames - 1))
    return [min(position % period, period - position % period) if frames > 1 else 0 for position in range(count)]
