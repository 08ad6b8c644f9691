"""Frames from video files, by frame number in decode order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import av
import numpy as np
from PIL import Image

# red from Cr, blue from Cb; what is left of green follows from the luma weights (ITU-R BT.601 and BT.709)
_LUMA = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


def decode_yuv420(video: BinaryIO, matrix: str) -> Iterator[np.ndarray]:
    """All frames of an 8-bit, limited-range YUV 4:2:0 video as RGB uint8 ``(H, W, 3)``, in decode order.

    Decoders of H.264 and HEVC are exact to the bit by their standards, but the usual conversion to RGB depends on the
    processor. Here it is done in fixed point, chroma planes enlarged with Pillow's bilinear filter, so that every
    machine gets the same pixels. matrix: ``bt601`` or ``bt709``.
    """
    with av.open(video) as container:
        for frame in container.decode(container.streams.video[0]):
            if frame.format.name != "yuv420p":
                raise ValueError(f"pixel format {frame.format.name}, expected yuv420p")
            yield _rgb(frame.to_ndarray(), frame.height, frame.width, matrix)


def _rgb(planes: np.ndarray, height: int, width: int, matrix: str) -> np.ndarray:
    """Planes ``(3 H / 2, W)`` as PyAV stacks them (Y, then Cb, then Cr) to RGB uint8 ``(H, W, 3)``."""
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    blue, red = (
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR)).astype(np.int64) - 128
        for plane in chroma
    )
    weight_red, weight_blue = _LUMA[matrix]
    weight_green = 1 - weight_red - weight_blue
    one = 1 << 16
    # limited range: luma 16..235, chroma 16..240
    luma = (planes[:height].astype(np.int64) - 16) * round(one * 255 / 219)
    chroma_scale = one * 255 / 224
    from_red = round(chroma_scale * 2 * (1 - weight_red))
    from_blue = round(chroma_scale * 2 * (1 - weight_blue))
    green_red = round(chroma_scale * 2 * (1 - weight_red) * weight_red / weight_green)
    green_blue = round(chroma_scale * 2 * (1 - weight_blue) * weight_blue / weight_green)
    rgb = np.stack(
        (luma + from_red * red, luma - green_red * red - green_blue * blue, luma + from_blue * blue), axis=-1
    )
    return np.clip((rgb + one // 2) >> 16, 0, 255).astype(np.uint8)
