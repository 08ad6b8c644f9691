"""The template of a clip driven by sound: frames of a person, played back and forth as long as the sound."""

from __future__ import annotations


def back_and_forth(frames: int, count: int) -> list[int]:
    """Return `count` frame numbers: 0 up to ``frames - 1``, down to 0, up again, and so on, without repeating an end.

    Successive numbers differ by 1, so that the motion never jumps; for a single frame all are 0. Raises ValueError if
    there are no frames.
    """
    if frames < 1:
        raise ValueError(f"a template of {frames} frames")
    period = max(1, 2 * (frames - 1))
    return [min(position % period, period - position % period) if frames > 1 else 0 for position in range(count)]
