"""Small videos of every kind that FFmpeg can write, whose frames carry their number. All from seeds."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from support import numbered

YUV8 = ("yuv420p", "yuv422p", "yuv444p")
DEEP = ("yuv420p", "yuv420p10le", "yuv422p10le")
# Encoder: pixel formats, options, B-frames.
CODECS: dict[str, tuple[tuple[str, ...], dict[str, str], bool]] = {
    "libx264": ((*YUV8, "yuv420p10le", "yuvj420p"), {"preset": "veryfast", "crf": "12"}, True),
    "libx265": (DEEP, {"preset": "ultrafast", "x265-params": "log-level=none:crf=12"}, True),
    "libsvtav1": (("yuv420p", "yuv420p10le"), {"preset": "12", "crf": "15"}, False),
    "libvpx": (("yuv420p",), {"deadline": "good", "cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "8"}, False),
    "libvpx-vp9": (YUV8, {"deadline": "good", "cpu-used": "8", "lag-in-frames": "8", "crf": "10", "b": "0"}, False),
    "mpeg4": (("yuv420p",), {"qscale": "2"}, True),
    "mpeg2video": (("yuv420p", "yuv422p"), {"qscale": "2"}, True),
    "mpeg1video": (("yuv420p",), {"qscale": "2"}, True),
    "wmv2": (("yuv420p",), {"qscale": "2"}, False),
    "flv": (("yuv420p",), {"qscale": "2"}, False),
    "mjpeg": (("yuvj420p", "yuvj444p"), {"qscale": "2"}, False),
    "ffv1": (("yuv420p", "yuv422p10le", "bgr0", "yuv444p", "bgra"), {}, False),
    "huffyuv": (("yuv422p", "rgb24"), {}, False),
    "utvideo": (("yuv420p", "gbrp"), {}, False),
    "rawvideo": (("yuv420p", "yuyv422"), {}, False),
    "prores_ks": (("yuv422p10le", "yuv444p10le"), {}, False),
    "qtrle": (("rgb24",), {}, False),
    "png": (("rgb24", "rgba"), {}, False),
    "gif": (("rgb8",), {}, False),
    "apng": (("rgb24",), {}, False),
}
CONTAINERS: dict[str, tuple[str, ...]] = {
    "mp4": ("libx264", "libx265", "libsvtav1", "mpeg4", "libvpx-vp9"),
    "mov": ("libx264", "prores_ks", "mjpeg", "qtrle", "png"),
    "matroska": ("libx264", "libx265", "ffv1", "libvpx", "mpeg2video", "mjpeg"),
    "webm": ("libvpx", "libvpx-vp9", "libsvtav1"),
    "avi": ("libx264", "mpeg4", "mjpeg", "ffv1", "huffyuv", "rawvideo", "utvideo"),
    "mpegts": ("libx264", "libx265", "mpeg2video"),
    "mpeg": ("mpeg1video", "mpeg2video"),
    "vob": ("mpeg2video",),
    "flv": ("libx264", "flv"),
    "asf": ("wmv2",),
    "ivf": ("libvpx", "libvpx-vp9"),
    "h264": ("libx264",),
    "hevc": ("libx265",),
    "gif": ("gif",),
    "apng": ("apng",),
}
MATRICES = {1: "ITU709", 2: "ITU601", 5: "ITU601", 7: "SMPTE240M", 9: "BT2020"}
TURNS = {
    "none": (1, 0, 0, 1),
    "90": (0, 1, -1, 0),
    "180": (-1, 0, 0, -1),
    "mirror": (-1, 0, 0, 1),
    "flip": (1, 0, 0, -1),
    "90 and mirror": (0, 1, 1, 0),
    "270 and mirror": (0, -1, -1, 0),
}
FIXED_RATE = ("mpeg", "vob", "mpegts")  # and codecs of MPEG-1 and 2, which know few rates
STEADY = ("avi", "mpeg", "vob", "h264", "hevc", "ivf", "gif", "asf", "flv", "apng")  # no uneven frame times


@dataclass
class Plan:
    """One video: everything that decides it."""

    container: str
    codec: str
    pix_fmt: str = "yuv420p"
    frames: int = 30
    size: tuple[int, int] = (120, 160)
    rate: Fraction = Fraction(25)
    gop: int = 12
    b_frames: int = 0
    matrix: int = 2
    full: bool = False
    aspect: Fraction = Fraction(1)
    turn: str = "none"
    uneven: bool = False
    start: int = 0  # of the first frame, in frames; below 0: an edit list cuts what is before 0
    extra: dict[str, str] = field(default_factory=dict)  # of the encoder
    flags: dict[str, str] = field(default_factory=dict)  # of the container
    curve: int = 2

    def __str__(self) -> str:
        parts = [f"{key}={value}" for key, value in vars(self).items() if value != getattr(Plan, key, None)]
        return " ".join(parts)


def plans(per_pair: int = 4, seed: int = 18) -> Iterator[Plan]:
    """`per_pair` videos of each container with each codec, and some of special kinds."""
    rng = random.Random(seed)
    for container, codecs in CONTAINERS.items():
        for codec in codecs:
            for _ in range(per_pair):
                yield _drawn(container, codec, rng)
    yield Plan("mp4", "libx264", flags={"movflags": "frag_keyframe+empty_moov+default_base_moof"}, b_frames=2)
    yield Plan("mp4", "libx264", flags={"movflags": "frag_every_frame+empty_moov"}, b_frames=2)
    yield Plan("mp4", "libx264", b_frames=2, start=-7, flags={"avoid_negative_ts": "disabled"})
    yield Plan("mov", "libx264", b_frames=0, gop=30, start=-5, flags={"avoid_negative_ts": "disabled"})
    yield Plan("mp4", "libx264", b_frames=3, start=50)
    yield Plan("mp4", "libx264", b_frames=3, extra={"x264-params": "open-gop=1"}, gop=8)
    yield Plan("mpegts", "libx264", b_frames=3, extra={"x264-params": "open-gop=1"}, gop=8)
    yield Plan("matroska", "libx264", extra={"x264-params": "intra-refresh=1"}, gop=10)
    yield Plan("mpegts", "libx264", extra={"x264-params": "intra-refresh=1"}, gop=10)
    yield Plan("mp4", "libx264", extra={"x264-params": "interlaced=1"}, b_frames=2)
    yield Plan("avi", "mpeg4", b_frames=2, gop=7)
    yield Plan("avi", "libx264", b_frames=3, gop=6, extra={"x264-params": "b-pyramid=normal:bframes=3:b-adapt=0"})
    yield Plan("mp4", "libx265", "yuv420p10le", matrix=9, curve=16)  # HDR
    yield Plan("matroska", "libx265", "yuv420p10le", matrix=9, curve=18)
    yield Plan("mp4", "libx264", matrix=8)  # YCgCo


def _drawn(container: str, codec: str, rng: random.Random) -> Plan:
    formats, _, b_frames = CODECS[codec]
    fixed = container in FIXED_RATE or codec.startswith(("mpeg1", "mpeg2"))
    rates = (25, Fraction(30000, 1001), 30, 50) if fixed else (10, 24, 25, Fraction(30000, 1001), 60)
    plan = Plan(container, codec, rng.choice(formats), rng.choice((12, 30, 47)), rate=Fraction(rng.choice(rates)))
    if container in ("gif",):
        plan.rate = Fraction(rng.choice((10, 25, 50)))
    plan.gop = rng.choice((1, 4, 12, 100))
    plan.b_frames = rng.choice((0, 2, 3)) if b_frames else 0
    if codec == "mpeg4" and container == "mp4" and plan.gop == 1:
        plan.b_frames = 0
    plan.size = rng.choice(((120, 160), (96, 128), (192, 108), (122, 162)))
    if codec.startswith("libvpx") or codec == "ffv1" or (codec == "libx264" and plan.pix_fmt == "yuv444p"):
        plan.size = rng.choice((plan.size, (121, 161), (123, 160)))
    is_yuv = plan.pix_fmt.startswith("yuv")
    if codec in ("libx264", "libx265", "libvpx-vp9", "prores_ks") and is_yuv:
        plan.matrix = rng.choice((1, 2, 5, 9) if codec == "prores_ks" else tuple(MATRICES))
        plan.full = plan.pix_fmt[3] == "j" or (codec in ("libx264", "libx265") and rng.random() < 0.3)
    plan.full |= codec == "mjpeg"
    if container in ("mp4", "mov", "matroska") and codec in ("libx264", "libx265", "mpeg4", "libvpx-vp9"):
        plan.aspect = Fraction(rng.choice(("1", "1", "4/3", "12/11", "2/3")))
    if container in ("mp4", "mov") and hasattr(av.VideoStream, "set_display_matrix"):
        plan.turn = rng.choice(tuple(TURNS))
    plan.uneven = container not in STEADY and not fixed and rng.random() < 0.3
    return plan


def write(plan: Plan, file: Path) -> None:
    """Encode the video. Raises what PyAV raises where this FFmpeg cannot."""
    rng = random.Random(str(plan))
    with _same_priority(), av.open(str(file), "w", format=plan.container, options=plan.flags) as output:
        stream = output.add_stream(plan.codec, rate=plan.rate, options=CODECS[plan.codec][1] | plan.extra)
        stream.height, stream.width, stream.pix_fmt = *plan.size, plan.pix_fmt
        context = stream.codec_context
        context.gop_size, context.max_b_frames = plan.gop, plan.b_frames
        if plan.codec in ("mpeg4", "mpeg1video", "mpeg2video", "wmv2", "flv", "mjpeg"):
            context.flags |= 2  # qscale
            context.global_quality = 2 * 118
        if plan.pix_fmt.startswith("yuv"):
            context.colorspace, context.color_trc = plan.matrix, plan.curve
            context.color_range = 2 if plan.full else 0 if plan.matrix == 2 else 1
            if plan.matrix == 9:
                context.color_primaries = 9
        if plan.aspect != 1:
            context.sample_aspect_ratio = plan.aspect
        if plan.turn != "none":
            a, b, c, d = TURNS[plan.turn]
            stream.set_display_matrix([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30])
        context.time_base = 1 / plan.rate / (10 if plan.uneven else 1)
        time = plan.start
        for number in range(plan.frames):
            frame = coded(plan, number)
            frame.pts, frame.time_base = time, context.time_base
            time += rng.choice((1, 7, 10, 10, 13, 30)) if plan.uneven else 1
            output.mux(stream.encode(frame))
        output.mux(stream.encode())


@contextmanager
def _same_priority() -> Iterator[None]:
    """Root's SVT-AV1 moves the calling thread to the highest real-time priority, where nothing else of a core runs."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def coded(plan: Plan, number: int) -> av.VideoFrame:
    """A picture that is upright in square pixels once it is read, as the encoder takes it."""
    frame = av.VideoFrame.from_ndarray(stored(numbered.picture(number, *shown_size(plan)), plan), format="rgb24")
    if not plan.pix_fmt.startswith("yuv"):
        return frame.reformat(format=plan.pix_fmt)
    target = "JPEG" if plan.full else "MPEG"
    colorspace = MATRICES.get(plan.matrix, "ITU601")
    frame = frame.reformat(format=plan.pix_fmt, dst_colorspace=colorspace, dst_color_range=target)
    frame.colorspace, frame.color_range, frame.color_trc = plan.matrix, 2 if plan.full else 1, plan.curve
    return frame


def shown_size(plan: Plan) -> tuple[int, int]:
    """(height, width) at which the upright picture is drawn: as stored, turned."""
    return plan.size if TURNS[plan.turn][0] else plan.size[::-1]


def stored(picture: np.ndarray, plan: Plan) -> np.ndarray:
    """The upright picture as it must be stored, so that the display matrix makes it upright again."""
    a, b, c, d = TURNS[plan.turn]
    if a:
        return np.ascontiguousarray(picture[::d, ::a])
    return np.ascontiguousarray(picture[::b, ::c].transpose(1, 0, 2))


def expected_numbers(plan: Plan) -> list[int]:
    """The numbers of the frames that are shown."""
    return list(range(max(-plan.start, 0), plan.frames))
