"""`python -m bench inspect`: draw keypoints, flow, occlusion and memory of networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from baselines.spec import split_names
from bench.cli.options import choice
from bench.cli.output import terminal
from bench.runtime import config
from bench.runtime.errors import UserError


def inspect(
    models: Annotated[
        str | None,
        typer.Option(help="Names from `list models`, comma-separated; default with --run: all of the run's."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures and the page that shows them.")] = None,
    run: Annotated[Path | None, typer.Option(help="Run that provides the pairs; its report links to the page.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="With --run: number of pairs, from those with saved pictures; default: 3.")
    ] = None,
    source: Annotated[Path | None, typer.Option(help="The photograph; default: a frame of the sample set.")] = None,
    driving: Annotated[
        Path | None, typer.Option(help="A video, a folder of frames or one image; default: a clip of the sample set.")
    ] = None,
    frame: Annotated[
        int | None, typer.Option(min=0, help="Index of the driving frame; default: the middle one.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Only `sample`, the default without --source and --driving.")] = None,
    clip: Annotated[str | None, typer.Option(help="Clip of the sample set; default: the first test clip.")] = None,
    squeeze: Annotated[
        str | None,
        typer.Option(help="Change the scale: factors for the driving frame's height and width, such as 0.7,1.0."),
    ] = None,
    mode: Annotated[str | None, typer.Option(help="Motion mode; default: the model's first.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Folder with official checkpoints.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1; default: a GPU if there is one.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed for noise in models; default: 0.")] = None,
) -> None:
    """Draw what networks compute for a frame: keypoints, flow, occlusion, scale and memory."""
    from bench.inspection.input import InspectSettings, inspect_models, inspect_run
    from bench.run.command import redraw
    from bench.runtime.device import choose
    from protocols.protocol import MODES

    names = split_names(models or "")
    if run is not None:
        if source or driving or clip or mode or squeeze or data or frame is not None or seed is not None:
            raise UserError(
                "--run sets the frames: remove --source, --driving, --clip, --mode, --squeeze, --data, --frame, --seed",
                code="unused-option",
            )
        page = inspect_run(run, names, limit or 3, config.load((), weights).weights, choose(device), out)
        redraw(run)
        terminal().print(f"page: {page}", soft_wrap=True, markup=False)
        return
    if out is None:
        raise UserError("give --out, or --run", code="missing-option")
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out}: is a file; give a folder", code="unwritable-file")
    motion = choice("--mode", mode, MODES) if mode else None
    if (source is None) != (driving is None):
        raise UserError("give both --source and --driving, or neither", code="missing-option")
    if limit is not None:
        raise UserError("--limit needs --run", code="unused-option")
    if source is not None and (data or clip):
        raise UserError(
            "--data and --clip are for the sample set: remove them, or --source and --driving", code="unused-option"
        )
    if source is None and data not in (None, "sample"):
        raise UserError(f"--data {data}: give `sample`; for other frames use --source and --driving", code="bad-value")
    factors = parse_squeeze(squeeze) if squeeze else None
    chosen = InspectSettings(source, driving, clip=clip, frame=frame, squeeze=factors, mode=motion, seed=seed or 0)
    page = inspect_models(names, chosen, config.load((), weights).weights, choose(device), out)
    terminal().print(f"page: {page}", soft_wrap=True, markup=False)


def parse_squeeze(text: str) -> tuple[float, float]:
    """Parse ``0.7,1.0``: factors between 0.1 and 10. Raises UserError for anything else."""
    try:
        height, width = (float(part) for part in text.split(","))
    except ValueError:
        height = width = 0.0
    if not (0.1 <= height <= 10 and 0.1 <= width <= 10):
        raise UserError(
            f"--squeeze {text}: give two factors between 0.1 and 10, height first: 0.7,1.0", code="bad-value"
        )
    return height, width
