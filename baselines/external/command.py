"""An external program as a model: it gets a folder with a batch of pairs and writes an image for each."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from baselines.external.frames_folder import file_name, read_frame
from baselines.external.process import Program, ProgramError
from baselines.levels import to_levels
from baselines.predictor import ModelError, MotionMode, PairBatch, Predictor, TimeLimit
from protocols.errors import DataError
from protocols.protocol import MODES

_COLUMNS = ("pair", "source", "driving", "anchor", "mode", "seed", "info")


class CommandPredictor(Predictor):
    """Call `command` once per batch, without a shell.

    The program reads ``pairs.csv`` (pair, source, driving, anchor, mode, seed, info as JSON; paths relative to the
    file), which is beside the folders of PNG images, and writes ``<out>/<pair id>.png``. ``{pairs}`` and ``{out}`` in
    the command become the paths of the CSV file and of the folder; both are appended to a command with neither. A pair
    without an image is NaN. The program does not get target frames. After the time limit of `Program`, images that
    were written in time are used.
    """

    name = "cmd"
    motion_modes = MODES

    def __init__(self, command: str):
        self.program = Program(command, ("{pairs}", "{out}"))
        self._others: list[str] = []  # files of the last call that belong to no pair

    def expect(self, ids: Sequence[str]) -> None:
        for pair in ids:
            file_name(pair)

    def predict(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        """Return the program's frames. Raises TimeLimit, and ProgramError if it fails or writes another frame size."""
        self.expect(batch.ids)
        with tempfile.TemporaryDirectory(prefix="talking-head-bench-") as temporary:
            folder = Path(temporary)
            out = folder / "out"
            out.mkdir()
            late = self.program.call({"{pairs}": _write(batch, mode, folder), "{out}": out}, folder)
            frames = torch.full_like(batch.source, torch.nan)
            for i, pair in enumerate(batch.ids):
                file = out / f"{pair}.png"
                if file.is_file():
                    try:
                        frames[i] = read_frame(file, batch.source[i]).to(frames)
                    except (ModelError, DataError) as error:  # only this pair fails, not the run
                        if late:  # the program was ended while writing
                            continue
                        # without the temporary folder, so that equal runs have equal tables
                        raise ProgramError(str(error).replace(f"{folder}{os.sep}", ""), code=error.code) from None
            if late:
                raise TimeLimit(late, frames)
            expected = {f"{pair}.png" for pair in batch.ids}
            self._others = sorted(file.name for file in out.iterdir() if file.name not in expected)
            return frames

    def why_missing(self, pair: str) -> str:
        other = next((name for name in self._others if Path(name).stem == pair), next(iter(self._others), None))
        return f"{self.program.name} wrote no out/{pair}.png" + (f" (but out/{other})" if other else "")

    def describe(self) -> dict[str, Any]:
        return {"sample_weights": False, "weights_file": None, "weights_sha256": None, "command": self.program.command}


def _write(batch: PairBatch, mode: MotionMode, folder: Path) -> Path:
    """Write images and list of a batch; return the list."""
    pairs = folder / "pairs.csv"
    roles = [role for role in ("source", "driving", "anchor") if getattr(batch, role) is not None]
    for role in roles:
        (folder / role).mkdir()
        images = to_levels(getattr(batch, role)).permute(0, 2, 3, 1).cpu().numpy()
        for pair, image in zip(batch.ids, images):
            Image.fromarray(image).save(folder / role / f"{pair}.png", compress_level=1)
    with pairs.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.DictWriter(stream, _COLUMNS, restval="")
        rows.writeheader()
        for i, pair in enumerate(batch.ids):
            row: dict[str, Any] = {"pair": pair, "mode": mode} | {role: f"{role}/{pair}.png" for role in roles}
            row["seed"] = batch.seeds[i] if batch.seeds else ""
            row["info"] = json.dumps(dict(batch.info[i])) if batch.info else "{}"
            rows.writerow(row)
    return pairs
