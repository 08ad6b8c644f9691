"""The sound of a clip: decoded by FFmpeg, mono, on the clock of the clip's frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import av
import numpy as np

from protocols.errors import DataError, MissingFile, first_line
from protocols.video import Video, open_file
from protocols.video_index import DAMAGED, ERRORS

RATE = 16000
GAP = 0.1  # seconds that time stamps may be ahead of the sound before silence is inserted; FFmpeg's own limit


@dataclass(frozen=True)
class Sound:
    """Mono sound on the clock of a clip.

    samples: int16 ``(n,)``. rate: samples per second. start: seconds from the clip's first frame to the first sample.
    source_rate: samples per second of the file; None if they were not read from a file.
    facts: how it was read, for the manifest.
    """

    samples: np.ndarray
    rate: int
    start: float = 0.0
    source_rate: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def seconds(self) -> float:
        """Return the duration in seconds."""
        return len(self.samples) / self.rate

    def later(self, seconds: float) -> Sound:
        """Return the sound, later by `seconds`; earlier if negative."""
        return replace(self, start=self.start + seconds)

    def available(self, begin: float = 0.0) -> int:
        """Return the number of samples from `begin`, seconds on the clip's clock, to the end of the sound; at least 0.

        Silence between `begin` and the first sample counts.
        """
        return max(0, round((self.start - begin) * self.rate) + len(self.samples))

    def cut(self, begin: float, count: int) -> np.ndarray:
        """Return int16 ``(count,)`` from `begin`, seconds on the clip's clock; zeros where there is no sound."""
        at = round((begin - self.start) * self.rate)
        inside = self.samples[max(at, 0) : max(at + count, 0)]
        before = min(max(-at, 0), count)
        return np.pad(inside, (before, count - before - len(inside)))


def read(file: Path, rate: int = RATE, first: float | None = None) -> Sound | None:
    """Return the sound of a video or sound file (wav, mp3, m4a, flac, ogg, ...); None if the file has none.

    Uses the first of several streams. FFmpeg's resampler mixes channels and changes rates. Gaps in the time stamps
    become silence.
    rate: samples per second of the result. first: time of the first frame, in seconds on the file's clock, if known;
    by default it is read from the file; a file without pictures starts at its first sample.
    Raises DataError if the file cannot be opened or none of its sound can be decoded.
    """
    try:
        with open_file(file) as container:
            if not container.streams.audio:
                return None
            if container.streams.audio[0].codec_context is None:
                raise ValueError("a sound stream of an unknown codec")
            cover = av.stream.Disposition.attached_pic
            pictures = any(not stream.disposition & cover for stream in container.streams.video)
            decoding = _Decoding(container, rate)
            samples = decoding.samples()
    except ERRORS as error:
        raise _failure(file, error) from None
    if not len(samples):
        raise DataError(f"{file}: its sound cannot be decoded", code="unreadable-sound")
    if first is None:
        first = _first_frame(file) if pictures else decoding.start
    start = decoding.start - first
    facts = {**decoding.facts, "seconds": f"{len(samples) / rate:.3f}", "start": f"{start:+.4f}"}
    return Sound(samples, rate, start, decoding.source_rate, facts)


class _Decoding:
    """One pass over the first sound stream of a file, packet by packet."""

    def __init__(self, container: av.container.InputContainer, rate: int) -> None:
        self.start = 0.0  # of the first sample, on the file's clock
        self.source_rate = 0
        self.facts: dict[str, str] = {}
        self._container, self._rate = container, rate
        self._stream = container.streams.audio[0]
        self._form: tuple[str, str, int] | None = None  # what the resampler takes
        self._resampler = self._new_resampler()
        self._damaged = self._gaps = 0

    def samples(self) -> np.ndarray:
        parts: list[np.ndarray] = []
        now: float | None = None  # end of the decoded sound, counted in samples
        for frame in self._frames():
            at = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
            if now is None:
                self._note(frame)
                self.start = now = at or 0.0
            elif at is not None and at - now > GAP:
                parts += self._drain()
                parts.append(np.zeros(round((at - now) * self._rate), np.int16))
                now, self._gaps = at, self._gaps + 1
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
            if self._form not in (None, form):
                parts += self._drain()
            self._form = form
            now += frame.samples / frame.sample_rate
            frame.pts = None  # this loop counts samples, not the resampler
            parts += [_array(done) for done in self._resampler.resample(frame)]
        if parts:
            parts += self._drain()
        if self._damaged:
            self.facts["damage"] = f"{self._damaged} packets that cannot be decoded"
        if self._gaps:
            self.facts["gaps"] = f"{self._gaps}, filled with silence"
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)

    def _frames(self) -> Iterator[av.AudioFrame]:
        for packet in self._container.demux(self._stream):
            try:
                frames = packet.decode()
            except DAMAGED:
                self._damaged += 1
                continue
            for frame in frames:
                assert isinstance(frame, av.AudioFrame)  # since the stream is of sound
                if frame.samples:
                    yield frame

    def _note(self, frame: av.AudioFrame) -> None:
        self.source_rate = frame.sample_rate
        self.facts = {
            "codec": self._stream.codec_context.name,
            "rate": str(frame.sample_rate),
            "channels": str(len(frame.layout.channels)),
        }
        if (streams := len(self._container.streams.audio)) > 1:
            self.facts["stream"] = f"the first of {streams}"

    def _drain(self) -> list[np.ndarray]:
        """Return the samples left in the resampler, and replace it for the next frame."""
        rest = [_array(done) for done in self._resampler.resample(None)] if self._form else []
        self._resampler, self._form = self._new_resampler(), None
        return rest

    def _new_resampler(self) -> av.AudioResampler:
        return av.AudioResampler(format="s16", layout="mono", rate=self._rate)


def _array(frame: av.AudioFrame) -> np.ndarray:
    return frame.to_ndarray()[0].copy()  # the frame's memory is reused


def _first_frame(file: Path) -> float:
    video = Video(file)
    try:
        return float(video.times[0] * video.time_base)
    finally:
        video.close()


def _failure(file: Path, error: Exception) -> DataError:
    message = f"{file}: not readable as sound ({getattr(error, 'strerror', None) or first_line(error)})"
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return MissingFile(message)
    return DataError(message, code="unreadable-sound")
