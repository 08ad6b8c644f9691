"""`python -m bench animate` by sound: make a person's video speak a sound."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from baselines import registry
from baselines.predictor import ModelError, PairBatch
from baselines.spec import ModelSpec
from baselines.talking import Talk, TalkingPredictor
from bench.animate.command import SIZE, AnimateSettings, keep, notify, report_failed, weights_note
from bench.animate.crop import Crop, describe, settle
from bench.animate.frames import gray, pair_name
from bench.animate.input import Driving, open_driving
from bench.animate.output import VideoWriter
from bench.animate.template import Template
from bench.run.engine import pair_seed
from bench.run.generated import generate
from bench.runtime.device import pairs_at_a_time
from bench.runtime.device_errors import device_broken
from bench.runtime.errors import Stopped, UserError
from protocols import interruption, sound
from protocols.clips import EARLY
from protocols.errors import DataError, first_line, typed_line
from protocols.plugins import FAILURES
from protocols.sound import Sound
from protocols.words import counted

CLOCK = 90000  # time units per second of the output video


@dataclass
class SoundClock:
    """The output video's clock, which starts with the sound."""

    times: Sequence[int]
    end: int
    time_base: Fraction
    start: Fraction
    rate: Fraction
    sound: Path | None
    notices: list[str]


def animate(settings: AnimateSettings, template: Path, console: Console) -> int:
    """Write the video; return the number of missing frames. Raises like `command.animate`."""
    _refuse(settings)
    heard = _heard(settings.driving, console)
    video = open_driving(template, settings.fps, "--template")
    for notice in video.notices:
        notify(console, notice)
    spec = ModelSpec.parse(settings.models[0])
    with closing(registry.load(spec, weights=settings.weights, device=settings.device)) as predictor:
        if not isinstance(predictor, TalkingPredictor):
            raise UserError(
                f"--template is for models driven by sound; for {spec.name} give --source and a driving video",
                code="unused-option",
            )
        count = max(1, math.ceil(heard.seconds * float(video.rate) - EARLY))
        count = min(settings.limit or count, count)
        note = weights_note(spec.name, predictor, count, console)
        crop = _crop(settings, video, template, predictor.frame_size, console)
        shown = Template(video, template, count, crop, predictor.frame_size or SIZE)
        height, width = shown.learn()
        if height == width:
            predictor.set_frame_size(height)
        times = tuple(k / float(video.rate) for k in range(count))
        still = Sound(heard.samples, heard.rate, 0.0, heard.source_rate, heard.facts)
        name = settings.driving.stem
        talk = Talk(name, still, times, float(video.rate), shown.tensors, template.stem, pair_seed(settings.seed, name))
        predictor.begin(talk, [pair_name(number) for number in range(count)])
        clock = _clock(heard, video.rate, count, settings.driving)
        return _film(settings, spec.name, note, predictor, shown, clock, (height, width), console)


def _refuse(settings: AnimateSettings) -> None:
    """Raise UserError for options that have no effect on models driven by sound."""
    if len(settings.models) > 1:
        raise UserError("--template: give one model", code="conflicting-options")
    given = {"--anchor-frame": settings.anchor_frame is not None, "--source-crop": settings.source_crop is not None}
    given["--paste-back"] = settings.paste_back
    given["--mode"] = settings.mode not in (None, "absolute")
    if wrong := [option for option, used in given.items() if used]:
        raise UserError(f"{' and '.join(wrong)} cannot be used with --template", code="unused-option")


def _heard(file: Path, console: Console) -> Sound:
    """Read the sound. Raises UserError if there is none, DataError if it is unreadable."""
    if not file.is_file():
        raise UserError(f"--driving {file}: no such file", code="missing-file")
    found = sound.read(file, first=0.0)
    if found is None:
        raise UserError(f"--driving {file}: has no sound to drive the model", code="no-sound")
    if "damage" in found.facts:
        notify(console, f"{file}: {found.facts['damage']}", "bold yellow")
    if not found.samples.any():
        notify(console, f"{file}: the sound is silent", "bold yellow")
    return found


def _crop(
    settings: AnimateSettings, video: Driving, path: Path, frame_size: int | None, console: Console
) -> Crop | None:
    """Return the crop, or None for whole frames: no crop was requested, and the model takes frames of any size."""
    if settings.crop in (None, "none") and frame_size is None:
        return None
    from bench.detectors.face_box import FaceBox  # loads dlib

    crop, found = settle(settings.crop, video.frame, len(video.times), FaceBox())
    line, warning = describe(f"template {path}", found, "--crop")
    if line:
        notify(console, line, "bold yellow" if warning else None)
    return crop


def _clock(heard: Sound, rate: Fraction, count: int, file: Path) -> SoundClock:
    start = round(heard.start * CLOCK)
    times = [start + round(k * CLOCK / rate) for k in range(count + 1)]
    return SoundClock(times[:-1], times[-1], Fraction(1, CLOCK), Fraction(start, CLOCK), rate, file, [])


def _film(
    settings: AnimateSettings,
    name: str,
    note: str,
    predictor: TalkingPredictor,
    shown: Template,
    clock: SoundClock,
    size: tuple[int, int],
    console: Console,
) -> int:
    """Predict, encode and write in batches; return the number of missing frames."""
    count, step = len(clock.times), settings.batch_size or pairs_at_a_time(settings.device)
    height, width = size
    whole = (height, 2 * width) if settings.side_by_side else size
    writer = VideoWriter(settings.out, whole, clock, clock.end)
    failed: dict[int, str] = {}
    ends, finished, begun = [*clock.times[1:], clock.end], 0, time.perf_counter()
    starts = range(0, count, step)
    try:
        for first in track(starts, name, console=console, transient=True, disable=not console.is_terminal):
            interruption.check()
            numbers = range(first, min(first + step, count))
            for number, (seen, made) in zip(numbers, _predicted(predictor, numbers, shown, size, settings)):
                if isinstance(made, str):
                    failed[number] = made
                    made = gray(size, number)
                picture = np.concatenate([seen, made], 1) if settings.side_by_side else made
                writer.write(picture, clock.times[number], ends[number])
                finished += 1
        file = writer.finish()
    except BaseException:
        keep(writer, finished, count, console)
        raise
    seconds = time.perf_counter() - begun
    length = f"{counted(count, 'frame')}, {float((clock.end - clock.times[0]) * clock.time_base):.2f} s"
    line = f"{file}: {length}, {whole[1]}x{whole[0]}, {writer.sound}, driven by sound{note and f', {note}'}"
    notify(console, f"{line}; {count / seconds:.3g} frames per second")
    report_failed(failed, count, "", console)
    return len(failed)


def _predicted(
    predictor: TalkingPredictor,
    numbers: range,
    shown: Template,
    size: tuple[int, int],
    settings: AnimateSettings,
) -> list[tuple[np.ndarray, np.ndarray | str]]:
    """Return the template's frames, uint8, each with the model's frame or the reason why it is missing."""
    frames = [shown.frame(number) for number in numbers]
    blank = np.full((*size, 3), 0.5, np.float32)
    pictures = [blank if isinstance(frame, DataError) else frame for frame in frames]
    if wrong := next((one.shape for one in pictures if one.shape != blank.shape), None):
        raise DataError(
            f"--template: frames have several sizes, {size[1]}x{size[0]} and {wrong[1]}x{wrong[0]}",
            code="frame-sizes-differ",
        )
    source = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).to(settings.device)
    batch = PairBatch(tuple(map(pair_name, numbers)), source, source)
    made = _generated(predictor, batch)
    seen = (source * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [
        (picture, str(frame) if isinstance(frame, DataError) else answer)
        for picture, frame, answer in zip(seen, frames, made)
    ]


def _generated(predictor: TalkingPredictor, batch: PairBatch) -> list[np.ndarray | str]:
    """Return the model's frames, or reasons for missing ones. A batch that fails is retried frame by frame."""
    try:
        with torch.inference_mode():
            return generate(predictor, batch, "absolute", predictor.name)
    except ModelError:
        raise
    except FAILURES as error:  # a model may fail in any way; the video continues without this frame
        if device_broken(error):
            raise Stopped(f"{predictor.name}: the device failed ({first_line(error)})", code="device-failed") from None
        if len(batch) == 1:
            return [typed_line(error)]
    ones = (
        PairBatch(batch.ids[k : k + 1], batch.source[k : k + 1], batch.driving[k : k + 1]) for k in range(len(batch))
    )
    return [answer for one in ones for answer in _generated(predictor, one)]
