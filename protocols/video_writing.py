"""Video streams that every player reads alike: BT.601, limited range, 4:2:0, with these tags."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import av
import numpy as np

_BT601, _BT709, _LIMITED = 6, 1, 1


def add_video(
    output: av.container.OutputContainer,
    codec: str,
    options: Mapping[str, str],
    size: tuple[int, int],
    rate: Fraction,
    time_base: Fraction,
) -> av.VideoStream:
    """Add a stream for frames of `to_yuv`. size: (height, width), both even. time_base: unit of their times in seconds.

    Raises PyAV's error if this FFmpeg lacks the codec.
    """
    stream = output.add_stream(codec, rate=rate, options=dict(options))
    assert isinstance(stream, av.VideoStream)  # since the codec is for video
    stream.height, stream.width = size
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.time_base = time_base
    context.colorspace, context.color_range = _BT601, _LIMITED
    context.color_primaries = context.color_trc = _BT709  # browsers convert untagged colors
    return stream


def even(size: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) rounded up to even sides, since chroma has half the resolution."""
    height, width = size
    return height + height % 2, width + width % 2


def to_yuv(image: np.ndarray, size: tuple[int, int] | None = None) -> av.VideoFrame:
    """Convert RGB uint8 ``(H, W, 3)`` to a frame for a stream of `add_video`.

    size: (height, width), both even, to resize to; None: repeat the last row or column of an odd side.
    """
    if size is None:
        (height, width), (high, wide) = image.shape[:2], even((image.shape[0], image.shape[1]))
        if (high, wide) != (height, width):
            image = np.pad(image, ((0, high - height), (0, wide - width), (0, 0)), mode="edge")
        size = high, wide
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    return frame.reformat(
        width=size[1],
        height=size[0],
        format="yuv420p",
        dst_colorspace="ITU601",
        dst_color_range="MPEG",
        interpolation=None if size == image.shape[:2] else "AREA",
    )
