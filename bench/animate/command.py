"""`python -m bench animate`: one photograph animated by a video, as a video."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from baselines import registry
from baselines.predictor import MotionMode
from bench.animate.anchor import nearest
from bench.animate.crop import Crop, settle, told
from bench.animate.frames import Batch, Scene, Tally, View, as_bytes, as_tensor, pair_name, predict
from bench.animate.input import Driving, fit, open_driving, read_source
from bench.animate.output import VideoWriter
from bench.run import outside
from bench.run.failed import by_reason
from bench.runtime.device import pairs_at_a_time
from bench.runtime.errors import UserError
from protocols import interruption
from protocols.crop import Box
from protocols.errors import DataError
from reports.run import caveats
from reports.schema.manifest import ModelEntry

SIZE = 256  # of models that take any


@dataclass(frozen=True)
class AnimateSettings:
    """What was asked on the command line; the command's help has the meaning of each."""

    model: str
    source: Path
    driving: Path
    out: Path
    device: torch.device
    side_by_side: bool = False
    mode: MotionMode | None = None
    anchor_frame: int | Literal["best"] | None = None  # None: 0
    crop: str | Box | None = None  # None: around a face unless the frames are framed like that already
    source_crop: str | Box | None = None
    fps: Fraction | None = None
    weights: Path | None = None
    batch_size: int | None = None
    seed: int = 0
    limit: int | None = None


def animate(settings: AnimateSettings, console: Console) -> int:
    """Write the video; returns the number of frames that could not be made.

    Raises UserError, DataError or ModelError for what the user can mend. Whatever stops it in the middle, the frames
    that were finished are kept in a playable ``<name>.interrupted.<suffix>``. Raises OSError for a full disk.
    """
    photograph, notices = read_source(settings.source)
    driving = open_driving(settings.driving, settings.fps)
    for notice in [*notices, *driving.notices]:
        _notify(console, notice)
    total = len(driving.times)
    count = min(settings.limit or total, total)
    if isinstance(settings.anchor_frame, int) and settings.anchor_frame >= total:
        raise UserError(
            f"--anchor-frame {settings.anchor_frame}: the driving video has {total} frames, the first is 0",
            code="unknown-frame",
        )
    with closing(registry.load(settings.model, weights=settings.weights, device=settings.device)) as predictor:
        mode = predictor.known_mode(settings.mode or predictor.motion_modes[0], settings.model)
        if settings.anchor_frame is not None and not mode.startswith("relative"):
            raise UserError(
                f"--anchor-frame {settings.anchor_frame}: the motion mode {mode} starts from no frame",
                code="unused-option",
            )
        predictor.expect([pair_name(number) for number in range(count)])
        about = outside.entry({"name": settings.model, **outside.said(predictor, settings.model)})
        weights = _weights_note(about)
        if weights:
            line = f"{weights} ({settings.model}): the video says nothing about the published model"
            _notify(console, line, "bold yellow")
        if said := caveats.size(about):
            _notify(console, f"{settings.model}: {said}", "bold yellow")
        size = predictor.frame_size or SIZE
        source_crop, crop = _crops(settings, photograph, driving, console)
        view = View(driving, crop, size, settings.driving)
        source = fit(photograph, source_crop, size, f"--source {settings.source}")
        anchor = settings.anchor_frame or 0
        if anchor == "best":
            anchor = _best(source, view, count)
            _notify(console, f"relative motion starts from driving frame {anchor}")
        shown, start = (as_tensor([image], settings.device) for image in (source, view.frame(anchor)))
        scene = Scene(predictor, mode, shown, view, start, settings.device, settings.seed)
        return _film(settings, scene, count, weights, console)


def _crops(settings: AnimateSettings, photograph: np.ndarray, driving: Driving, console: Console) -> tuple[Crop, Crop]:
    """The crops of photograph and driving frames, settled; what was looked for is said."""
    from bench.detectors.face_box import FaceBox  # loads dlib

    finder = FaceBox()
    source, found = settle(settings.source_crop, lambda _: photograph, 1, finder)
    moving, seen = settle(settings.crop, driving.frame, len(driving.times), finder)
    for what, file, cut in (("source", settings.source, found), ("driving", settings.driving, seen)):
        line, warning = told(f"{what} {file}", cut, "--source-crop" if what == "source" else "--crop")
        if line:
            _notify(console, line, "bold yellow" if warning else None)
    return source, moving


def _weights_note(about: ModelEntry) -> str:
    """What must be said of a model's weights."""
    status = about.weights_status or "official"
    return "" if status == "official" else f"{status.upper()} WEIGHTS"


def _best(source: np.ndarray, view: View, count: int) -> int:
    from bench.detectors.dlib68 import Dlib68

    readable = ((number, frame) for number in range(count) if not isinstance(frame := view.load(number), DataError))
    return nearest(as_bytes(source), ((number, as_bytes(frame)) for number, frame in readable), Dlib68())


def _film(settings: AnimateSettings, scene: Scene, count: int, weights: str, console: Console) -> int:
    """Decode, predict, encode, batch by batch; the next batch is decoded while this one is worked on."""
    driving, size = scene.view.driving, scene.view.size
    times, width = [*driving.times, driving.end], size * (3 if settings.side_by_side else 1)
    batch_size = settings.batch_size or pairs_at_a_time(scene.device)
    writer = VideoWriter(settings.out, (size, width), driving, times[count])
    photograph = as_bytes(scene.source[0].permute(1, 2, 0).cpu().numpy())
    tally, start = Tally(), time.perf_counter()
    bars = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*bars, console=console, transient=True, disable=not console.is_terminal)
    try:
        with progress:
            task = progress.add_task(settings.model, total=count)
            for batch in _ahead(scene.view.batches(count, batch_size)):
                interruption.check()
                for number, shown, result in predict(scene, batch, tally):
                    row = [photograph, shown, result] if settings.side_by_side else [result]
                    writer.write(np.concatenate(row, axis=1), times[number], times[number + 1])
                    tally.frames += 1
                progress.advance(task, len(batch))
            file = writer.finish()
    except BaseException:
        _keep(writer, tally, count, console)
        raise
    seconds = time.perf_counter() - start
    length = float((times[count] - times[0]) * driving.time_base)
    _notify(
        console,
        f"{file}: {count} frames, {length:.2f} s, {width}x{size}, {writer.sound}, motion mode {scene.mode}"
        f"{weights and f', {weights}'}; {count / seconds:.3g} frames a second, the model alone "
        f"{count / tally.model_seconds:.3g}",
    )
    _tell_failures(tally, console)
    return len(tally.failed)


def _keep(writer: VideoWriter, tally: Tally, count: int, console: Console) -> None:
    """Finish the file under a name that says that it is not whole, or leave none where there is nothing to keep."""
    name = writer.file.with_suffix(f".interrupted{writer.file.suffix}")
    try:
        if not tally.frames:
            raise ValueError("no frame was finished")
        writer.finish(name)
        _notify(console, f"stopped; the first {tally.frames} of {count} frames are kept in {name}")
    except (OSError, ValueError):
        writer.discard()


def _tell_failures(tally: Tally, console: Console) -> None:
    for numbers, reason in by_reason(tally.failed.items()):
        some = ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")
        line = f"{len(numbers)} of {tally.frames} frames could not be made and are grey ({some}): {reason}"
        _notify(console, line, "red")


def _ahead(items: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, each made while the one before is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := interruption.result(coming)) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _notify(console: Console, line: str, style: str | None = None) -> None:
    console.print(line, style=style, markup=False, soft_wrap=True)
