"""`python -m bench animate`: make a video from a photograph and a driving video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

import typer

from baselines.spec import split_names
from bench.cli.options import choice
from bench.cli.output import terminal
from bench.runtime import config
from bench.runtime.errors import UserError


def animate(
    driving: Annotated[
        Path,
        typer.Option(
            help="The driving video: a video file, a folder of frames or one image. For models driven by sound: a "
            "sound file or a video with sound."
        ),
    ],
    source: Annotated[
        Path | None, typer.Option(help="The photograph: an image, or a video (its first frame is used).")
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option(
            help="For models driven by sound: video, frames or image of the person; a video is played back and forth."
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            help="A model: a name from `list models`, path/to/file.py:Class, cmd:COMMAND or frames:DIR. Several, "
            "comma-separated, make one video: source | driving | a column per model."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Video to write: .mp4, .mov, .mkv or .webm; default: <model>.mp4.")
    ] = None,
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="Show source | driving | result in the video.")
    ] = False,
    paste_back: Annotated[
        bool,
        typer.Option(
            "--paste-back",
            help="For liveportrait: crop the photograph as its authors do, and paste the result back into it.",
        ),
    ] = False,
    mode: Annotated[str | None, typer.Option(help="Motion mode; default: the model's first.")] = None,
    anchor_frame: Annotated[
        str | None,
        typer.Option(help="Driving frame where relative motion starts: a number from 0, or best; default: 0."),
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            help="Crop of the driving video: face, center (square), x0,y0,x1,y1 or none (squash); default: face, "
            "unless the face already fills the frame."
        ),
    ] = None,
    source_crop: Annotated[
        str | None, typer.Option(help="Crop of the photograph; same values; default: that of --crop if it is a word.")
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(min=0.1, max=1000, help="Frame rate of a folder of frames or a raw stream; default: 25."),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Folder with official checkpoints.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1; default: a GPU if there is one.")] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Frames per batch; default: 16 on a GPU; on a CPU one per core, at least 4."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed for noise in models.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only the first N frames.")] = None,
) -> None:
    """Animate a photograph with a driving video (its sound and frame times are kept), or a video with speech."""
    from av.error import FFmpegError

    from bench.animate import talk
    from bench.animate.command import AnimateSettings, animate
    from bench.animate.crop import parse_crop
    from bench.runtime.device import choose
    from protocols.names import safe_name
    from protocols.protocol import MODES

    if (source is None) == (template is None):
        raise UserError(
            "give --source (a photograph), or for a model driven by sound --template (the person's video)",
            code="missing-option" if source is None else "conflicting-options",
        )
    motion = choice("--mode", mode, MODES) if mode else None
    driving_crop = parse_crop(crop, "--crop")
    if source_crop is None and template is None and not paste_back and isinstance(driving_crop, str):
        source_crop = driving_crop
    chosen = _chosen(models)
    out = out or Path(f"{safe_name('+'.join(chosen))[:80]}.mp4")
    check_out(out, tuple(file for file in (source, template, driving) if file is not None))
    settings = AnimateSettings(
        models=chosen,
        source=source or Path(),
        driving=driving,
        out=out,
        device=choose(device),
        side_by_side=side_by_side,
        paste_back=paste_back,
        mode=motion,
        anchor_frame=_anchor(anchor_frame) if anchor_frame is not None else None,
        crop=driving_crop,
        source_crop=parse_crop(source_crop, "--source-crop"),
        fps=Fraction(fps).limit_denominator(1001) if fps else None,
        weights=config.load((), weights).weights,
        batch_size=batch_size,
        seed=seed,
        limit=limit,
    )
    try:
        shown = terminal()
        failed = animate(settings, shown) if template is None else talk.animate(settings, template, shown)
    except (OSError, FFmpegError) as error:  # some FFmpegErrors are also ValueErrors or EOFErrors
        terminal(stderr=True).print(f"stopped: {out}: {error}", style="bold red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if failed:
        raise typer.Exit(1)


def _chosen(models: str | None) -> list[str]:
    """Return the models of ``--models``. Raises UserError if there are none."""
    chosen = split_names(models or "")
    if not chosen:
        raise UserError("give --models", code="missing-option")
    return chosen


def _anchor(given: str) -> int | Literal["best"]:
    if given == "best":
        return "best"
    if not (given.isdecimal() and len(given) < 10):
        raise UserError(f"--anchor-frame {given}: give a number from 0, or best", code="bad-value")
    return int(given)


def check_out(out: Path, inputs: tuple[Path, ...]) -> None:
    """Raise UserError if `out` is a folder, one of the inputs, or not a video file's name."""
    from bench.animate.output import FORMATS

    if out.suffix.lower() not in FORMATS:
        raise UserError(f"--out {out}: the name must end in {', '.join(FORMATS)}", code="bad-value")
    if out.is_dir():
        raise UserError(f"--out {out}: is a folder; give a file", code="unwritable-file")
    if any(out.exists() and file.exists() and out.samefile(file) for file in inputs):
        raise UserError(f"--out {out}: is also an input; give another file", code="unwritable-file")
