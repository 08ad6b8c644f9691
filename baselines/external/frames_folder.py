"""Finished frames as a model: a folder with one image per pair."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.levels import from_levels
from baselines.predictor import ModelError, MotionMode, PairBatch, Predictor
from protocols.images import read_rgb
from protocols.protocol import MODES

SUFFIXES = (".png", ".jpg", ".jpeg")
MAPPING = "pairs.csv"


class FramesFolder(Predictor):
    """Read ``<pair id>.png`` (or .jpg), or the files in the folder's ``pairs.csv`` (columns pair, file) if it has one.

    A ``pairs.csv`` that is a frozen pair list names no files; it is the list that the frames were made for. A pair
    without a file is NaN. Every motion mode is accepted, since only the user knows the mode of the frames.
    """

    name = "frames"
    motion_modes = MODES
    driven_by = None

    def __init__(self, folder: Path):
        self.folder = folder.expanduser()
        if not self.folder.is_dir():
            raise ModelError(f"frames:{folder}: no such folder", code="missing-folder")
        mapping = self.folder / MAPPING
        self.mapping = mapping if mapping.is_file() and not is_frozen_list(mapping) else None
        self.files = _read_mapping(mapping) if self.mapping else _images(self.folder)
        if not any(file.is_file() for file in self.files.values()):
            raise ModelError(
                f"frames:{folder}: no PNG or JPEG images; expected one per pair, <pair id>.png",
                code="missing-frames",
            )

    def expect(self, ids: Sequence[str]) -> None:
        if ids and not any(pair in self.files for pair in ids):
            raise ModelError(
                f"frames:{self.folder} has a frame for none of the {len(ids)} pairs: expected {ids[0]}.png, "
                f"found {next(iter(self.files))}",
                code="missing-frames",
            )

    def predict(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        """Return the frames. Raises ModelError for another size than the source's, DataError for an unreadable one."""
        frames = torch.full_like(batch.source, torch.nan)
        for i, pair in enumerate(batch.ids):
            file = self.files.get(pair)
            if file is not None and file.is_file():
                frames[i] = read_frame(file, batch.source[i]).to(frames)
        return frames

    def why_missing(self, pair: str) -> str:
        if not self.mapping:
            return f"{self.folder / f'{pair}.png'} is missing"
        if pair not in self.files:
            return f"{self.mapping} has no row for this pair"
        return f"{self.files[pair]}, named in {MAPPING}, is missing"

    def describe(self) -> dict[str, Any]:
        lossy = sum(file.suffix.lower() != ".png" and file.is_file() for file in self.files.values())
        return {
            "sample_weights": False,
            "weights_file": None,
            "weights_sha256": None,
            "folder": str(self.folder),
            "frames": len(self.files),
            "frames_sha256": self._content(),
        } | ({"jpeg_frames": lossy} if lossy else {})

    def _content(self) -> str:
        """Return the SHA-256 over names and contents of all frames: changed frames are another run."""
        digest = hashlib.sha256()
        for pair, file in sorted(self.files.items()):
            if file.is_file():
                digest.update(pair.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()


def read_frame(file: Path, like: Tensor) -> Tensor:
    """Return an image file, ``(3, H, W)`` in [0, 1]. Raises ModelError for another size than `like` ``(3, H, W)``."""
    image = read_rgb(file)
    height, width = like.shape[1:]
    if image.shape[:2] != (height, width):
        raise ModelError(
            f"{file} is {image.shape[1]}x{image.shape[0]}, the source frame {width}x{height}", code="frame-size"
        )
    return from_levels(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))))


def is_frozen_list(file: Path) -> bool:
    """Return whether a ``pairs.csv`` is a frozen pair list, as written by a run, not a list of files."""
    try:
        with file.open("rb") as stream:
            return stream.read(1) == b"#"
    except OSError:
        return False


def file_name(pair: str) -> str:
    """Return a pair's id as a file name. Raises ModelError if it is empty or has a path separator."""
    if not pair or pair in (".", "..") or any(character in pair for character in "/\\\0"):
        raise ModelError(f"pair id {pair!r} cannot be a file name", code="bad-name")
    return pair


def _images(folder: Path) -> dict[str, Path]:
    """Return images by stem; a PNG has priority over a JPEG of the same name."""
    files: dict[str, Path] = {}
    for suffix in reversed(SUFFIXES):
        files |= {file.stem: file for file in folder.iterdir() if file.suffix.lower() == suffix}
    return files


def _read_mapping(mapping: Path) -> dict[str, Path]:
    try:
        with mapping.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream, restval="")
            if not {"pair", "file"} <= set(rows.fieldnames or ()):
                raise ModelError(f"{mapping} needs the columns pair and file", code="missing-column")
            files: dict[str, Path] = {}
            for row in rows:
                if row["pair"] in files:
                    raise ModelError(f"{mapping} names two files for the pair {row['pair']}", code="duplicate-pair")
                files[row["pair"]] = mapping.parent / row["file"]
            return files
    except (UnicodeDecodeError, csv.Error) as error:
        raise ModelError(f"{mapping} cannot be read: {error}", code="unreadable-file") from None
