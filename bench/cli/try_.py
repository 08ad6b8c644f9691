"""`python -m bench try`: run a model on two pairs, to check it during development."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import Data, Links, Weights
from bench.cli.output import terminal
from bench.runtime import config
from bench.runtime.errors import UserError


def try_(
    model: Annotated[
        str,
        typer.Argument(help="A model: a name from `list models`, path/to/file.py:Class, frames:DIR or cmd:COMMAND."),
    ],
    protocol: Annotated[
        str | None,
        typer.Option(help="Evaluation protocol; default: vox1-sameid on the sample set, own-sameid with --data."),
    ] = None,
    data: Data = None,
    follow_links: Links = None,
    mode: Annotated[str | None, typer.Option(help="Motion mode; default: the protocol's.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1; default: a GPU if there is one.")] = None,
    weights: Weights = None,
    out: Annotated[Path | None, typer.Option(help="PNG to write; default: try-<model>.png.")] = None,
) -> None:
    """Run a model on two pairs: report shapes, value range, speed and a picture, or why a run would refuse it."""
    from bench.runtime.device import choose
    from bench.trial.command import Trial, attempt
    from protocols.protocol import MODES

    motion = next((one for one in MODES if one == mode), None)
    if mode and motion is None:
        raise UserError(f"--mode {mode}: choose one of {', '.join(MODES)}", code="unknown-choice")
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise UserError(
            f"--out {out}: {'is a folder; give a file' if out.is_dir() else 'its folder does not exist'}",
            code="unwritable-file",
        )
    settings = config.load(data or (), weights, follow_links=follow_links)
    if attempt(Trial(model, settings, choose(device), protocol, motion, out), terminal()):
        raise typer.Exit(1)
