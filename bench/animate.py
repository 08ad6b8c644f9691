"""`python -m bench animate`: one photograph animated by a video, as a video."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from baselines import registry
from baselines.predictor import ModelError, MotionMode, PairBatch, Predictor
from bench.animate_input import Crop, Driving, fit, open_driving, read_source
from bench.animate_output import VideoWriter
from bench.engine import as_uint8, pair_seed
from bench.errors import UserError
from protocols.errors import DataError

SIZE = 256  # of models that take any
BATCH = {"cpu": 4, "cuda": 16}
_Batch = list[tuple[int, np.ndarray | DataError]]  # driving frames by number, or why one cannot be read


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
    anchor_frame: int = 0
    crop: Crop = "center"
    source_crop: Crop = "center"
    fps: Fraction = Fraction(25)
    weights: Path | None = None
    batch_size: int | None = None
    seed: int = 0
    limit: int | None = None


@dataclass
class Tally:
    """What was done so far: frames written, those that could not be made (number to reason), seconds in the model."""

    frames: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    model_seconds: float = 0.0


@dataclass(frozen=True)
class _Scene:
    """One model, one photograph, one driving video: all that a batch of frames needs."""

    predictor: Predictor
    mode: MotionMode
    source: Tensor
    driving: Driving
    anchor: Tensor
    crop: Crop
    size: int
    device: torch.device
    seed: int


def animate(settings: AnimateSettings, console: Console) -> int:
    """Write the video; returns the number of frames that could not be made.

    Raises UserError, DataError or ModelError for what the user can mend. Whatever stops it in the middle, the frames
    that were finished are kept in a playable ``<out>.interrupted.<suffix>``.
    """
    photograph, moving = read_source(settings.source)
    driving = open_driving(settings.driving, settings.fps)
    if moving:
        _say(console, f"{settings.source} is a video; its first frame is the photograph")
    count = min(settings.limit or len(driving.times), len(driving.times))
    if not 0 <= settings.anchor_frame < len(driving.times):
        raise UserError(f"--anchor-frame {settings.anchor_frame}: the driving video has {len(driving.times)} frames")
    with closing(registry.load(settings.model, weights=settings.weights, device=settings.device)) as predictor:
        scene = _scene(settings, predictor, photograph, driving)
        predictor.expect([_name(number) for number in range(count)])
        sample = predictor.describe().get("sample_weights")
        if sample:
            _say(
                console,
                f"SAMPLE WEIGHTS ({settings.model}): this says nothing about the published model",
                "bold yellow",
            )
        return _film(settings, scene, count, console)


def _scene(settings: AnimateSettings, predictor: Predictor, photograph: np.ndarray, driving: Driving) -> _Scene:
    mode = settings.mode or predictor.motion_modes[0]
    if mode not in predictor.motion_modes:
        known = ", ".join(predictor.motion_modes)
        raise ModelError(f"{settings.model} has no motion mode {mode}; it has: {known}")
    size = predictor.frame_size or SIZE
    source = _tensor([fit(photograph, settings.source_crop, size, f"--source {settings.source}")], settings.device)
    first = fit(driving.frame(settings.anchor_frame), settings.crop, size, f"--driving {settings.driving}")
    anchor = _tensor([first], settings.device)
    return _Scene(predictor, mode, source, driving, anchor, settings.crop, size, settings.device, settings.seed)


def _film(settings: AnimateSettings, scene: _Scene, count: int, console: Console) -> int:
    """Decode, predict, encode, batch by batch; the next batch is decoded while this one is worked on."""
    times = [*scene.driving.times, scene.driving.end]
    columns = 3 if settings.side_by_side else 1
    writer = VideoWriter(settings.out, (scene.size, scene.size * columns), scene.driving, times[count])
    photograph = as_uint8(scene.source, scene.source, "source")[0]
    tally, start = Tally(), time.perf_counter()
    bars = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*bars, TimeRemainingColumn(), console=console, transient=True) as progress:
            task = progress.add_task(settings.model, total=count)
            for batch in _ahead(_batches(scene, count, settings.batch_size or BATCH.get(scene.device.type, 4))):
                for number, shown, result in _predict(scene, batch, tally):
                    row = [photograph, shown, result] if settings.side_by_side else [result]
                    writer.write(np.concatenate(row, axis=1), times[number], times[number + 1])
                    tally.frames += 1
                progress.advance(task, len(batch))
            file = writer.finish()
    except BaseException as error:
        _keep(writer, tally, count, console)
        if isinstance(error, OSError):
            raise UserError(f"--out {settings.out}: {error.strerror or error}") from None
        raise
    seconds = time.perf_counter() - start
    length = float((times[count] - times[0]) * scene.driving.time_base)
    _say(
        console,
        f"{file}: {count} frames, {length:.2f} s, {scene.size * columns}x{scene.size}, {writer.sound}, motion mode "
        f"{scene.mode}; {count / seconds:.1f} frames a second, the model alone {count / tally.model_seconds:.1f}",
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
        _say(console, f"stopped; the first {tally.frames} of {count} frames are kept in {name}")
    except (OSError, ValueError):
        writer.discard()


def _tell_failures(tally: Tally, console: Console) -> None:
    for reason in dict.fromkeys(tally.failed.values()):
        numbers = [number for number, why in tally.failed.items() if why == reason]
        some = ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")
        line = f"{len(numbers)} of {tally.frames} frames could not be made and are grey ({some}): {reason}"
        _say(console, line, "red")


def _batches(scene: _Scene, count: int, size: int) -> Iterator[_Batch]:
    """Driving frames by number, float32 ``(S, S, 3)`` in [0, 1]; an unreadable one is its error."""

    def load(number: int) -> np.ndarray | DataError:
        try:
            return fit(scene.driving.frame(number), scene.crop, scene.size, f"driving frame {number}")
        except DataError as error:
            return error

    numbers = iter(range(count))
    while chosen := list(islice(numbers, size)):
        yield [(number, load(number)) for number in chosen]


def _ahead(items: Iterator[_Batch]) -> Iterator[_Batch]:
    """The same batches, each made while the one before is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _predict(scene: _Scene, batch: _Batch, tally: Tally) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Number, driving frame and result of each, uint8 ``(S, S, 3)``; failures are grey and go into the tally."""
    readable = [(number, frame) for number, frame in batch if not isinstance(frame, DataError)]
    start = time.perf_counter()
    made = dict(zip((number for number, _ in readable), _ask(scene, readable)))
    tally.model_seconds += time.perf_counter() - start
    rows = []
    for number, frame in batch:
        outcome = str(frame) if isinstance(frame, DataError) else made[number]
        if isinstance(outcome, str):
            tally.failed[number] = outcome
        empty = _grey(scene.size, number)
        shown = empty if isinstance(frame, DataError) else np.rint(frame * 255).astype(np.uint8)
        rows.append((number, shown, empty if isinstance(outcome, str) else outcome))
    return rows


def _ask(scene: _Scene, frames: Sequence[tuple[int, np.ndarray]]) -> list[np.ndarray | str]:
    """The model's frames, or the reason why there is none. A batch that fails is tried again frame by frame."""
    if not frames:
        return []
    n, ids = len(frames), tuple(_name(number) for number, _ in frames)
    batch = PairBatch(
        ids=ids,
        source=scene.source.repeat(n, 1, 1, 1),
        driving=_tensor([frame for _, frame in frames], scene.device),
        anchor=scene.anchor.repeat(n, 1, 1, 1),
        seeds=tuple(pair_seed(scene.seed, name) for name in ids),
        info=tuple({"frame": number} for number, _ in frames),
    )
    try:
        with torch.inference_mode():
            images = as_uint8(scene.predictor.predict(batch, scene.mode), batch.source, scene.predictor.name)
    except ModelError:
        raise
    except Exception as error:  # a model may fail in any way; the video goes on without this frame
        if n > 1:
            return [outcome for frame in frames for outcome in _ask(scene, [frame])]
        return [f"{type(error).__name__}: {error}".splitlines()[0]]
    return ["the model gave no finite frame" if image is None else image for image in images]


def _grey(size: int, number: int) -> np.ndarray:
    """What stands for a frame that could not be made, uint8 ``(size, size, 3)``."""
    image = Image.new("RGB", (size, size), (128, 128, 128))
    font = ImageFont.load_default(size / 12)
    draw = ImageDraw.Draw(image)
    draw.text((size / 2, size / 2), f"no frame\n{number}", (255, 255, 255), font, anchor="mm", align="center")
    return np.asarray(image)


def _tensor(images: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """``(N, 3, H, W)`` from N of float32 ``(H, W, 3)``."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous().to(device)


def _name(number: int) -> str:
    return f"{number:07d}"


def _say(console: Console, line: str, style: str | None = None) -> None:
    console.print(line, style=style, markup=False, soft_wrap=True)
