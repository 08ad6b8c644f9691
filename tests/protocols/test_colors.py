"""Decoded frames as RGB: against the formulas of the standards, and against FFmpeg's own conversion."""

from __future__ import annotations

import av
import numpy as np
import pytest

from protocols import colors

WEIGHTS = {1: (0.2126, 0.0722), 2: (0.299, 0.114), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114)}
WEIGHTS |= {7: (0.212, 0.087), 9: (0.2627, 0.0593)}
LIMITED, FULL = 1, 2
FORMATS = ["yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p", "nv12", "yuyv422", "uyvy422"]
FORMATS += ["yuv420p10le", "yuv422p10le", "yuv444p12le", "yuv420p16le", "p010le"]


def smooth(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Y', Cb, Cr of slow ramps, from 0 to 1 and from -0.3 to 0.3."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return 0.2 + 0.6 * x, 0.6 * y - 0.3, 0.3 - 0.6 * x


def by_the_standard(y: np.ndarray, cb: np.ndarray, cr: np.ndarray, matrix: int) -> np.ndarray:
    """R'G'B' in [0, 255] by ITU-T H.273, equations 23 to 38 solved for R', G' and B'."""
    kr, kb = WEIGHTS[matrix]
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.stack([red, green, blue], -1).clip(0, 1) * 255


def coded(name: str, matrix: int, color_range: int, height: int = 48, width: int = 64) -> av.VideoFrame:
    """The ramps in pixel format `name`; written as 16 bits, from which FFmpeg makes the format without a matrix."""
    y, cb, cr = smooth(height, width)
    foot, luma, chroma = (0, 255, 255) if color_range == FULL else (16, 219, 224)
    planes = [(foot + luma * y) * 256, (128 + chroma * cb) * 256, (128 + chroma * cr) * 256]
    stored = np.stack(planes, -1).round().clip(0, 65535).astype(np.uint16)
    frame = av.VideoFrame(width, height, "yuv444p16le")
    for number, plane in enumerate(frame.planes):
        rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
        rows[:height, :width] = stored[..., number]
        plane.update(rows.tobytes())
    frame = frame.reformat(format=name, src_color_range=LIMITED, dst_color_range=LIMITED)  # as coded
    frame.colorspace, frame.color_range = matrix, color_range
    return frame


@pytest.mark.parametrize("color_range", [0, LIMITED, FULL])
@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_obeys_matrix_and_range(name: str, matrix: int, color_range: int):
    frame = coded(name, matrix, color_range)
    assert colors.unsupported(frame) is None
    made = colors.to_rgb(frame)
    error = np.abs(made - by_the_standard(*smooth(48, 64), matrix))
    inside = error[4:-4, 4:-4]
    assert inside.max() < 4.2 and inside.mean() < 1.2, (inside.max(), inside.mean())  # 8 bits cannot do better
    said = colors.facts(frame)
    assert said["range"] == ("full" if color_range == FULL else "limited")
    assert said["matrix"].endswith("(untagged)") == (matrix == 2)


@pytest.mark.parametrize("height", [64, 720, 1080])
def test_untagged_is_bt601_whatever_the_size(height: int):
    untagged, tagged = coded("yuv420p", 2, 0, height), coded("yuv420p", 6, LIMITED, height)
    np.testing.assert_array_equal(colors.to_rgb(untagged), colors.to_rgb(tagged))


@pytest.mark.parametrize("color_range", [LIMITED, FULL])
@pytest.mark.parametrize("matrix", [1, 2, 5, 7, 9])
@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
def test_ffmpegs_own_conversion_is_near(name: str, matrix: int, color_range: int):
    """Within 1 of 255 where chroma is whole; else swscale places it otherwise: within 6 on ramps, 2 on average."""
    frame = coded(name, matrix, color_range)
    theirs = frame.to_ndarray(format="rgb24").astype(int)
    error = np.abs(colors.to_rgb(frame) - theirs)[4:-4, 4:-4]
    most, average = (1, 0.1) if name == "yuv444p" else (6, 2)
    assert error.max() <= most and error.mean() < average, (error.max(), error.mean())


def test_a_wrong_matrix_would_be_seen():
    error = np.abs(by_the_standard(*smooth(48, 64), 1) - by_the_standard(*smooth(48, 64), 2))
    assert error.max() > 20


@pytest.mark.parametrize(("height", "width"), [(47, 63), (48, 63), (47, 64), (1, 1), (3, 5)])
def test_odd_sizes(height: int, width: int):
    frame = av.VideoFrame(width, height, "yuv420p")
    frame.colorspace, frame.color_range = 1, LIMITED
    y, cb, cr = smooth(height, width)
    for plane, values in zip(frame.planes, (16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr)):
        down = 1 if plane is frame.planes[0] or plane.height == height and plane.width == width else 2
        values = np.pad(values, ((0, -height % down), (0, -width % down)), mode="edge")
        values = values.reshape(len(values) // down, down, -1, down).mean((1, 3))
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[: len(values), : values.shape[1]] = values.round()
        plane.update(rows.tobytes())
    made = colors.to_rgb(frame)
    assert made.shape == (height, width, 3)
    if height > 40:
        error = np.abs(made - by_the_standard(*smooth(height, width), 1))
        assert error[4:-4, 4:-4].max() < 4


def test_gray_is_full_unless_tagged():
    frame = av.VideoFrame.from_ndarray(np.full((16, 16), 100, np.uint8), format="gray")
    assert (colors.to_rgb(frame) == 100).all()
    frame.color_range = LIMITED
    assert (colors.to_rgb(frame) == round((100 - 16) * 255 / 219)).all()


@pytest.mark.parametrize("name", ["rgba", "bgra", "gbrap", "yuva420p", "yuva444p", "ya8", "pal8"])
def test_transparent_parts_are_white(name: str):
    image = np.full((16, 16, 4), (200, 60, 60, 255), np.uint8)
    image[:, :8] = (255, 0, 255, 0)
    if name == "pal8":
        palette = np.zeros((256, 4), np.uint8)
        palette[:2] = (0, 255, 0, 255), (255, 200, 60, 60)  # ARGB
        indices = np.repeat([[0] * 8 + [1] * 8], 16, 0).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray((indices, palette), format="pal8")
    else:
        frame = av.VideoFrame.from_ndarray(image, format="rgba").reformat(format=name)
    made = colors.to_rgb(frame)
    assert made[:, :6].min() >= 254
    expected = (102, 102, 102) if name == "ya8" else (200, 60, 60)
    np.testing.assert_allclose(made[8, 12], expected, atol=4)
    assert colors.facts(frame)["transparency"] == colors.ON_WHITE


@pytest.mark.parametrize(
    ("curve", "matrix", "word"),
    [(16, 9, "PQ"), (18, 9, "HLG"), (8, 1, "linear"), (2, 8, "YCgCo"), (2, 10, "constant"), (2, 14, "ICtCp")],
)
def test_what_cannot_be_read_right_is_refused(curve: int, matrix: int, word: str):
    frame = coded("yuv420p10le", matrix, LIMITED)
    frame.color_trc = curve
    assert word in colors.unsupported(frame)


def test_rgb_is_kept():
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    for name in ("rgb24", "gbrp", "bgr0"):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=name)
        np.testing.assert_array_equal(colors.to_rgb(frame), image)
        assert colors.unsupported(frame) is None and colors.facts(frame)["matrix"] == "none (RGB)"
