"""Short lossy videos with an uneven clock and one click in their sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

CLICK = 0.12  # second at which the test sound is loud
UNEVEN = (0, 33, 50, 120, 121, 200)  # presentation times in ms


def picture(number: int, height: int = 64, width: int = 96) -> np.ndarray:
    """Smooth, so that codecs keep it, and another one for each number."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    planes = (x, y, np.hypot(x - 0.1 * number, y - 0.5))
    return (np.stack(planes, axis=-1).clip(0, 1) * 200 + 10 * number).clip(0, 255).astype(np.uint8)


def make_video(file: Path, form: str, sound: str | None = "aac", times=UNEVEN, codec: str = "libx264") -> Path:
    """Pictures at `times` (ms), with a click at `CLICK` in 0.3 s of silence."""
    with av.open(str(file), "w", format=form) as output:
        video = output.add_stream(codec, rate=25)
        video.height, video.width, video.pix_fmt = 64, 96, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = output.add_stream(sound, rate=48000, layout="mono") if sound else None
        for number, moment in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = moment, Fraction(1, 1000)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if audio:
            level = np.zeros((1, 14400), np.float32)
            start = int(CLICK * 48000)
            level[0, start : start + 480] = 0.9 * np.sin(np.arange(480) * 0.4)
            samples = av.AudioFrame.from_ndarray(level, format="fltp", layout="mono")
            samples.rate, samples.pts, samples.time_base = 48000, 0, Fraction(1, 48000)
            output.mux(audio.encode(samples))
            output.mux(audio.encode(None))
    return file


def frames_of(file: Path) -> tuple[list[float], list[np.ndarray]]:
    """Times in seconds since the first frame, and pictures."""
    with av.open(str(file)) as container:
        frames = list(container.decode(video=0))
    return [float(frame.time - frames[0].time) for frame in frames], [
        frame.to_ndarray(format="rgb24") for frame in frames
    ]
