"""Decoded video frames as RGB: one rule of matrix and range for every pixel format.

Decoders of H.264, HEVC, VP9 and AV1 are exact to the bit by their standards, but FFmpeg's conversion to RGB depends on
the processor. It is therefore done here, in integers, with the matrix and range that the frame's tags state (ITU-T
H.273, tables 3 and 4). Frames without a matrix tag are BT.601 whatever their size, as FFmpeg, OpenCV, imageio and
decord read them.
"""

from __future__ import annotations

import re
from typing import Any

import av
import numpy as np
from PIL import Image

from protocols.images import on_white

_BT601 = ("bt601", 0.299, 0.114)
ON_WHITE = "shown on white"  # fact of frames with transparency
_UNTAGGED = (2, 3)  # unspecified, reserved
# Name, weight of red, weight of blue by H.273's matrix_coefficients.
_MATRICES = {
    1: ("bt709", 0.2126, 0.0722),
    4: ("fcc", 0.30, 0.11),
    5: _BT601,
    6: _BT601,
    7: ("smpte240m", 0.212, 0.087),
    9: ("bt2020", 0.2627, 0.0593),
    **dict.fromkeys(_UNTAGGED, _BT601),
}
_OTHER_MATRICES = {0: "RGB", 8: "YCgCo", 10: "BT.2020 with constant luminance", 11: "SMPTE 2085", 14: "ICtCp"}
_HDR = {16: "PQ", 18: "HLG"}
_NOT_FOR_DISPLAY = {8: "linear light", 9: "a logarithmic curve", 10: "a logarithmic curve", 17: "SMPTE 428"}
_LIMITED, _FULL = 1, 2
_PLANAR = re.compile(r"(?:(yuv)([aj]?)(4\d\d)p|gray)(\d+)?(?:le)?")
_SUBSAMPLING = {"420": (2, 2), "422": (1, 2), "444": (1, 1), "440": (2, 1), "411": (1, 4), "410": (4, 4)}


def unsupported(frame: av.VideoFrame) -> str | None:
    """Return why the frame's colors are not supported, in words for the user; None if they are."""
    if curve := _HDR.get(frame.color_trc):
        return (
            f"HDR video ({curve}), which is not tone-mapped here; convert it to SDR (BT.709) first, for example with "
            "ffmpeg's filters zscale and tonemap"
        )
    if curve := _NOT_FOR_DISPLAY.get(frame.color_trc):
        return f"colors stored as {curve}; convert it to BT.709 first"
    attached: Any = frame.side_data  # PyAV declares it a dictionary, which it is not
    side_data = {data.type.name for data in attached}
    if "DOVI_METADATA" in side_data and frame.colorspace not in (1, 9):
        return "Dolby Vision without an SDR base; convert it to BT.709 first"
    if not _is_rgb(frame) and frame.colorspace not in _MATRICES:
        name = _OTHER_MATRICES.get(frame.colorspace, f"matrix {frame.colorspace} of ITU-T H.273")
        return f"colors coded as {name} in {frame.format.name}; convert it to BT.709 first"
    return None


def facts(frame: av.VideoFrame) -> dict[str, str]:
    """Return how the frame's colors are read, for the manifest; with transparency if this frame has any."""
    alpha = {"transparency": ON_WHITE} if _is_transparent(frame) else {}
    if _is_rgb(frame):
        return {"matrix": "none (RGB)"} | alpha
    untagged = " (untagged)" if frame.colorspace in _UNTAGGED else ""
    wide = {"primaries": "bt2020, not converted"} if frame.color_primaries == 9 else {}
    color_range = "full" if _is_full(frame) else "limited"
    return {"matrix": _MATRICES[frame.colorspace][0] + untagged, "range": color_range} | wide | alpha


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """Return a decoded frame as RGB uint8 ``(H, W, 3)``. `unsupported` must be None for it.

    Chroma is enlarged with Pillow's bilinear filter. Transparent parts are shown on white.
    """
    if frame.format.has_palette or (_is_rgb(frame) and _has_alpha(frame)):
        return on_white(frame.to_ndarray(format="rgba"))
    if _is_rgb(frame):
        return frame.to_ndarray(format="rgb24")
    planes, bits = _planes(frame)
    rgb = _convert(planes, bits, _is_full(frame), _MATRICES[frame.colorspace])
    if not _has_alpha(frame):
        return rgb
    alpha = planes[-1] if bits == 8 else (planes[-1] >> (bits - 8)).astype(np.uint8)
    return on_white(np.dstack([rgb, alpha]))


def _convert(planes: list[np.ndarray], bits: int, full: bool, matrix: tuple[str, float, float]) -> np.ndarray:
    """Convert Y'CbCr to R'G'B' (ITU-T H.273, equations 23 to 38) in fixed point."""
    integer: np.dtype[Any] = np.dtype(np.int32 if bits == 8 else np.int64)
    shift = 16 if bits == 8 else 24
    depth = 1 << (bits - 8)
    _, weight_red, weight_blue = matrix
    weight_green = 1 - weight_red - weight_blue
    if full:
        foot, luma_scale = 0, 255 / (256 * depth - 1)
        chroma_scale = luma_scale
    else:
        foot, luma_scale, chroma_scale = 16 * depth, 255 / (219 * depth), 255 / (224 * depth)
    one = 1 << shift
    luma = (planes[0].astype(integer) - foot) * round(one * luma_scale) + one // 2
    if len(planes) < 3:
        return np.repeat(np.clip(luma >> shift, 0, 255).astype(np.uint8)[..., None], 3, axis=-1)
    blue, red = (plane.astype(integer) - 128 * depth for plane in planes[1:3])
    per_red, per_blue = one * chroma_scale * 2 * (1 - weight_red), one * chroma_scale * 2 * (1 - weight_blue)
    green = round(per_red * weight_red / weight_green) * red + round(per_blue * weight_blue / weight_green) * blue
    rgb = np.empty((*luma.shape, 3), np.uint8)
    for channel, value in enumerate((luma + round(per_red) * red, luma - green, luma + round(per_blue) * blue)):
        rgb[..., channel] = np.clip(value >> shift, 0, 255)
    return rgb


def _planes(frame: av.VideoFrame) -> tuple[list[np.ndarray], int]:
    """Return luma, and chroma and alpha if present, all ``(H, W)``; and the number of bits of their values."""
    match = _PLANAR.fullmatch(frame.format.name)
    if not match:  # interleaved: FFmpeg separates the channels (naming the range prevents a conversion)
        target = "yuva444p16le" if _has_alpha(frame) else "yuv444p16le"
        ranges = {"src_color_range": _LIMITED, "dst_color_range": _LIMITED}
        bits = frame.format.components[0].bits
        planes, _ = _planes(frame.reformat(format=target, **ranges))
        return [(plane.astype(np.int32) >> (16 - bits)).astype(_kind(bits)) for plane in planes], bits
    bits = int(match[4] or 8)
    down, across = _SUBSAMPLING[match[3]] if match[1] else (1, 1)
    height, width = frame.height, frame.width
    planes = []
    for number, plane in enumerate(frame.planes):
        kind = np.dtype(_kind(bits))
        rows = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // kind.itemsize)
        image = rows[: plane.height, : plane.width]
        planes.append(_enlarge(image, height, width, down, across) if number in (1, 2) else image)
    return planes, bits


def _enlarge(plane: np.ndarray, height: int, width: int, down: int, across: int) -> np.ndarray:
    if (down, across) == (1, 1):
        return plane
    image = Image.fromarray(plane if plane.dtype == np.uint8 else plane.astype(np.int32))
    inside = (0, 0, width / across, height / down)  # of odd sizes, the last chroma sample reaches beyond the picture
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=inside))


def _kind(bits: int) -> type:
    return np.uint8 if bits == 8 else np.uint16


def _is_rgb(frame: av.VideoFrame) -> bool:
    """Return whether the format has no color matrix: RGB, palettes, black and white, gray with alpha (PNG), XYZ."""
    name = frame.format.name
    return frame.format.is_rgb or frame.format.has_palette or name.startswith(("mono", "xyz", "ya"))


def _has_alpha(frame: av.VideoFrame) -> bool:
    return frame.format.has_palette or any(component.is_alpha for component in frame.format.components)


def _is_transparent(frame: av.VideoFrame) -> bool:
    return _has_alpha(frame) and frame.to_ndarray(format="rgba")[..., 3].min() < 255


def _is_full(frame: av.VideoFrame) -> bool:
    """Return whether values use the full range; untagged gray does, as in FFmpeg."""
    name = frame.format.name
    return frame.color_range == _FULL or name.startswith("yuvj") or (name[:4] == "gray" and frame.color_range == 0)
