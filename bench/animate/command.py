"""`python -m bench animate`: animate a photograph with a video, and write a video."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from baselines import registry
from baselines.liveportrait.predictor import LivePortraitPredictor
from baselines.predictor import MotionMode, Predictor
from baselines.spec import ModelSpec
from bench.animate.crop import Crop, describe, settle
from bench.animate.frames import Batch, Scene, View, as_bytes, as_tensor, batches, pair_name, predict
from bench.animate.input import Driving, fit, open_driving, read_source
from bench.animate.output import VideoWriter
from bench.animate.paste_back import PasteBack
from bench.animate.sheet import FILTER, Sheet
from bench.run import outside
from bench.run.anchors import NoFace, nearest
from bench.run.failed import by_reason
from bench.runtime.device import pairs_at_a_time
from bench.runtime.errors import UserError
from protocols import interruption
from protocols.crop import Box
from protocols.errors import DataError
from protocols.words import counted
from reports.run import caveats

SIZE = 256  # batch size of models without a fixed one


@dataclass(frozen=True)
class AnimateSettings:
    """The options of the command; its help has the meaning of each. Several models make a grid."""

    models: Sequence[str]
    source: Path
    driving: Path
    out: Path
    device: torch.device
    side_by_side: bool = False
    paste_back: bool = False
    mode: MotionMode | None = None
    anchor_frame: int | Literal["best"] | None = None  # None: 0
    crop: str | Box | None = None  # None: around a face, unless it already fills the frame
    source_crop: str | Box | None = None
    fps: Fraction | None = None
    weights: Path | None = None
    batch_size: int | None = None
    seed: int = 0
    limit: int | None = None


def animate(settings: AnimateSettings, console: Console) -> int:
    """Write the video; return the number of missing frames over all models.

    If it stops early, finished frames are saved in a playable ``<name>.interrupted.<suffix>``. Raises UserError,
    DataError or ModelError for what the user can fix, and OSError for a full disk.
    """
    specs = [ModelSpec.parse(model) for model in settings.models]
    if twice := [spec.name for k, spec in enumerate(specs) if spec.name in [other.name for other in specs[:k]]]:
        raise UserError(f"two models have the name {twice[0]}: rename one with LABEL=MODEL", code="duplicate-name")
    photograph, notices = read_source(settings.source)
    driving = open_driving(settings.driving, settings.fps)
    for notice in [*notices, *driving.notices]:
        notify(console, notice)
    total = len(driving.times)
    count = min(settings.limit or total, total)
    if isinstance(settings.anchor_frame, int) and settings.anchor_frame >= total:
        raise UserError(
            f"--anchor-frame {settings.anchor_frame}: the driving video has {total} frames, the first is 0",
            code="unknown-frame",
        )
    with ExitStack() as stack:
        models = []
        for spec in specs:
            predictor = registry.load(spec, weights=settings.weights, device=settings.device)
            if predictor.driven_by == "sound":
                raise UserError(
                    f"{spec.name} is driven by sound: give --driving SOUND --template VIDEO instead of --source",
                    code="unused-option",
                )
            stack.callback(predictor.close)
            models.append((spec.name, predictor, _mode(settings, spec.name, predictor)))
        weights = [weights_note(name, predictor, count, console) for name, predictor, _ in models]
        pasted = _paste_back(settings, photograph, models[0][1], console) if settings.paste_back else None
        source_crop, crop = _crops(settings, photograph, driving, console)
        seen: dict[int, tuple[View, torch.Tensor, torch.Tensor]] = {}  # by size: view, photograph, anchor
        for _, predictor, _ in models:
            size = predictor.frame_size or SIZE
            if size not in seen:
                view = View(driving, crop, size, settings.driving)
                what = f"--source {settings.source}"
                source = pasted.source if pasted else fit(photograph, source_crop, size, what)
                anchor = view.frame(_anchor(settings, source, view, count, console))
                shown, start = (as_tensor([image], settings.device) for image in (source, anchor))
                seen[size] = view, shown, start
        scenes = []
        for (name, predictor, mode), note in zip(models, weights):
            view, shown, start = seen[predictor.frame_size or SIZE]
            scenes.append(Scene(name, note, predictor, mode, shown, view, start, settings.device, settings.seed))
        return _film(settings, scenes, count, console, pasted)


def _paste_back(settings: AnimateSettings, photograph: np.ndarray, predictor: Predictor, console: Console) -> PasteBack:
    """Return the published crop of the photograph. Raises UserError if model or options do not allow it."""
    given = {"several models": len(settings.models) > 1, "--side-by-side": settings.side_by_side}
    given["--source-crop"] = settings.source_crop is not None
    if wrong := [option for option, used in given.items() if used]:
        raise UserError(f"--paste-back cannot be used with {' and '.join(wrong)}", code="conflicting-options")
    if not isinstance(predictor, LivePortraitPredictor) or predictor.output_size != PasteBack.side:
        raise UserError("--paste-back is only for liveportrait: remove it", code="unused-option")
    if not predictor.requested.stitching:
        raise UserError("--paste-back needs stitching: remove stitching=false", code="conflicting-options")
    made = PasteBack(photograph, f"--source {settings.source}")
    (height, width), (old, across) = made.size, photograph.shape[:2]
    changed = "" if (old, across) == made.size else f", used at {width}x{height} of {across}x{old}"
    line = f"source {settings.source}{changed}: cropped by dlib's 68 landmarks, not InsightFace's 106 as published"
    notify(console, line)
    return made


def _mode(settings: AnimateSettings, name: str, predictor: Predictor) -> MotionMode:
    """Return the motion mode of a model. Raises ModelError if it is unknown, UserError for an unused anchor frame."""
    mode = predictor.known_mode(settings.mode or predictor.motion_modes[0], name)
    if settings.anchor_frame is not None and not mode.startswith("relative"):
        raise UserError(
            f"--anchor-frame {settings.anchor_frame}: motion mode {mode} of {name} has no anchor frame",
            code="unused-option",
        )
    return mode


def weights_note(name: str, predictor: Predictor, count: int, console: Console) -> str:
    """Announce the frames to a model and print warnings about it; return the note on its weights, or ""."""
    predictor.expect([pair_name(number) for number in range(count)])
    about = outside.entry({"name": name, **outside.description(predictor, name)})
    status = about.weights_status or "official"
    note = "" if status == "official" else f"{status.upper()} WEIGHTS"
    if note:
        notify(console, f"{note} ({name}): the video does not show the published model", "bold yellow")
    if said := caveats.size(about):
        notify(console, f"{name}: {said}", "bold yellow")
    return note


def _crops(settings: AnimateSettings, photograph: np.ndarray, driving: Driving, console: Console) -> tuple[Crop, Crop]:
    """Return the crops of photograph and driving frames; print where faces were found."""
    from bench.detectors.face_box import FaceBox  # loads dlib

    finder = FaceBox()
    wanted = "none" if settings.paste_back else settings.source_crop
    source, found = settle(wanted, lambda _: photograph, 1, finder)
    moving, seen = settle(settings.crop, driving.frame, len(driving.times), finder)
    for what, file, cut in (("source", settings.source, found), ("driving", settings.driving, seen)):
        line, warning = describe(f"{what} {file}", cut, "--source-crop" if what == "source" else "--crop")
        if line:
            notify(console, line, "bold yellow" if warning else None)
    return source, moving


def _anchor(settings: AnimateSettings, source: np.ndarray, view: View, count: int, console: Console) -> int:
    """Return the index of the driving frame where relative motion starts.

    Raises UserError if no face is found for `best`.
    """
    if settings.anchor_frame != "best":
        return settings.anchor_frame or 0
    from bench.detectors.dlib68 import Dlib68

    readable = ((number, frame) for number in range(count) if not isinstance(frame := view.load(number), DataError))
    frames = ((number, as_bytes(frame)) for number, frame in readable)
    try:
        best = nearest(as_bytes(source), frames, Dlib68())
    except NoFace as error:
        raise UserError(f"--anchor-frame best: {error}; give a number", code=error.code) from None
    notify(console, f"relative motion starts from driving frame {best}")
    return best


def _film(
    settings: AnimateSettings, scenes: Sequence[Scene], count: int, console: Console, pasted: PasteBack | None = None
) -> int:
    """Decode, predict and encode in batches; the next batch is decoded in the background."""
    largest = max(scenes, key=lambda scene: scene.side)
    driving, whole = largest.view.driving, settings.side_by_side or len(scenes) > 1
    labels = ("source", "driving", *(scene.label for scene in scenes)) if len(scenes) > 1 else ()
    sheet = pasted or Sheet(largest.side, len(scenes) + (2 if whole else 0), labels)
    shown_at = {scene.label: scene.side for scene in scenes}
    shown_at |= {"source and driving frames": largest.view.size} if whole else {}
    for what, side in shown_at.items():
        if side < sheet.side:
            line = f"{what}: frames of {side}x{side} are resized to {sheet.side}x{sheet.side} ({FILTER})"
            notify(console, line)
    times = [*driving.times, driving.end]
    batch_size = settings.batch_size or pairs_at_a_time(settings.device)
    writer = VideoWriter(settings.out, sheet.size, driving, times[count])
    photograph = as_bytes(largest.source[0].permute(1, 2, 0).cpu().numpy())
    views, start = {scene.view.size: scene.view for scene in scenes}, time.perf_counter()
    bars = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*bars, console=console, transient=True, disable=not console.is_terminal)
    try:
        with progress:
            task = progress.add_task(", ".join(scene.label for scene in scenes), total=count)
            for shown in _ahead(batches([*views.values()], count, batch_size)):
                made = {}
                for scene in scenes:
                    interruption.check()
                    made[scene.label] = predict(scene, shown[scene.view.size])
                for number, seen, _ in made[largest.label]:
                    position = number - made[largest.label][0][0]
                    row = [photograph, seen] if whole else []
                    row += [frames[position][2] for frames in made.values()]
                    writer.write(sheet.frame(row), times[number], times[number + 1])
                    for scene in scenes:
                        scene.tally.frames += 1
                progress.advance(task, len(made[largest.label]))
            file = writer.finish()
    except BaseException:
        keep(writer, largest.tally.frames, count, console)
        raise
    seconds = time.perf_counter() - start
    length, (height, width) = float((times[count] - times[0]) * driving.time_base), sheet.size
    line = f"{file}: {counted(count, 'frame')}, {length:.2f} s, {width}x{height}, {writer.sound}"
    notify(console, f"{line}{_speeds(scenes, count, seconds)}")
    for scene in scenes:
        report_failed(scene.tally.failed, scene.tally.frames, f"{scene.label}: " if labels else "", console)
    return sum(len(scene.tally.failed) for scene in scenes)


def _speeds(scenes: Sequence[Scene], count: int, seconds: float) -> str:
    """Return the motion mode and speed of each model as text. seconds: of the whole command."""
    each = [
        (scene, f"motion mode {scene.mode}{scene.weights and f', {scene.weights}'}", count / scene.tally.model_seconds)
        for scene in scenes
    ]
    whole = f"{count / seconds:.3g} frames per second"
    if len(each) == 1:
        ((_, how, alone),) = each
        return f", {how}; {whole}, the model alone {alone:.3g}"
    return f"; {whole}" + "".join(f"; {scene.label}: {how}, alone {alone:.3g}" for scene, how, alone in each)


def keep(writer: VideoWriter, frames: int, count: int, console: Console) -> None:
    """Save finished frames as ``<name>.interrupted.<suffix>``; without any, leave no file."""
    name = writer.file.with_suffix(f".interrupted{writer.file.suffix}")
    try:
        if not frames:
            raise ValueError("no frame was finished")
        writer.finish(name)
        notify(console, f"stopped: the first {frames} of {count} frames are saved in {name}")
    except (OSError, ValueError):
        writer.discard()


def report_failed(failed: Mapping[int, str], frames: int, prefix: str, console: Console) -> None:
    """Print the indices of missing frames, by reason. frames: number of all frames."""
    for numbers, reason in by_reason(failed.items()):
        some = ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")
        line = f"{prefix}{len(numbers)} of {frames} frames are missing and shown gray ({some}): {reason}"
        notify(console, line, "red")


def _ahead(items: Iterator[dict[int, Batch]]) -> Iterator[dict[int, Batch]]:
    """Yield the same batches; each is prepared while the previous one is processed."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := interruption.result(coming)) is not None:
            coming = pool.submit(next, items, None)
            yield item


def notify(console: Console, line: str, style: str | None = None) -> None:
    """Print one line without wrapping."""
    console.print(line, style=style, markup=False, soft_wrap=True)
