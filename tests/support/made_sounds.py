"""Sound files, and videos with sound, whose clicks say when they are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

CLICK = 0.005  # seconds


def clicks(seconds: float, at: tuple[float, ...], rate: int = 16000, channels: int = 1) -> np.ndarray:
    """Silence with short tones of 1 kHz, int16 ``(channels, n)``; in every channel the same."""
    t = np.arange(round(seconds * rate)) / rate
    wave = sum(
        (np.sin(2000 * np.pi * (t - time)) * ((t >= time) & (t < time + CLICK)) for time in at), np.zeros_like(t)
    )
    return np.tile(np.rint(20000 * wave).astype(np.int16), (channels, 1))


def heard(samples: np.ndarray, rate: int, start: float = 0.0) -> list[float]:
    """When the clicks of `clicks` begin, in seconds; what is within 50 ms of a click belongs to it."""
    times = np.flatnonzero(np.abs(samples.astype(int)) > 4000) / rate + start
    return [float(time) for k, time in enumerate(times) if k == 0 or time - times[k - 1] > 0.05]


def write(
    file: Path,
    samples: np.ndarray,
    rate: int = 16000,
    codec: str = "pcm_s16le",
    *,
    frames: int = 0,
    late: float = 0.0,
    pictures_late: int = 0,
    gap: tuple[float, float] | None = None,
) -> Path:
    """A file with the sound, int16 ``(channels, n)``, and `frames` gray pictures at 25 a second where asked for.

    late: seconds by which the sound begins after the file's clock; pictures_late: frames by which the pictures do.
    gap: (when, how long) the time stamps leap, in seconds.
    """
    with av.open(str(file), "w") as output:
        if frames:
            pictures = output.add_stream("mpeg4", rate=25)
            pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = output.add_stream(codec, rate=rate, layout="stereo" if len(samples) == 2 else "mono")
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 5 * number % 256, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number + pictures_late, Fraction(1, 25)
            output.mux(pictures.encode(frame))
        if frames:
            output.mux(pictures.encode())
        resampler = av.AudioResampler(format=sound.format, layout=sound.layout, rate=rate)
        step = sound.codec_context.frame_size or 1024
        for at in range(0, samples.shape[1], step):
            part = np.ascontiguousarray(samples[:, at : at + step].T.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout=sound.layout.name)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            leap = gap[1] if gap and at / rate >= gap[0] else 0.0
            frame.pts = at + round((late + leap) * rate)
            for ready in resampler.resample(frame):
                output.mux(sound.encode(ready))
        output.mux(sound.encode())
    return file
