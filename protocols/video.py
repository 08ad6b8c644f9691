"""Frames of video files by their number, the same on every machine: complete, upright, in square pixels.

`colors` and `geometry` define what a frame looks like, `video_index` which frames a video has.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from protocols import colors, geometry, video_index
from protocols.errors import DataError, MissingFile
from protocols.images import MAX_PIXELS

# Formats that contain their pictures. FFmpeg also knows formats that are lists of addresses (HLS, DASH, concat), and
# would open these, on this machine or on the network, whatever the file's suffix.
FORMATS = (
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpeg", "mpegts", "mpegvideo", "m4v"),
    *("flv", "ogg", "asf", "gif", "apng", "ivf", "h264", "hevc"),
    *("mp3", "wav", "flac", "aac"),  # so that the message can be that they have no pictures
)
READING = 2  # version for caches of frames; increased when the same file gives other frames than before
_ALONE = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}
DECODED, BY_TIME = "found by decoding", "found by their time stamps"  # values of the fact "frames"
_LONG = 600  # frames between key frames, above which seeking takes seconds


class Video:
    """One video. Frames are numbered from 0 in the order of presentation.

    Frames can be requested in any order: the decoder continues if the frame follows before the next key frame, and
    seeks otherwise. If time stamps show that a seek missed, it begins at an earlier key frame, and finally at the start
    of the file.
    """

    def __init__(
        self,
        source: Path | BinaryIO,
        rate: Fraction | None = None,
        index: video_index.Index | None = None,
        square: bool = True,
    ):
        """Open a video. rate: frames per second of a stream without time stamps. index: an earlier `Video.index`.

        square: whether to resample pixels that are not square.
        Raises DataError if the file cannot be read as a video.
        """
        self._source, self._square = source, square
        self._decoded: Iterator[av.VideoFrame] = iter(())
        self._last: int | None = None  # number of the decoder's latest frame; None: unknown
        self._held: tuple[int, av.VideoFrame] | None = None
        self._lost: set[int] = set()
        try:
            self._open()
            found = index or video_index.from_packets(self._container, self._stream)
            if found is None:
                self._reopen()
                found = video_index.by_decoding(self._container, self._stream, rate)
            self.index: video_index.Index = found
        except video_index.ERRORS as error:
            raise self._failure(error) from None
        self._last = len(self)  # nothing follows

    def __len__(self) -> int:
        return len(self.index.times)

    @property
    def size(self) -> tuple[int, int]:
        """Return (height, width) of the frames that `frame` returns. Raises DataError for an unreadable video."""
        first = self._first()
        return geometry.shown_size(first.height, first.width, self._aspect, self._turn(first))

    @property
    def facts(self) -> dict[str, str]:
        """Return how the video is read, for the manifest. Raises DataError, in one line, for an unsupported video."""
        first = self._first()
        found = colors.facts(first)
        if (turned := self._turn(first)) != geometry.UPRIGHT:
            found["orientation"] = geometry.name(turned)
        if self._aspect != 1:
            found["pixels"] = f"{self._aspect.numerator}:{self._aspect.denominator}, made square"
        found["frames"] = DECODED if self.index.decoded else BY_TIME
        if self.index.clock != "file":
            found["clock"] = f"{self.index.clock}, evenly spaced at {float(self.rate):.5g} frames a second"
        if self.index.longest > _LONG:
            found["seeking"] = f"slow: up to {self.index.longest} frames are decoded for one"
        if self.index.damaged:
            found["damage"] = "packets that cannot be decoded"
        return found

    @property
    def has_sound(self) -> bool:
        """Return whether the file has a sound stream."""
        return bool(self._container.streams.audio)

    @property
    def times(self) -> list[int]:
        """Return the time of each frame, in units of `time_base`; ascending, not always evenly spaced or from 0."""
        return list(self.index.times)

    @property
    def end(self) -> int:
        """Return the end of the last frame, in units of `time_base`."""
        return self.index.end

    @property
    def time_base(self) -> Fraction:
        """Return the unit of times, in seconds."""
        return video_index.time_base(self._stream)

    @property
    def start(self) -> Fraction:
        """Return the start of the file's clock, including its sound, in seconds; 0 for most files."""
        return Fraction(self._container.start_time or 0, av.time_base)

    @property
    def rate(self) -> Fraction:
        """Return the average number of frames per second."""
        if self.index.clock == "file" and self._stream.average_rate:
            return self._stream.average_rate
        seconds = (self.end - self.index.times[0]) * self.time_base
        return (len(self) / seconds).limit_denominator(10**6)  # encoders take integers of 32 bits

    def frame(self, number: int) -> np.ndarray:
        """Return frame `number`, RGB uint8 ``(H, W, 3)``, upright, in square pixels.

        Raises DataError if it does not exist, cannot be decoded, or has unsupported colors or an unsupported size.
        """
        if not 0 <= number < len(self):
            raise DataError(
                f"{self._source}: no frame {number}; the video has {len(self)} frames", code="unknown-frame"
            )
        frame = self._find(number)
        if reason := colors.unsupported(frame):
            raise DataError(f"{self._source}: {reason}", code="unsupported-colors")
        return geometry.show(colors.to_rgb(frame), self._aspect, self._turn(frame))

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def _find(self, number: int) -> av.VideoFrame:
        """Decode frame `number` on the shortest path."""
        if self._held and self._held[0] == number:
            return self._held[1]
        try:
            follows = self._last is not None and self.index.key_before(number) <= self._last + 1 <= number
            if follows and (frame := self._forward(number)):
                return frame
            for key in self.index.entries(number) if number not in self._lost else ():
                self._seek(key)
                if frame := self._forward(number):
                    return frame
        except video_index.ERRORS as error:
            self._last = len(self)
            raise self._failure(error) from None
        self._lost.add(number)
        raise DataError(f"{self._source}: frame {number} cannot be decoded", code="damaged-frame")

    def _forward(self, number: int) -> av.VideoFrame | None:
        """Decode until frame `number`; None if it does not appear."""
        for frame in self._decoded:
            at = self._number(frame)
            if at is None:
                continue
            self._last = at
            if at == number:
                self._held = number, frame
                return frame
            if at > number and self.index.decoded:
                break
        self._last = len(self)
        return None

    def _number(self, frame: av.VideoFrame) -> int | None:
        """Return the number of the decoder's next frame; None before the first frame that is certain."""
        index = self.index
        at = None if frame.pts is None else index.numbers.get(frame.pts)
        if self._last is None:  # after a seek: frames before the first key frame may lack what they refer to
            if at is None or not frame.key_frame:
                return None
            return at if not index.decoded or video_index.checksum(frame) == index.prints[at] else None
        if not index.decoded:
            return at
        at = self._last + 1
        same = at < len(self) and (index.stamps[at], index.prints[at]) == (frame.pts, video_index.checksum(frame))
        return at if same else len(self)  # another frame than expected: the seek missed

    def _first(self) -> av.VideoFrame:
        """Return a representative frame: the first, or another key frame if it is damaged."""
        for number in (0, *self.index.keys[:8]):
            try:
                frame = self._find(number)
                break
            except DataError:
                continue
        else:
            raise DataError(f"{self._source}: not a readable video (no frame can be decoded)", code="unreadable-video")
        if reason := colors.unsupported(frame):
            raise DataError(f"{self._source}: {reason}", code="unsupported-colors")
        return frame

    def _turn(self, frame: av.VideoFrame) -> geometry.Turn:
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
        try:
            return geometry.turn(bytes(matrix) if matrix is not None else None)
        except ValueError as error:
            raise self._failure(error) from None

    def _open(self) -> None:
        if hasattr(self._source, "seek"):
            self._source.seek(0)
        self._container = open_file(self._source)
        self._stream = self._picture_stream()
        width, height = self._stream.width, self._stream.height
        self._aspect = geometry.pixel_aspect(self._stream.sample_aspect_ratio if self._square else None)
        for high, wide in ((height, width), geometry.shown_size(height, width, self._aspect, geometry.UPRIGHT)):
            if high * wide > MAX_PIXELS:
                raise ValueError(f"{wide}x{high} pixels, more than {MAX_PIXELS // 10**6} million")
        self._stream.codec_context.options = {
            "max_pixels": str(MAX_PIXELS)
        }  # limits the size that the stream states, too

    def _reopen(self) -> None:
        self._container.close()
        self._open()

    def _picture_stream(self) -> av.VideoStream:
        """Return the first video stream that is not a cover picture. Raises ValueError if there is none."""
        cover = av.stream.Disposition.attached_pic
        streams = [stream for stream in self._container.streams.video if not stream.disposition & cover]
        if not streams:
            raise ValueError("no video stream in it")
        if streams[0].codec_context is None:
            raise ValueError("a video stream of an unknown codec")
        return streams[0]

    def _seek(self, key: int) -> None:
        stamp = self.index.stamps[key] if key else None
        if stamp is not None:
            self._container.seek(stamp, stream=self._stream, backward=True)
            self._last = None
        else:  # transport streams have no index, and a seek to their first frame ends after it
            self._reopen()
            self._last = -1
        self._decoded = self._frames()

    def _frames(self) -> Iterator[av.VideoFrame]:
        for packet in self._container.demux(self._stream):
            try:
                frames = packet.decode()
            except video_index.DAMAGED:
                if not self.index.decoded:  # frames are found by time: later ones may be damaged, too
                    raise
                continue
            yield from frames

    def _failure(self, error: Exception) -> DataError:
        reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
        message = f"{self._source}: not a readable video ({reason})"
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return MissingFile(message)
        return DataError(message, code="unreadable-video")


def open_file(source: Path | BinaryIO) -> av.container.InputContainer:
    """Open a container of one of `FORMATS`, so that FFmpeg opens neither other files nor the network.

    Raises ValueError for another format, and PyAV's errors for a file that cannot be opened (OSError, ValueError).
    """
    try:
        return av.open(source if hasattr(source, "seek") else str(source), "r", options=dict(_ALONE))
    except av.error.ArgumentError:  # FFmpeg's error for a format that is not on the list
        raise ValueError("a text file, or another format than mp4, mov, mkv, webm, avi and similar") from None
