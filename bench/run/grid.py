"""Write one video with all panels of a clip side by side, so that they are always in sync."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from bench.run.clip_video import SIDE
from protocols.sound import Sound
from protocols.video_writing import add_video, to_yuv

SOUND_RATE = 44100
_BASE = Fraction(1, 90000)
_BYTES = 4_000_000  # of a file, about: twelve files and the page stay below 60 MB
_PIXELS = 36 * SIDE**2  # of the whole picture; with more panels, each is smaller
_MOST_COLUMNS, _FEWEST_COLUMNS = 6, 4
_NOTHING = 60, 110  # brightness of a panel without a frame, and of the cross on it

Planes = tuple[np.ndarray, np.ndarray, np.ndarray]  # brightness (h, w) and two of color (h/2, w/2), uint8


def columns_of(panels: int) -> int:
    """Return the panels in a row: four to six, the number with the fewest empty places, and of these the largest."""
    if panels <= _FEWEST_COLUMNS:
        return panels
    choices = range(_MOST_COLUMNS, _FEWEST_COLUMNS - 1, -1)
    return min(choices, key=lambda columns: -panels % columns)


def side_of(panels: int) -> int:
    """Return the longer side of a panel, pixels, at most."""
    return min(SIDE, math.isqrt(_PIXELS // panels))


def planes(frame: av.VideoFrame) -> Planes:
    """Return the planes of a 4:2:0 frame. Both sides are even."""
    return _split(frame.to_ndarray().reshape(-1), frame.height, frame.width)


def fitted(image: np.ndarray | av.VideoFrame, size: tuple[int, int]) -> Planes:
    """Return a picture, RGB uint8 ``(H, W, 3)`` or a decoded frame, as a black-padded panel of (height, width)."""
    high, wide = image.shape[:2] if isinstance(image, np.ndarray) else (image.height, image.width)
    scale = min(size[0] / high, size[1] / wide)
    inside = tuple(min(whole, max(2, 2 * round(side * scale / 2))) for side, whole in zip((high, wide), size))
    if isinstance(image, np.ndarray):
        found = planes(to_yuv(image, (inside[0], inside[1])))
    else:
        found = planes(image if inside == (high, wide) else image.reformat(inside[1], inside[0], interpolation="AREA"))
    if inside == size:
        return found
    panel = _flat(size, 16)
    for whole, part in zip(panel, found):
        top, left = ((a - b) // 2 for a, b in zip(whole.shape, part.shape))
        whole[top : top + part.shape[0], left : left + part.shape[1]] = part
    return panel


def nothing(size: tuple[int, int]) -> Planes:
    """Return a panel for a missing frame: a cross."""
    panel = _flat(size, _NOTHING[0])
    y, x = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    panel[0][(np.abs(np.abs(x) - np.abs(y)) < 0.02) & (np.abs(x) < 0.5)] = _NOTHING[1]
    return panel


class GridWriter:
    """Writes an mp4 file, frame by frame, that browsers play and seek in quickly."""

    def __init__(self, file: Path, panels: int, tile: tuple[int, int], times: Sequence[float], end: float) -> None:
        """Open the file. tile: (height, width) of a panel.

        times: when each frame is shown, seconds; end: when the last one ends.
        """
        self._columns, self._tile = columns_of(panels), tile
        rows = -(-panels // self._columns)
        self._size = rows * tile[0], self._columns * tile[1]
        self._stamps = [round((time - times[0]) / _BASE) for time in (*times, end)]
        length = max(end - times[0], 0.04)
        most = str(max(200_000, int(8 * _BYTES / length)))
        codec = {"crf": "20", "preset": "veryfast", "bf": "0", "g": "12", "maxrate": most, "bufsize": most}
        rate = Fraction(len(times) / length).limit_denominator(1000)
        self._output = av.open(str(file), "w", format="mp4", options={"movflags": "+faststart"})
        self._stream = add_video(self._output, "libx264", codec, self._size, rate, _BASE)
        self._sound: list[av.Packet] = []
        self._written = 0

    def add_sound(self, sound: Sound, begin: float, seconds: float) -> None:
        """Add the sound from `begin`, seconds on the sound's clock, at `SOUND_RATE`. Call before the first frame."""
        stream = self._output.add_stream("aac", rate=SOUND_RATE, layout="mono")
        assert isinstance(stream, av.AudioStream)  # the codec says so
        samples = sound.cut(begin, round(seconds * SOUND_RATE))[None]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="s16", layout="mono")
        frame.sample_rate, frame.pts = SOUND_RATE, 0
        self._sound = [*stream.encode(frame), *stream.encode(None)]

    def write(self, panels: Sequence[Planes]) -> None:
        """Write the next frame, panel by panel."""
        flat = np.full(self._size[0] * self._size[1] * 3 // 2, 128, np.uint8)
        whole = _split(flat, *self._size)
        whole[0][:] = 16
        for place, panel in enumerate(panels):
            row, column = divmod(place, self._columns)
            for target, part in zip(whole, panel):
                high, wide = part.shape
                target[row * high : (row + 1) * high, column * wide : (column + 1) * wide] = part
        frame = av.VideoFrame.from_ndarray(flat.reshape(-1, self._size[1]), format="yuv420p")
        frame.pts, frame.time_base = self._stamps[self._written], _BASE
        self._written += 1
        self._mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write everything that is still buffered."""
        self._mux(self._stream.encode(None))
        self._output.mux(self._sound)
        self._output.close()

    def close(self) -> None:
        """Release the file, finished or not."""
        self._output.close()

    def _mux(self, packets: Sequence[av.Packet]) -> None:
        for packet in packets:
            assert packet.pts is not None and packet.time_base is not None  # of each frame, from `write`
            stamp = round(packet.pts * packet.time_base / _BASE)
            until = self._stamps[self._stamps.index(stamp) + 1]
            packet.duration = round((until - stamp) * _BASE / packet.time_base)
            while self._sound and _time(self._sound[0]) <= stamp * _BASE:  # next to its pictures
                self._output.mux(self._sound.pop(0))
            self._output.mux(packet)


def _time(packet: av.Packet) -> Fraction:
    assert packet.pts is not None and packet.time_base is not None  # of every encoded sound
    return packet.pts * packet.time_base


def _split(flat: np.ndarray, height: int, width: int) -> Planes:
    color, small = height * width, (height // 2, width // 2)
    first, second = flat[color : color * 5 // 4], flat[color * 5 // 4 :]
    return flat[:color].reshape(height, width), first.reshape(small), second.reshape(small)


def _flat(size: tuple[int, int], brightness: int) -> Planes:
    """Return a gray panel."""
    small = (size[0] // 2, size[1] // 2)
    return np.full(size, brightness, np.uint8), np.full(small, 128, np.uint8), np.full(small, 128, np.uint8)
