"""The output of `animate`: a video with the driving video's timestamps and sound."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
import numpy as np

from bench.animate.input import Clock
from bench.runtime.errors import UserError
from protocols.video import open_file
from protocols.video_writing import add_video, even, to_yuv

Kind = TypeVar("Kind", bound=av.stream.Stream)

_H264 = ("libx264", {"crf": "17", "preset": "medium"})
_VP9 = ("libvpx-vp9", {"crf": "20", "b": "0", "deadline": "good", "cpu-used": "4"})
_MP4_SOUND = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})


@dataclass(frozen=True)
class _Format:
    """A container, its video codec with options, sound codecs to copy (None: all supported), and the codec if not."""

    container: str
    video: tuple[str, dict[str, str]]
    copies: frozenset[str] | None
    sound: str


FORMATS = {
    ".mp4": _Format("mp4", _H264, _MP4_SOUND | {"opus", "flac"}, "aac"),
    ".mov": _Format("mov", _H264, _MP4_SOUND | {"pcm_s16le", "pcm_s24le"}, "aac"),
    ".mkv": _Format("matroska", _H264, None, "aac"),
    ".webm": _Format("webm", _VP9, frozenset({"opus", "vorbis"}), "libopus"),
}
_CUT = ", cut where the picture ends"


class VideoWriter:
    """Write ``<file>.part`` frame by frame; `finish` renames it.

    Frames keep the driving video's presentation times. The sound is cut at the end of the last frame.
    """

    def __init__(self, file: Path, size: tuple[int, int], driving: Clock, end: int):
        """Open the file. size: (height, width). end: of the last frame, in the driving video's time base.

        Raises UserError if the file cannot be written.
        """
        form = FORMATS[file.suffix.lower()]
        self.file, self.part = file, file.with_name(f"{file.name}.part")
        flags = {"movflags": "+faststart"} if form.container in ("mp4", "mov") else {}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._output = av.open(str(self.part), "w", format=form.container, options=flags)
        except OSError as error:
            raise UserError(
                f"--out {file}: cannot be written ({error.strerror or error})", code="unwritable-file"
            ) from None
        self._time_base, self._start = driving.time_base, round(driving.start / driving.time_base)
        codec, options = form.video
        self._stream = add_video(self._output, codec, options, even(size), driving.rate, driving.time_base)
        self._sound = _Sound(driving, self._output, form, end * driving.time_base)
        self._durations: dict[int, int] = {}

    @property
    def sound(self) -> str:
        """Return what was done with the driving video's sound, as text; complete after `finish`."""
        return self._sound.how

    def write(self, image: np.ndarray, time: int, until: int) -> None:
        """Write a frame, RGB uint8 ``(H, W, 3)``, shown from `time` to `until` in the driving video's time base."""
        frame = to_yuv(image)
        frame.pts, frame.time_base = time - self._start, self._time_base
        self._durations[frame.pts] = until - time
        self._mux(self._stream.encode(frame))
        self._sound.write(time * self._time_base)

    def finish(self, name: Path | None = None) -> Path:
        """Flush the encoders and rename the file, to `name` if given; return its path."""
        self._mux(self._stream.encode(None))
        self._sound.write(None)
        self._output.close()
        self._sound.close()
        os.replace(self.part, name or self.file)
        return name or self.file

    def discard(self) -> None:
        """Delete the unfinished file."""
        with contextlib.suppress(OSError, ValueError):
            self._output.close()
        self._sound.close()
        self.part.unlink(missing_ok=True)

    def _mux(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            # Encoders set no durations; without one the last frame would not be shown.
            assert packet.pts is not None and packet.time_base is not None  # of each frame, from `write`
            duration = self._durations.pop(round(packet.pts * packet.time_base / self._time_base), 0)
            packet.duration = round(duration * self._time_base / packet.time_base)
            self._output.mux(packet)


class _Sound:
    """Copies or re-encodes the driving video's sound, interleaved with the frames."""

    def __init__(self, driving: Clock, output: av.container.OutputContainer, form: _Format, end: Fraction):
        """Open the sound. end: where it is cut, in seconds."""
        self._output, self._start, self._end = output, driving.start, end
        self._input = open_file(driving.sound) if driving.sound else None
        self._packets: Iterator[tuple[Fraction, av.Packet]] = iter(())
        stream = self._input.streams.best("audio") if self._input else None
        self.how = "no sound"
        if self._input is not None and stream is not None:
            self._begin(self._input, _of(av.AudioStream, stream), form)
        self._ahead = next(self._packets, None)

    def _begin(self, source: av.container.InputContainer, stream: av.AudioStream, form: _Format) -> None:
        name = stream.codec.canonical_name
        copies = self._output.supported_codecs if form.copies is None else form.copies
        if name in copies:
            self.how = f"sound copied ({name})"
            self._packets = self._copied(source, stream, self._output.add_stream_from_template(stream))
            return
        self.how = f"sound re-encoded ({name} to {form.sound.removeprefix('lib')})"
        layout = "mono" if stream.layout.nb_channels == 1 else "stereo"
        rate = 48000 if form.sound == "libopus" else stream.rate
        out = _of(av.AudioStream, self._output.add_stream(form.sound, rate=rate, layout=layout))
        self._packets = self._encoded(source, stream, out)

    def write(self, until: Fraction | None) -> None:
        """Write the sound up to `until` seconds, or the rest."""
        while self._ahead and (until is None or self._ahead[0] <= until):
            self._output.mux(self._ahead[1])
            self._ahead = next(self._packets, None)

    def _ends(self, time: Fraction) -> bool:
        """Return whether this time, in seconds, is after the last frame; if so, record that the sound is cut."""
        if time >= self._end and not self.how.endswith(_CUT):
            self.how += _CUT
        return time >= self._end

    def close(self) -> None:
        """Release the driving file."""
        if self._input:
            self._input.close()

    def _copied(
        self, source: av.container.InputContainer, stream: av.AudioStream, out: av.AudioStream
    ) -> Iterator[tuple[Fraction, av.Packet]]:
        base = _clock(stream)
        shift = round(self._start / base)
        for packet in source.demux(stream):
            if not packet.size or packet.pts is None:  # the last, empty packet flushes decoders
                continue
            time = packet.pts * base
            if self._ends(time):
                return
            packet.pts -= shift
            packet.dts = packet.pts
            packet.stream = out
            yield time, packet

    def _encoded(
        self, source: av.container.InputContainer, stream: av.AudioStream, out: av.AudioStream
    ) -> Iterator[tuple[Fraction, av.Packet]]:
        for packet in source.demux(stream):
            if packet.pts is not None and self._ends(packet.pts * _clock(stream)):
                break
            for frame, pts in _decoded(packet):
                base = _clock(frame)
                time = pts * base
                if self._ends(time):
                    break
                frame.pts = pts - round(self._start / base)
                yield from ((time, encoded) for encoded in out.encode(frame))
        yield from ((Fraction(0), encoded) for encoded in out.encode(None))


def _of(kind: type[Kind], stream: av.stream.Stream) -> Kind:
    assert isinstance(stream, kind)  # the codec says so
    return stream


def _clock(what: av.stream.Stream | av.AudioFrame) -> Fraction:
    """Return the time base in seconds."""
    assert what.time_base is not None  # FFmpeg sets it on everything with timestamps
    return what.time_base


def _decoded(packet: av.Packet[av.AudioStream]) -> list[tuple[av.AudioFrame, int]]:
    """Return a packet's frames with their timestamps; a broken packet has none and becomes a gap."""
    try:
        return [(frame, frame.pts) for frame in packet.decode() if frame.pts is not None]
    except (OSError, ValueError):
        return []
