"""Frames of video files by their number, the same on every machine."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from PIL import Image

from protocols.errors import DataError, Gone
from protocols.images import MAX_PIXELS

# Formats that hold their pictures themselves. FFmpeg knows others that are lists of addresses (HLS, DASH, concat), and
# would open what they name, on this machine or on the network, whatever the file is called.
FORMATS = (
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpeg", "mpegts", "mpegvideo", "m4v"),
    *("flv", "ogg", "asf", "gif", "apng", "ivf", "h264", "hevc"),
    *("mp3", "wav", "flac", "aac"),  # to say that there are no pictures in them
)
_ALONE = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}
_BT709, _FULL_RANGE, _UNSPECIFIED = 1, 2, 2
_EXACT = {"yuv420p", "yuvj420p"}


class Video:
    """One video. Frame 0 is the first that is shown; numbers follow the order of presentation.

    Any frame can be asked for in any order: the decoder goes on where it stands if the frame lies ahead in the same
    stretch between key frames, and else seeks to the key frame before it.
    """

    def __init__(self, source: Path | BinaryIO):
        self._source = source
        try:
            self._open()
            self._index()
        except (OSError, ValueError, IndexError, EOFError) as error:  # PyAV's errors derive from these
            raise self._failure(error) from None
        self._decoded = iter(())
        self._next = len(self._times)  # number of the frame that the decoder would give next

    def __len__(self) -> int:
        return len(self._times)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) as coded."""
        return self._stream.height, self._stream.width

    @property
    def times(self) -> list[int]:
        """When each frame is shown, in units of `time_base`; ascending, not always evenly spaced nor from 0."""
        return self._times

    @property
    def end(self) -> int:
        """When the last frame ends, in units of `time_base`."""
        return self._end

    @property
    def time_base(self) -> Fraction:
        """Seconds."""
        return self._stream.time_base

    @property
    def start(self) -> Fraction:
        """Where the file's clock begins, its sound included, in seconds; 0 for most."""
        return Fraction(self._container.start_time or 0, av.time_base)

    @property
    def rate(self) -> Fraction:
        """Frames a second on average."""
        return self._stream.average_rate or len(self) / ((self._end - self._times[0]) * self.time_base)

    def frame(self, number: int) -> np.ndarray:
        """Frame `number`, RGB uint8 ``(H, W, 3)``, turned upright. Raises DataError where it does not exist."""
        if not 0 <= number < len(self):
            raise DataError(f"{self._source}: no frame {number}, it has {len(self)} frames")
        try:
            if number < self._next or self._key_before(number) > self._next:
                self._seek(self._key_before(number))
            wanted = self._times[number]
            for frame in self._decoded:
                if frame.pts == wanted:
                    self._next = number + 1
                    return to_rgb(frame)
        except (OSError, ValueError, EOFError) as error:
            self._next = len(self._times)
            raise self._failure(error) from None
        self._next = len(self._times)
        raise DataError(f"{self._source}: frame {number} cannot be decoded")

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def _open(self) -> None:
        if hasattr(self._source, "seek"):
            self._source.seek(0)
        self._container = open_file(self._source)
        self._stream = self._picture_stream()
        if self.size[0] * self.size[1] > MAX_PIXELS:
            raise ValueError(f"{self.size[1]}x{self.size[0]} pixels, more than {MAX_PIXELS // 10**6} million")
        self._stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # of what the stream says of itself, too

    def _picture_stream(self) -> av.VideoStream:
        """The first video stream; not a song's cover."""
        cover = av.stream.Disposition.attached_pic
        streams = [stream for stream in self._container.streams.video if not stream.disposition & cover]
        if not streams:
            raise ValueError("no video stream in it")
        if streams[0].codec_context is None:
            raise ValueError("a video stream of an unknown codec")
        return streams[0]

    def _index(self) -> None:
        """Read the time of every packet, without decoding."""
        packets = [packet for packet in self._container.demux(self._stream) if packet.pts is not None and packet.size]
        packets = [packet for packet in packets if not getattr(packet, "is_discard", False)]
        self._times = sorted({packet.pts for packet in packets})
        keys = {packet.pts for packet in packets if packet.is_keyframe}
        self._keys = [number for number, time in enumerate(self._times) if time in keys]
        if not self._times:
            raise ValueError("no frames in it")
        last = max(packets, key=lambda packet: packet.pts)
        usual = (self._times[-1] - self._times[0]) / max(len(self._times) - 1, 1)
        self._end = last.pts + (last.duration or round(usual) or 1)

    def _key_before(self, number: int) -> int:
        return max((key for key in self._keys if key <= number), default=0)

    def _seek(self, key: int) -> None:
        if key:
            self._container.seek(self._times[key], stream=self._stream, backward=True)
        else:  # transport streams have no index, and a search for their first frame ends behind it
            self._container.close()
            self._open()
        self._decoded = self._container.decode(self._stream)

    def _failure(self, error: Exception) -> DataError:
        reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
        kind = Gone if isinstance(error, (FileNotFoundError, NotADirectoryError)) else DataError
        return kind(f"{self._source}: not a readable video ({reason})")


def open_file(source: Path | BinaryIO) -> av.container.InputContainer:
    """A container of one of `FORMATS`, from which FFmpeg reaches neither other files nor the network.

    Raises ValueError for another format, or what PyAV raises for a file that cannot be opened (OSError, ValueError).
    """
    try:
        return av.open(source if hasattr(source, "seek") else str(source), options=dict(_ALONE))
    except av.error.ArgumentError:  # FFmpeg's only words for a format that is not on the list
        raise ValueError("a text file, or another format than mp4, mov, mkv, webm, avi and their like") from None


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """A decoded frame as RGB uint8 ``(H, W, 3)``, turned as its display matrix says.

    Decoders of H.264 and HEVC are exact to the bit by their standards, but FFmpeg's conversion to RGB depends on the
    processor. For 8-bit YUV 4:2:0 it is therefore done here, in fixed point; other formats go through FFmpeg.
    """
    if frame.format.name in _EXACT and not (frame.width % 2 or frame.height % 2):
        rgb = _from_yuv420(frame)
    else:
        rgb = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / 90) % 4))


def _from_yuv420(frame: av.VideoFrame) -> np.ndarray:
    """ITU-R BT.709 or BT.601 by what the frame says; where it says nothing, 709 from 720 lines on.

    Chroma is enlarged with Pillow's bilinear filter, all in integers.
    """
    height, width = frame.height, frame.width
    planes = frame.to_ndarray()
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    blue, red = (
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR)).astype(np.int32) - 128
        for plane in chroma
    )
    full = frame.color_range == _FULL_RANGE or frame.format.name == "yuvj420p"
    high_definition = frame.colorspace == _BT709 or (frame.colorspace == _UNSPECIFIED and height >= 720)
    weight_red, weight_blue = (0.2126, 0.0722) if high_definition else (0.299, 0.114)
    weight_green = 1 - weight_red - weight_blue
    one = 1 << 16
    foot, luma_scale, chroma_scale = (0, one, one) if full else (16, one * 255 / 219, one * 255 / 224)
    per_red, per_blue = chroma_scale * 2 * (1 - weight_red), chroma_scale * 2 * (1 - weight_blue)
    luma = (planes[:height].astype(np.int32) - foot) * round(luma_scale) + one // 2
    rgb = np.empty((height, width, 3), np.uint8)
    green = round(per_red * weight_red / weight_green) * red + round(per_blue * weight_blue / weight_green) * blue
    for channel, value in enumerate((luma + round(per_red) * red, luma - green, luma + round(per_blue) * blue)):
        rgb[..., channel] = np.clip(value >> 16, 0, 255)
    return rgb
