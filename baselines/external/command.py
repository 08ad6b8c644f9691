"""An outside program as a model: it gets a folder with a batch of pairs and writes one image for each."""

from __future__ import annotations

import contextlib
import csv
import errno
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from baselines.external.frames_folder import file_name, read_frame
from baselines.levels import to_levels
from baselines.predictor import ModelError, MotionMode, PairBatch, Predictor, TimeLimit
from protocols import interruption
from protocols.errors import BenchError, DataError
from protocols.protocol import MODES

TIMEOUT = "TALKING_HEAD_BENCH_CMD_TIMEOUT"
_DEFAULT_SECONDS = 1800.0
_LONGEST = 500  # characters of a program's last words
_COLUMNS = ("pair", "source", "driving", "anchor", "mode", "seed", "info")


class ProgramError(BenchError):
    """The program failed. No RuntimeError: what a program says of its device is nothing about this process's."""

    code = "program-failed"


class CommandPredictor(Predictor):
    """Calls `command` once a batch, without a shell.

    It finds ``pairs.csv`` (pair, source, driving, anchor, mode, seed, info as JSON; paths relative to the file) beside
    the folders of PNG images, and writes ``<out>/<pair id>.png``. ``{pairs}`` and ``{out}`` in the command become the
    paths of the CSV file and of the folder; a command that has neither gets both appended. A pair without an image is
    NaN. Target frames are not handed out. A batch may take `TIMEOUT` seconds (environment; 1800 if unset); what
    is there by then counts.
    """

    name = "cmd"
    motion_modes = MODES

    def __init__(self, command: str):
        self.command = command
        try:
            self.arguments = shlex.split(command)
        except ValueError as error:
            raise ModelError(f"cmd:{command}: {str(error).lower()}", code="bad-value") from None
        if shutil.which(self.arguments[0]) is None:
            raise ModelError(
                f"cmd:{command}: program {self.arguments[0]} is not found or may not be run", code="program-not-found"
            )
        if not any("{pairs}" in argument or "{out}" in argument for argument in self.arguments):
            self.arguments += ["{pairs}", "{out}"]
        self.seconds = _seconds()
        self._others: list[str] = []  # what the last call wrote that is no pair's

    def expect(self, ids: Sequence[str]) -> None:
        for pair in ids:
            file_name(pair)

    def predict(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        """Raises TimeLimit, and ProgramError where the program fails or writes frames of another size."""
        self.expect(batch.ids)
        with tempfile.TemporaryDirectory(prefix="talking-head-bench-") as temporary:
            folder = Path(temporary)
            out = folder / "out"
            out.mkdir()
            late = self._call(_write(batch, mode, folder), out)
            frames = torch.full_like(batch.source, torch.nan)
            for i, pair in enumerate(batch.ids):
                file = out / f"{pair}.png"
                if file.is_file():
                    try:
                        frames[i] = read_frame(file, batch.source[i]).to(frames)
                    except (ModelError, DataError) as error:  # this pair's own failure, not the whole run's
                        if late:  # ended while it was writing
                            continue
                        # without the folder, whose name is another one each time: equal runs have equal tables
                        raise ProgramError(str(error).replace(f"{folder}{os.sep}", ""), code=error.code) from None
            if late:
                raise TimeLimit(late, frames)
            expected = {f"{pair}.png" for pair in batch.ids}
            self._others = sorted(file.name for file in out.iterdir() if file.name not in expected)
            return frames

    def why_missing(self, pair: str) -> str:
        other = next((name for name in self._others if Path(name).stem == pair), next(iter(self._others), None))
        return f"{self.arguments[0]} wrote no out/{pair}.png" + (f" (but out/{other})" if other else "")

    def _call(self, pairs: Path, out: Path) -> str | None:
        """What to say where the program took too long."""
        arguments = [a.replace("{pairs}", str(pairs)).replace("{out}", str(out)) for a in self.arguments]
        log = pairs.with_name("stderr.txt")
        with log.open("wb") as stderr:
            # A session of its own, so that what the program started ends with it; files instead of pipes, so that
            # nobody waits for what it left behind.
            try:
                process = subprocess.Popen(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    start_new_session=True,
                )
            except (FileNotFoundError, PermissionError) as error:  # of its interpreter, too
                raise ModelError(
                    f"cmd:{self.command}: cannot be run ({error.strerror})", code="program-not-found"
                ) from None
            except OSError as error:
                if error.errno not in (errno.ENOEXEC, errno.E2BIG):
                    raise
                raise ModelError(
                    f"cmd:{self.command}: cannot be run ({error.strerror})", code="program-not-found"
                ) from None
            try:
                code = interruption.exit_code(process, self.seconds)
            except subprocess.TimeoutExpired:
                return f"{self.arguments[0]} took longer than {self.seconds:g} s ({TIMEOUT})"
            finally:
                _end(process)
        if code:
            said = _last_line(log).replace(f"{pairs.parent}{os.sep}", "")
            raise ProgramError(f"{self.arguments[0]} ended with code {code}: {said or 'no message'}")
        return None

    def describe(self) -> dict[str, Any]:
        return {"sample_weights": False, "weights_file": None, "weights_sha256": None, "command": self.command}


def _write(batch: PairBatch, mode: MotionMode, folder: Path) -> Path:
    """Write images and list of a batch; returns the list."""
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


def _last_line(log: Path) -> str:
    """The last line of a text of any length, or its end."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4 * _LONGEST))
        lines = stream.read().decode(errors="replace").strip().splitlines()
    return lines[-1][-_LONGEST:] if lines else ""


def _end(process: subprocess.Popen) -> None:
    """End the program's whole group, also after its own end: it may have left others behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _seconds() -> float:
    text = os.environ.get(TIMEOUT, "")
    try:
        seconds = float(text) if text else _DEFAULT_SECONDS
    except ValueError:
        seconds = -1.0
    if not seconds > 0:
        raise ModelError(f"{TIMEOUT} must be a number of seconds above 0, not {text}", code="bad-value")
    return seconds
