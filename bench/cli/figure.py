"""`python -m bench figure`: draw figures for papers from runs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from baselines.spec import split_names
from bench.cli.options import Weights, choice, metric_names
from bench.cli.output import terminal
from bench.runtime.errors import UserError

if TYPE_CHECKING:
    from reports.figure.grid import Box

GRID, CURVE, MEMORY, WHICH = "Comparison grids", "Curves and scatters", "Memories", "Models and pairs"
LOOK, AGAIN = "Look", "Computing frames again"


def figure(
    run: Annotated[
        list[Path] | None, typer.Argument(help="Folder of a run; with --published several, or none.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Figure to write: .pdf, .png or .svg; the caption is written next to it.")
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option(
            help="A row per pair (pairs; default), per model (models), or per picture over --frames (time).",
            rich_help_panel=GRID,
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated. Of the pair: source, driving, anchor, truth. Of every model: prediction (or "
            "models), error, rectified, keypoints, source-keypoints, flow, warped, occlusion, depth, memory. Of one "
            "model: error:NAME.",
            rich_help_panel=GRID,
        ),
    ] = None,
    zoom: Annotated[
        list[str] | None,
        typer.Option(
            help="Box to magnify: x,y,width,height in pixels of the frame; give it twice for two.", rich_help_panel=GRID
        ),
    ] = None,
    error_range: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1,
            help="Error at the end of the error maps' color scale, in (0, 1]; default: 0.4.",
            rich_help_panel=GRID,
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(help="Draw the memory: meta, or conditioned (on the source of a pair).", rich_help_panel=MEMORY),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of channels to draw, those with the largest variance first; default: all.",
            rich_help_panel=MEMORY,
        ),
    ] = None,
    curve: Annotated[
        str | None,
        typer.Option(help="Draw a metric against the difficulty of pairs: scale or pose.", rich_help_panel=CURVE),
    ] = None,
    bins: Annotated[
        int | None,
        typer.Option(min=2, help="Number of bins, with equal numbers of pairs; default: 6.", rich_help_panel=CURVE),
    ] = None,
    published: Annotated[
        str | None,
        typer.Option(help="Draw the numbers printed in the papers: psnr-l1, ssim-l1 or both.", rich_help_panel=CURVE),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(help="Models, comma-separated; default: all of the run except bounds.", rich_help_panel=WHICH),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of a model in the figure, NAME=TEXT (repeatable); default: its title.", rich_help_panel=WHICH
        ),
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option("--pairs", "--clips", help="Ids of pairs or clips, comma-separated.", rich_help_panel=WHICH),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(min=1, help="Frames of each clip, evenly from the first to the last.", rich_help_panel=WHICH),
    ] = None,
    frame: Annotated[
        str | None,
        typer.Option(
            help="Numbers of each clip's frames, from 0, comma-separated; default: the middle frame.",
            rich_help_panel=WHICH,
        ),
    ] = None,
    pick: Annotated[
        str | None,
        typer.Option(help="Choose pairs by --metric: best, median, worst or spread (default).", rich_help_panel=WHICH),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Number of pairs to pick; default: 4, or all if fewer.", rich_help_panel=WHICH),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            "--metrics",
            help="Metric for --pick, or metrics for --curve; default: the one that picks the report's pictures.",
            rich_help_panel=WHICH,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed for --pick spread; default: 0.", rich_help_panel=WHICH)
    ] = None,
    width: Annotated[
        str,
        typer.Option(help="text (6.875 inches), column (3.25 inches), or a number of inches.", rich_help_panel=LOOK),
    ] = "text",
    font_size: Annotated[float, typer.Option(min=4, max=24, help="Font size in points.", rich_help_panel=LOOK)] = 8,
    weights: Weights = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Data set as NAME=PATH; default: as in the run's command.", rich_help_panel=AGAIN),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1; default: a GPU if there is one.", rich_help_panel=AGAIN)
    ] = None,
) -> None:
    """Draw a figure for a paper: a comparison grid, a memory, a curve over difficulty, or published numbers."""
    from bench.cli.again import beginner
    from bench.figure import command
    from bench.figure.choose import PICKS
    from bench.figure.compare import LAYOUTS
    from bench.figure.curve import CURVES
    from bench.figure.frames import FrameSelection
    from reports.figure.published import PLOTS
    from reports.figure.style import FORMATS
    from reports.run.pictures import FULL_SCALE

    if out is None:
        raise UserError("give --out, a file .pdf, .png or .svg", code="missing-option")
    format = choice("--out", out.suffix.lower().removeprefix("."), FORMATS)
    kinds = {"--memory": memory, "--curve": curve, "--published": published}
    chosen = [option for option, value in kinds.items() if value is not None]
    if len(chosen) > 1:
        raise UserError(f"{' and '.join(chosen)}: one figure at a time", code="conflicting-options")
    kind = chosen[0] if chosen else "a grid"
    of_grid = {"--rows": rows, "--columns": columns, "--zoom": zoom, "--error-range": error_range}
    of_grid |= {"--frames": frames, "--frame": frame}
    of_pairs = {"--pairs": pairs, "--pick": pick, "--limit": limit, "--seed": seed}
    again = {"--data": data, "--device": device, "--weights": weights}
    _refuse(
        kind,
        {
            **({} if kind == "a grid" else of_grid),
            **({} if kind in ("a grid", "--memory") else {**of_pairs, **again}),
            **({"--limit": limit} if kind == "--memory" else {}),
            **({} if kind == "--memory" else {"--channels": channels}),
            **({} if kind == "--curve" else {"--bins": bins}),
            **({"--models": models, "--label": label, "--metric": metric} if kind == "--published" else {}),
        },
    )
    if pairs is not None and (pick or limit or seed is not None):
        raise UserError("--pairs names the pairs: remove --pick, --limit and --seed", code="conflicting-options")
    if frames is not None and frame is not None:
        raise UserError("--frames and --frame: give one of them", code="conflicting-options")
    folders = run or []
    if kind != "--published" and len(folders) != 1:
        raise UserError("give one run's folder", code="missing-option" if not folders else "conflicting-options")

    options = command.FigureOptions(
        out=out,
        format=format,
        command=shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
        begin=beginner(data or (), weights, device),
        inches=_inches(width),
        points=font_size,
        models=split_names(models or ""),
        pairs=split_names(pairs or ""),
        pick=choice("--pick", pick, PICKS) if pick else None,
        count=limit,
        metrics=metric_names(metric) if metric else (),
        seed=seed or 0,
        names=dict(_name(one) for one in label or ()),
        frames=FrameSelection(frames or 0, _numbers(frame) if frame is not None else ()),
    )
    if published is not None:
        names = [choice("--published", name, tuple(PLOTS)) for name in split_names(published)]
        caption = command.draw_published(folders, options, [PLOTS[name] for name in names])
    elif curve is not None:
        caption = command.draw_curve(folders[0], options, choice("--curve", curve, CURVES), bins or command.BINS)
    elif memory is not None:
        caption = command.draw_memory(folders[0], options, choice("--memory", memory, command.MEMORIES), channels)
    else:
        boxes, full = [_box(one) for one in zoom or ()], error_range or FULL_SCALE
        if len(boxes) > 2:
            raise UserError("--zoom: at most two boxes", code="bad-value")
        layout = choice("--rows", rows or "pairs", LAYOUTS)
        if layout == "time" and not options.frames:
            raise UserError("--rows time needs --frames or --frame", code="missing-option")
        caption = command.draw_grid(folders[0], options, layout, split_names(columns or ""), boxes, full)
    terminal().print(f"figure: {out}\ncaption: {caption}", soft_wrap=True, markup=False)


def _refuse(kind: str, options: dict[str, object]) -> None:
    """Raise UserError for options that have no effect on this kind of figure."""
    if used := [option for option, value in options.items() if value not in (None, [])]:
        raise UserError(f"{', '.join(used)}: not for {kind}", code="unused-option")


def _inches(text: str) -> float:
    from reports.figure.style import WIDTHS

    if text in WIDTHS:
        return WIDTHS[text]
    try:
        inches = float(text)
    except ValueError:
        inches = 0.0
    if not 1 <= inches <= 40:
        raise UserError(f"--width {text}: text, column, or inches between 1 and 40", code="bad-value")
    return inches


def _box(text: str) -> Box:
    from reports.figure.grid import Box

    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        x = y = width = height = -1
    if min(x, y) < 0 or min(width, height) < 4:
        raise UserError(
            f"--zoom {text}: give x,y,width,height in whole pixels, at least 4 wide and high", code="bad-value"
        )
    return Box(x, y, width, height)


def _numbers(text: str) -> tuple[int, ...]:
    found = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in found):
        raise UserError(f"--frame {text}: give numbers from 0, with commas between", code="bad-value")
    return tuple(dict.fromkeys(map(int, found)))


def _name(text: str) -> tuple[str, str]:
    name, equals, title = text.partition("=")
    if not (name and equals and title.strip()):
        raise UserError(f"--label {text}: give NAME=TEXT", code="bad-value")
    return name, title
