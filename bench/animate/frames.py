"""The frames of `animate`: the model's input and output."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from baselines.levels import to_levels
from baselines.predictor import ModelError, MotionMode, PairBatch, Predictor
from bench.animate.crop import Crop
from bench.animate.input import Driving, fit
from bench.run.engine import pair_seed
from bench.run.generated import generate
from bench.runtime.device_errors import device_broken
from bench.runtime.errors import Stopped
from protocols.errors import DataError, first_line, typed_line
from protocols.plugins import FAILURES

Batch = list[tuple[int, np.ndarray | DataError]]  # driving frames by index, or the error of an unreadable one


@dataclass
class Tally:
    """Progress: frames written, missing frames (index to reason), seconds in the model."""

    frames: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    model_seconds: float = 0.0


@dataclass(frozen=True)
class View:
    """The driving frames at the model's size: float32 ``(S, S, 3)`` in [0, 1]."""

    driving: Driving
    crop: Crop
    size: int
    path: Path

    def frame(self, number: int) -> np.ndarray:
        """Return a frame. Raises DataError if it cannot be read, UserError if the crop does not fit it."""
        return self.of(self.driving.frame(number), number)

    def of(self, image: np.ndarray, number: int) -> np.ndarray:
        """Crop and resize a decoded frame."""
        return fit(image, self.crop, self.size, f"--driving {self.path}, frame {number}")

    def load(self, number: int) -> np.ndarray | DataError:
        """Return a frame, or the error if it is unreadable."""
        return _shown([self], number)[0]


def batches(views: Sequence[View], count: int, size: int) -> Iterator[dict[int, Batch]]:
    """Yield batches of `size` from the first `count` frames, by the frame size of each view; decode each frame once."""
    numbers = iter(range(count))
    while chosen := list(islice(numbers, size)):
        shown = [_shown(views, number) for number in chosen]
        yield {view.size: list(zip(chosen, frames)) for view, frames in zip(views, zip(*shown))}


def _shown(views: Sequence[View], number: int) -> list[np.ndarray | DataError]:
    """Return one driving frame for each view, or the error if it is unreadable."""
    try:
        image = views[0].driving.frame(number)
    except DataError as error:
        return [error] * len(views)
    shown: list[np.ndarray | DataError] = []
    for view in views:
        try:
            shown.append(view.of(image, number))
        except DataError as error:
            shown.append(error)
    return shown


@dataclass(frozen=True)
class Scene:
    """One model with its photograph and driving video, and the progress so far.

    label: of the model. weights: note about its weights, or "".
    """

    label: str
    weights: str
    predictor: Predictor
    mode: MotionMode
    source: Tensor
    view: View
    anchor: Tensor
    device: torch.device
    seed: int
    tally: Tally = field(default_factory=Tally)

    @property
    def side(self) -> int:
        """Return the size of the model's output frames."""
        return self.predictor.output_size or self.view.size


def predict(scene: Scene, batch: Batch) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Return index, driving frame and result of each, uint8 ``(S, S, 3)``; failures are gray and counted in the tally.

    S: `View.size` of the driving frame, `Scene.side` of the result.
    """
    tally = scene.tally
    readable = [(number, frame) for number, frame in batch if not isinstance(frame, DataError)]
    start = time.perf_counter()
    made = dict(zip((number for number, _ in readable), _ask(scene, readable)))
    tally.model_seconds += time.perf_counter() - start
    rows = []
    for number, frame in batch:
        outcome = str(frame) if isinstance(frame, DataError) else made[number]
        if isinstance(outcome, str):
            tally.failed[number] = outcome
        unread = gray((scene.view.size, scene.view.size), number)
        shown = unread if isinstance(frame, DataError) else as_bytes(frame)
        rows.append((number, shown, gray((scene.side, scene.side), number) if isinstance(outcome, str) else outcome))
    return rows


def _ask(scene: Scene, frames: Sequence[tuple[int, np.ndarray]]) -> list[np.ndarray | str]:
    """Return the model's frames, or reasons for missing ones. A batch that fails is retried frame by frame."""
    if not frames:
        return []
    n, ids = len(frames), tuple(pair_name(number) for number, _ in frames)
    batch = PairBatch(
        ids=ids,
        source=scene.source.repeat(n, 1, 1, 1),
        driving=as_tensor([frame for _, frame in frames], scene.device),
        anchor=scene.anchor.repeat(n, 1, 1, 1),
        seeds=tuple(pair_seed(scene.seed, name) for name in ids),
        info=tuple({"frame": number} for number, _ in frames),
    )
    try:
        with torch.inference_mode():
            return generate(scene.predictor, batch, scene.mode, scene.predictor.name, as_made=True)
    except ModelError:
        raise
    except FAILURES as error:  # a model may fail in any way; the video continues without this frame
        if device_broken(error):
            raise Stopped(
                f"{scene.predictor.name}: the device failed ({first_line(error)})", code="device-failed"
            ) from None
        if n > 1:
            return [outcome for frame in frames for outcome in _ask(scene, [frame])]
        return [typed_line(error)]


def gray(size: tuple[int, int], number: int) -> np.ndarray:
    """Return a placeholder for a missing frame, uint8 ``(height, width, 3)``. size: (height, width)."""
    height, width = size
    image = Image.new("RGB", (width, height), (128, 128, 128))
    font = ImageFont.load_default(min(size) / 12)
    draw = ImageDraw.Draw(image)
    draw.text((width / 2, height / 2), f"no frame\n{number}", (255, 255, 255), font, anchor="mm", align="center")
    return np.asarray(image)


def as_bytes(image: np.ndarray) -> np.ndarray:
    """Round floats in [0, 1] to uint8 of the same shape."""
    return to_levels(torch.from_numpy(image)).numpy()


def as_tensor(images: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """Stack N images, float32 ``(H, W, 3)``, to ``(N, 3, H, W)``."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous().to(device)


def pair_name(number: int) -> str:
    """Return the pair id of a driving frame; ids sort like numbers."""
    return f"{number:07d}"
