"""An external program as a model driven by sound: it gets a folder with one clip and writes one video."""

from __future__ import annotations

import json
import os
import tempfile
import wave
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from baselines.external.process import Program, ProgramError
from baselines.levels import from_levels, to_levels
from baselines.talking import Talk, TalkingPredictor
from protocols.clips import EARLY, shown_at
from protocols.errors import DataError
from protocols.images import resize
from protocols.video import Video
from protocols.video_writing import add_video, even, to_yuv

CLIP = "{clip}"  # placeholder of commands that are called per clip
SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm")
TOO_LONG = 0.2  # seconds that a video may be longer than requested
_ASPECT = 0.01  # relative difference allowed between aspect ratios, since programs round sides
_CODEC = "libx264", {"crf": "8", "preset": "fast", "threads": "1"}


class ClipCommand(TalkingPredictor):
    """Call `command` once per clip, without a shell.

    ``{clip}`` becomes the path of ``clip.json``: id, identity, seed, rate, frames, seconds, width, height, and, as
    paths relative to it, sound (WAV, mono), source (the template's first frame), template (H.264, for programs that
    read a video) and template_frames (the same without loss, ``000000.png`` and so on). ``{out}`` becomes the path of a
    folder, into which the program writes one video. Each requested frame is the one shown in it at that time, resized
    (Lanczos) to the template's size. An error of the program becomes the reason of the clip's failed frames; it is not
    called twice.
    """

    name = "cmd"

    def __init__(self, command: str):
        self.program = Program(command, (CLIP, "{out}"))
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._made: Path | str = ""  # the clip's video, or the reason why there is none

    def talk(self, talk: Talk) -> Iterator[Tensor | str]:
        """Yield the program's frames, or the reasons of failures. Raises ModelError if the program cannot be run."""
        if self._temporary is None:  # else it was already called
            self._temporary = tempfile.TemporaryDirectory(prefix="talking-head-bench-")
            self._made = self._call(talk, Path(self._temporary.name))
        if isinstance(self._made, str):
            yield from [self._made] * len(talk.times)
        else:
            yield from _frames(self._made, talk, self.program.name)

    def forget(self) -> None:
        super().forget()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def describe(self) -> dict[str, Any]:
        rule = {"frames": "shown at the time", "other_sizes": "Lanczos", "too_long": TOO_LONG}
        facts = {"sample_weights": False, "weights_file": None, "weights_sha256": None}
        return facts | {"command": self.program.command, "conventions": rule}

    def _call(self, talk: Talk, folder: Path) -> Path | str:
        out = folder / "out"
        out.mkdir()
        try:
            late = self.program.call({CLIP: write(talk, folder), "{out}": out}, folder)
        except ProgramError as error:
            return str(error)
        if late:
            return late
        videos = sorted(file for file in out.iterdir() if file.suffix.lower() in SUFFIXES)
        if len(videos) != 1:
            return f"{self.program.name} wrote {len(videos)} videos, not one ({', '.join(SUFFIXES)})"
        return videos[0]


def write(talk: Talk, folder: Path) -> Path:
    """Write a clip's files for a program; return the path of ``clip.json``."""
    seconds = talk.times[-1] + 1 / talk.rate
    count = max(1, round(seconds * talk.rate))
    sizes = _write_template(_steady(talk.template(), talk.times, talk.rate, count), talk.rate, folder)
    with wave.open(str(folder / "sound.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(talk.sound.rate)
        file.writeframes(talk.sound.cut(0.0, round(seconds * talk.sound.rate)).astype("<i2").tobytes())
    about = {"id": talk.id, "identity": talk.identity, "seed": talk.seed, "rate": talk.rate, "frames": count}
    about |= {"seconds": seconds, "height": sizes[0], "width": sizes[1], "sound": "sound.wav", "source": "source.png"}
    about |= {"template": "template.mp4", "template_frames": "template"}
    (folder / "clip.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    return folder / "clip.json"


def _steady(frames: Iterable[Tensor], times: Sequence[float], rate: float, count: int) -> Iterator[np.ndarray]:
    """Yield `count` uint8 frames ``(H, W, 3)`` at a constant rate: each the one of `times` that is shown then."""
    wanted = [shown_at(times, k / rate) for k in range(count)]
    given, at = iter(frames), -1
    image = np.zeros((0, 0, 3), np.uint8)
    for number in wanted:
        while at < number:
            image, at = to_levels(next(given)).permute(1, 2, 0).cpu().numpy(), at + 1
        yield np.ascontiguousarray(image)


def _write_template(images: Iterator[np.ndarray], rate: float, folder: Path) -> tuple[int, int]:
    """Write the template; return (height, width) of its frames."""
    (folder / "template").mkdir()
    base = Fraction(rate).limit_denominator(1001)
    stream = None
    with av.open(str(folder / "template.mp4"), "w") as output:
        for number, image in enumerate(images):
            if stream is None:
                size = (image.shape[0], image.shape[1])
                stream = add_video(output, *_CODEC, even(size), base, 1 / base)
                Image.fromarray(image).save(folder / "source.png", compress_level=1)
            Image.fromarray(image).save(folder / "template" / f"{number:06d}.png", compress_level=1)
            frame = to_yuv(image)
            frame.pts, frame.time_base = number, 1 / base
            output.mux(stream.encode(frame))
        assert stream is not None  # a clip has at least one frame
        output.mux(stream.encode())
    return size


def _frames(file: Path, talk: Talk, program: str) -> Iterator[Tensor | str]:
    """Yield the frames of a program's video at the times of a clip, or for each the reason why there is none."""
    like = next(iter(talk.template()))
    count, asked = len(talk.times), talk.times[-1] + 1 / talk.rate
    try:
        video = Video(file)
        size = video.size
    except DataError as error:
        yield from [f"{program}: {str(error).replace(f'{file.parent}{os.sep}', '')}"] * count
        return
    try:
        times = [float((time - video.times[0]) * video.time_base) for time in video.times]
        end = float((video.end - video.times[0]) * video.time_base)
        why = wrong_size(size, (like.shape[1], like.shape[2]))
        if end > asked + TOO_LONG:
            why = f"a video of {end:.2f} s for {asked:.2f} s: the times of its frames are not known"
        if why:
            yield from [f"{program} wrote {why}"] * count
            return
        for time in talk.times:
            if time >= end - EARLY:
                yield f"{program}: the video ends after {end:.3f} s"
                continue
            try:
                image = resize(video.frame(shown_at(times, time)), like.shape[1], like.shape[2])
            except DataError as error:
                yield f"{program}: {str(error).replace(f'{file.parent}{os.sep}', '')}"
                continue
            yield from_levels(torch.from_numpy(np.ascontiguousarray(image))).permute(2, 0, 1)
    finally:
        video.close()


def wrong_size(size: tuple[int, int], template: tuple[int, int]) -> str | None:
    """Return why frames of this (height, width) do not fit the template's aspect ratio; None if they do."""
    (height, width), (high, wide) = size, template
    if abs(height * wide / (width * high) - 1) <= _ASPECT:
        return None
    return f"frames of {width}x{height} for a template of {wide}x{high}"
