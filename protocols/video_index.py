"""The frames of a video in order of presentation, and their times."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np

# Containers with presentation times and key frame flags in their packets. For all others the frames are found by
# decoding once: AVI counts packets, transport and program streams start anywhere and restart their clocks, raw streams
# have no times.
_TIMED = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
# Errors of PyAV for an unreadable file, and for a damaged packet, which may look as if it used an unsupported feature.
ERRORS = (av.error.FFmpegError, OSError, ValueError, IndexError, EOFError)
DAMAGED = (av.error.InvalidDataError, av.error.PatchWelcomeError)
_HIDING = {"vp8"}  # codecs in which packets that are never shown have times, too
_REORDERED = 16  # frames of reordering at most, H.264's limit, the largest of all codecs


@dataclass(frozen=True)
class Index:
    """Frames in order of presentation.

    stamps: the decoder's time stamp of each frame, which identifies it; None if it has none.
    times: when each is shown, ascending, in units of the stream's time base. end: of the last one.
    keys: numbers of the frames at which decoding can start. prints: checksums of the frames, if they were found by
    decoding, because program streams give wrong times after a seek; else empty.
    clock: ``file``; or why `times` are evenly spaced: ``none`` or ``restarts``. damaged: number of packets without a
    frame.
    """

    stamps: Sequence[int | None]
    times: Sequence[int]
    end: int
    keys: Sequence[int]
    prints: Sequence[int] = ()
    clock: str = "file"
    damaged: int = 0
    numbers: dict[int, int] = field(init=False, repr=False)  # unique stamps to frame numbers

    def __post_init__(self) -> None:
        counts = Counter(self.stamps)
        numbers = {stamp: k for k, stamp in enumerate(self.stamps) if stamp is not None and counts[stamp] == 1}
        object.__setattr__(self, "numbers", numbers)
        object.__setattr__(self, "keys", [key for key in self.keys if self.stamps[key] in numbers])

    @property
    def decoded(self) -> bool:
        """Return whether the frames were found by decoding."""
        return bool(self.prints)

    @property
    def longest(self) -> int:
        """Return the largest number of frames to decode for one."""
        starts = [0, *self.keys, len(self.times)]
        return max(end - start for start, end in zip(starts, starts[1:]))

    def key_before(self, number: int) -> int:
        """Return the last frame up to `number` at which decoding can start; 0, the start of the file, if none."""
        return self.entries(number)[0]

    def entries(self, number: int) -> list[int]:
        """Return frames to start decoding at for a frame, in the order to try them; the last is the file's start."""
        at = bisect_right(self.keys, number)
        return [*(key for key in reversed(self.keys[max(at - 4, 0) : at]) if key), 0]


def from_packets(container: av.container.InputContainer, stream: av.VideoStream) -> Index | None:
    """Return the index from the packets' times, without decoding; None if they may not be the frames' times."""
    timed = container.format.name in _TIMED and stream.codec_context.name not in _HIDING
    if not timed:
        return None
    packets = [packet for packet in container.demux(stream) if packet.size]
    stamps = [packet.pts for packet in packets if packet.pts is not None]
    if not packets or len(set(stamps)) < len(packets):
        return None
    if not packets[0].is_keyframe or min(stamps) < stamps[0]:  # there are frames before it that cannot be decoded
        return None
    if stream.codec_context.has_b_frames and len(stamps) > 2 and stamps == sorted(stamps):
        return None  # frames may be out of order although the packets' times ascend
    shown = [packet for packet in packets if not getattr(packet, "is_discard", False)]  # discarded by an edit list
    if not shown:
        return None
    keys = {packet.pts for packet in shown if packet.is_keyframe}
    times = sorted(packet.pts for packet in shown if packet.pts is not None)
    last = next(packet for packet in shown if packet.pts == times[-1])
    return Index(times, times, _end(times, last.duration), [k for k, time in enumerate(times) if time in keys])


def by_decoding(container: av.container.InputContainer, stream: av.VideoStream, rate: Fraction | None) -> Index:
    """Return the index from decoding all frames once; decoders return them in order of presentation.

    rate: frames per second of a stream without a clock; default: the rate that the stream states, else 25. Raises
    ValueError if there are no frames.
    """
    stamps: list[int | None] = []
    keys: list[int] = []
    prints: list[int] = []
    damaged, duration = 0, None
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except DAMAGED:
            damaged += 1
            continue
        for frame in frames:
            if frame.key_frame:
                keys.append(len(stamps))
            stamps.append(frame.pts)
            prints.append(checksum(frame))
            duration = getattr(frame, "duration", None)
    if not stamps:
        raise ValueError("no frames in it")
    rate = rate or stream.guessed_rate or stream.average_rate or Fraction(25)
    times, clock = _times(stamps, rate, time_base(stream))
    end = _end(times, duration if clock == "file" else None)
    return Index(stamps, times, end, keys, prints, clock, damaged)


def time_base(stream: av.VideoStream) -> Fraction:
    """Return the seconds of a stream's unit of time. Raises ValueError if it states none."""
    if stream.time_base is None:
        raise ValueError("a video stream without a unit of time")
    return stream.time_base


def checksum(frame: av.VideoFrame) -> int:
    """Return the CRC-32 of the first plane: luma, or all of interleaved colors."""
    kind, plane = frame.format, frame.planes[0]
    deep = kind.components[0].bits > 8
    sample = 1 + deep if kind.is_planar or len(kind.components) == 1 else kind.padded_bits_per_pixel // 8
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    rows = lines[: frame.height, : frame.width * sample]
    return zlib.crc32(np.ascontiguousarray(rows).data)  # bytes beyond the width are arbitrary


def _times(stamps: Sequence[int | None], rate: Fraction, unit: Fraction) -> tuple[list[int], str]:
    known = [(number, stamp) for number, stamp in enumerate(stamps) if stamp is not None]
    if len(known) > 1 and all(one[1] < other[1] for one, other in zip(known, known[1:])):
        if len(known) == len(stamps):
            return [stamp for _, stamp in known], "file"
        numbers, values = [number for number, _ in known], [stamp for _, stamp in known]
        filled = np.rint(np.interp(range(len(stamps)), numbers, values)).astype(int).tolist()
        if all(one < other for one, other in zip(filled, filled[1:])):
            return filled, "file"
    if len(known) == len(stamps) == len(set(stamps)):  # AVI stamps packets in file order
        order = np.argsort(np.asarray(stamps))
        if np.abs(order - np.arange(len(order))).max() <= _REORDERED:
            return sorted(stamp for _, stamp in known), "file"
    first, step = known[0][1] if known else 0, 1 / (rate * unit)
    clock = "none" if None in stamps else "restarts"
    return [first + round(number * step) for number in range(len(stamps))], clock


def _end(times: Sequence[int], duration: int | None) -> int:
    usual = (times[-1] - times[0]) / max(len(times) - 1, 1)
    return times[-1] + (duration or round(usual) or 1)
