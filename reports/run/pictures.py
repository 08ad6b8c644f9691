"""Pictures of a run, small enough to embed in one HTML file."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from protocols.names import safe_name
from reports.run.choose import ROLES

BUDGET = 4_000_000  # characters of all data URIs together
# pairs per role, side in pixels, WebP quality: the first that fits the budget, else the last
LADDER = ((2, 224, 82), (2, 160, 78), (2, 112, 75), (1, 112, 70), (1, 72, 60))
FULL_SCALE = 0.4  # absolute difference (of 1) shown in the brightest color
DIFFERENCE_MAP = "magma"


@dataclass(frozen=True)
class Output:
    """A model's output for a pair. image, difference: data URIs, or None."""

    model: str
    image: str | None
    difference: str | None


@dataclass(frozen=True)
class PictureRow:
    """One pair in pictures. role: its first role. labels: (role, model) for each of its roles."""

    pair: str
    role: str
    labels: tuple[tuple[str, str], ...]
    inputs: Mapping[str, str]
    outputs: tuple[Output, ...]

    def stacks(self, source: str = "source") -> list[list[tuple[tuple[str, ...], str]]]:
        """Return the inputs of a strip: columns of (names, image), two images high if outputs have differences below.

        A picture with two roles (the driving frame is also the target) appears once, under both names.
        source: the name of the source.
        """
        names: dict[str, list[str]] = {}
        for role, image in self.inputs.items():
            names.setdefault(image, []).append(source if role == "source" else role)
        shown = [(tuple(roles), image) for image, roles in names.items()]
        high = 2 if any(output.difference for output in self.outputs) else 1
        return [shown[k : k + high] for k in range(0, len(shown), high)]


def picture_rows(
    run: Path, roles: Mapping[str, Mapping[str, Sequence[str]]], models: Sequence[str]
) -> list[PictureRow]:
    """Return rows for the pairs in `roles` (see `reports.run.choose.picture_roles`), best first, within the budget."""
    read = cache(read_picture)  # every step of the ladder uses the same frames
    for k, side, quality in LADDER:
        labels: dict[str, list[tuple[str, str]]] = {}
        for role in ROLES:
            for model, chosen in roles.items():
                for pair in chosen[role][:k]:
                    labels.setdefault(pair, []).append((role, model))
        rows = [_row(run / "pictures", read, pair, found, models, side, quality) for pair, found in labels.items()]
        if sum(map(_size, rows)) <= BUDGET:
            break
    return rows


def difference(output: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the absolute difference of two uint8 frames ``(H, W, 3)``, mean over channels, as a uint8 color map."""
    distance = np.abs(output.astype(np.int16) - target).mean(2) / 255
    level = np.clip(distance / FULL_SCALE, 0, 1)
    return (matplotlib.colormaps[DIFFERENCE_MAP](level)[..., :3] * 255).round().astype(np.uint8)


def color_bar(width: int = 160, height: int = 8) -> str:
    """Return the color scale of `difference`, from 0 to `FULL_SCALE`, as a data URI."""
    colors = matplotlib.colormaps[DIFFERENCE_MAP](np.linspace(0, 1, width))[:, :3]
    return data_uri(np.tile((colors * 255).round().astype(np.uint8), (height, 1, 1)), width, 90)


def _row(
    pictures: Path,
    read: Callable[[Path], np.ndarray | None],
    pair: str,
    labels: Sequence[tuple[str, str]],
    models: Sequence[str],
    side: int,
    quality: int,
) -> PictureRow:
    frames = {role: read(pictures / f"_{role}" / f"{pair}.png") for role in ("source", "driving", "target")}
    target = frames["target"]
    outputs = []
    for model in models:
        frame = read(pictures / safe_name(model) / f"{pair}.png")
        shown = None if frame is None else data_uri(frame, side, quality)
        apart = None
        if frame is not None and target is not None and frame.shape == target.shape:
            apart = data_uri(difference(frame, target), side, quality)
        outputs.append(Output(model, shown, apart))
    inputs = {role: data_uri(frame, side, quality) for role, frame in frames.items() if frame is not None}
    return PictureRow(pair, labels[0][0], tuple(labels), inputs, tuple(outputs))


def read_picture(file: Path) -> np.ndarray | None:
    """Return a picture of the run; None if it is missing or damaged."""
    if not file.is_file():
        return None
    try:
        with Image.open(file, formats=("PNG",)) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def data_uri(pixels: np.ndarray, side: int, quality: int) -> str:
    """Return a frame as WebP, at most `side` pixels wide and high."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _size(row: PictureRow) -> int:
    made = [uri for output in row.outputs for uri in (output.image, output.difference)]
    return sum(len(uri) for uri in [*row.inputs.values(), *made] if uri)
