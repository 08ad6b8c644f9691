"""`python -m bench export-weights`: a checkpoint in the authors' layout, or theirs as safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import terminal


def export_weights(
    source: Annotated[Path, typer.Argument(help="A checkpoint, of this project or of the authors.")],
    target: Annotated[Path, typer.Argument(help="FILE.pth.tar or FILE.pth: the authors' layout; FILE.safetensors.")],
    model: Annotated[str | None, typer.Option(help="Model name; default: read from the file.")] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Store kernels as float16, half the size. They are used as float32.")
    ] = False,
) -> None:
    """Convert a checkpoint to the official layout, or to safetensors with its configuration inside."""
    from bench.weights.export import export

    for file in export(source, target, model, half):
        terminal().print(str(file), soft_wrap=True, markup=False, highlight=False)
