"""`python -m bench export-weights`: convert a checkpoint to the authors' layout, or to safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import terminal


def export_weights(
    source: Annotated[Path, typer.Argument(help="A checkpoint, trained here or published by the authors.")],
    target: Annotated[
        Path, typer.Argument(help="File to write: .pth.tar or .pth (the authors' layout), or .safetensors.")
    ],
    model: Annotated[str | None, typer.Option(help="Model name; default: read from the file.")] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Store kernels as float16 (half the size); they are loaded as float32.")
    ] = False,
) -> None:
    """Convert a checkpoint to the authors' layout, or to safetensors that contain the configuration."""
    from bench.weights.export import export

    for file in export(source, target, model, half):
        terminal().print(str(file), soft_wrap=True, markup=False, highlight=False)
