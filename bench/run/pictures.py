"""Keep frames in a run's folder: those that its report shows, and all with ``--save-frames``."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from bench.run import frames_list
from bench.run.batches import decoded
from bench.rundir.directory import RunDirectory
from bench.rundir.encoding import to_png
from bench.rundir.whole import write_png
from protocols.names import safe_name
from protocols.pairs import Pair
from protocols.resolve import Resolved
from reports.run import choose
from reports.schema.manifest import Complete


def shown_frames(pairs: Sequence[Pair]) -> dict[str, Pair]:
    """Return the frame that represents each clip, by the clip's id: the middle one of the requested frames."""
    by_clip = {name: tuple(own) for name, own in groupby(pairs, key=lambda pair: pair.clip) if name}
    return {name: own[len(own) // 2] for name, own in by_clip.items()}


def keep(
    directory: RunDirectory,
    manifest: Complete,
    samples: pd.DataFrame,
    resolved: Resolved,
    kept: Mapping[str, Collection[str]],
    save_frames: bool,
) -> None:
    """Copy the frames that the report shows, and all frames if `save_frames`.

    kept: by model, the pairs and clips with a frame of this run; a killed start may have left others.
    """
    pairs = {pair.id: pair for pair in resolved.pair_list.pairs}
    shown = pairs | shown_frames(resolved.pair_list.pairs)
    labels = manifest.labels

    def copy(label: str, pair: str, folder: Path) -> None:
        if pair in kept.get(label, ()):
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(directory.frame_file(label, pair), folder / f"{pair}.png")

    for pair in choose.picture_pairs(samples, manifest):
        frames = decoded(resolved.load, shown[pair])
        for role in ("source", "driving", "target"):
            if (frame := getattr(frames, role)) is not None:
                write_png(directory.path / "pictures" / f"_{role}" / f"{pair}.png", to_png(frame))
        for label in labels:
            copy(label, pair, directory.path / "pictures" / safe_name(label))
    if save_frames:
        for label in labels:
            folder = directory.path / "frames" / safe_name(label)
            for pair in pairs:
                copy(label, pair, folder)
            if folder.is_dir():
                facts: dict[str, Any] = {
                    "protocol": manifest.protocol.name,
                    "model": label,
                    "run": manifest.fingerprint,
                }
                facts |= {"mode": manifest.model(label).mode, **frames_list.inputs(resolved).content()}
                about = frames_list.content(resolved.pair_list, **facts)
                directory.write_json(f"frames/{folder.name}/{frames_list.NAME}", about)
