"""Cut one model's video, with sound, out of a run's video of all panels; optionally degrade it obviously."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from bench.run.grid import SOUND_RATE, GridWriter, Planes, planes
from bench.study.material import Panel
from protocols import sound
from protocols.video_writing import to_yuv

COARSE = 12  # pixels of the longer side to which a degraded picture is reduced
NOISE = 50.0  # standard deviation of its noise, of 255
HELD = 1.0  # seconds for which each degraded picture is shown
DEGRADED = f"{COARSE} pixels wide, noise of {NOISE:.0f} of 255, a new picture every {HELD:.0f} s"


def write(panel: Panel, file: Path, seed: int | None = None) -> None:
    """Write the panel's video as H.264, with the sound of the run's video, as `GridWriter` does.

    seed: degrade it so that nobody can overlook it, with noise of this seed.
    """
    wide, high = panel.tile
    heard = sound.read(panel.file, SOUND_RATE) if panel.sound else None
    writer = GridWriter(file, 1, (high, wide), panel.times, panel.end)
    try:
        if heard is not None:
            writer.add_sound(heard, 0.0, panel.end - panel.times[0])
        for one in _frames(panel) if seed is None else _degraded(panel, seed):
            writer.write([one])
        writer.finish()
    finally:
        writer.close()


def _frames(panel: Panel) -> Iterator[Planes]:
    """Yield the panel's frames: brightness and two of color, uint8."""
    (wide, high), top, left = panel.tile, panel.top, panel.left
    for frame in _decoded(panel):
        bright, *colors = planes(frame)
        small = [plane[top // 2 : (top + high) // 2, left // 2 : (left + wide) // 2] for plane in colors]
        yield bright[top : top + high, left : left + wide], small[0], small[1]


def _degraded(panel: Panel, seed: int) -> Iterator[Planes]:
    """Yield the panel's frames, coarse, noisy and at one picture per second."""
    rng = np.random.default_rng(seed)
    (wide, high), top, left = panel.tile, panel.top, panel.left
    held: np.ndarray | None = None
    until = -np.inf
    for time, frame in zip(panel.times, _decoded(panel)):
        if held is None or time >= until:
            held, until = frame.to_ndarray(format="rgb24")[top : top + high, left : left + wide], time + HELD
            held = _coarse(held)
        noisy = np.clip(held + rng.normal(0, NOISE, held.shape), 0, 255).astype(np.uint8)
        yield planes(to_yuv(noisy, (high, wide)))


def _coarse(picture: np.ndarray) -> np.ndarray:
    """Return the picture, reduced to `COARSE` pixels and enlarged; RGB uint8 ``(H, W, 3)``."""
    high, wide = picture.shape[:2]
    scale = COARSE / max(high, wide)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    small = frame.reformat(max(2, round(wide * scale)), max(2, round(high * scale)), interpolation="AREA")
    return small.reformat(wide, high, interpolation="BILINEAR").to_ndarray(format="rgb24")


def _decoded(panel: Panel) -> Iterator[av.VideoFrame]:
    with av.open(str(panel.file)) as container:
        yield from container.decode(video=0)
