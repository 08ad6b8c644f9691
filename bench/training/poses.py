"""Compute head poses of training frames with the embedded detector, as a table for `train --poses`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from baselines.training import clips
from baselines.training.poses import COLUMNS
from bench import detectors
from bench.detectors import guard
from bench.runtime.config import cache_folder
from bench.runtime.errors import UserError
from bench.training.command import data_folder
from protocols import files, interruption

BATCH = 32


def write(data: str, out: Path, console: Console) -> None:
    """Write a table with a row for every frame with a face, and print the number of the others.

    data: folder of clips, or ``sample``; out: ``.parquet`` or ``.csv``. `baselines.training.poses` needs the axes and
    signs of the embedded detector. Detections are cached, so that a second call resumes.
    Raises UserError or ModelError for what the user can fix.
    """
    if out.suffix.lower() not in (".parquet", ".csv"):
        raise UserError(f"--out {out}: the name must end in .parquet or .csv", code="bad-value")
    files.place(out)  # refuse a bad path before the work
    root, chosen = data_folder(data)
    detector = detectors.choose("embedded", None, kinds={"headpose"}, cache=cache_folder())["headpose"]
    rows, count = [], 0
    for clip, names, frames in track(batches(clips.each_frame(root, chosen)), "head poses", console=console):
        interruption.check()
        count += len(names)
        for name, found in zip(names, guard.detect(detector, frames)):
            if found.values is not None:
                pitch, yaw, roll = found.values
                rows.append((clip, name, yaw, pitch, roll))
    if not rows:
        raise UserError(f"--data {data}: no face found in {count} frames", code="no-face")
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    with files.replacing(out) as temporary:
        if out.suffix.lower() == ".csv":
            table.to_csv(temporary, index=False)
        else:
            table.to_parquet(temporary, index=False)
    console.print(f"{len(rows)} of {count} frames have a head pose: {out}", soft_wrap=True, markup=False)


def batches(
    frames: Iterable[tuple[str, str, np.ndarray]], size: int = BATCH
) -> Iterator[tuple[str, list[str], np.ndarray]]:
    """Yield batches of one clip and one shape: clip, frame names, pixels ``(N, H, W, 3)`` with N up to `size`."""
    clip = ""
    names: list[str] = []
    pixels: list[np.ndarray] = []
    for name, frame, image in frames:
        if pixels and (name != clip or len(pixels) == size or image.shape != pixels[0].shape):
            yield clip, names, np.stack(pixels)
            names, pixels = [], []
        clip = name
        names.append(frame)
        pixels.append(image)
    if pixels:
        yield clip, names, np.stack(pixels)
