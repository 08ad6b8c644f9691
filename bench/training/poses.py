"""Head poses of training frames by the harness's own detector, as the table that `train --poses` takes."""

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
    """A row for every frame in which a face is found; the others are counted, and left out.

    data: folder of clips, or ``sample``; out: ``.parquet`` or ``.csv``. The detector is the embedded one, whose axes
    and signs `baselines.training.poses` is written for. Detections are kept in the cache: re-run, it resumes.
    Raises UserError or ModelError for what the user can mend.
    """
    if out.suffix.lower() not in (".parquet", ".csv"):
        raise UserError(f"--out {out}: give a name that ends in .parquet or .csv", code="bad-value")
    files.place(out)  # refuses what is no file before the work, not after it
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
        raise UserError(f"--data {data}: no face was found in {count} frames", code="no-face")
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
    """Up to `size` frames of one clip and one shape at a time: its name, theirs, pixels ``(N, H, W, 3)``."""
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
