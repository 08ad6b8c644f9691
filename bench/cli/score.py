"""`python -m bench score`: compare finished videos with the true ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from baselines.spec import split_names
from bench.cli.log import Log, send, trackers
from bench.cli.options import (
    DATA,
    EXECUTION,
    MEASURES,
    OUTPUT,
    Detectors,
    DetectorTimeout,
    Device,
    Executor,
    Links,
    RayWorkers,
    Runs,
    Weights,
    choice,
    metric_names,
)
from bench.cli.output import terminal
from bench.runtime import config


def score(
    places: Annotated[
        list[Path],
        typer.Argument(
            help="The true videos, then the videos of each model: folders of videos, folders of frame folders, or "
            "single videos.",
            show_default=False,
        ),
    ],
    truth: Annotated[
        bool, typer.Option("--truth/--no-truth", help="Whether the first path holds the true videos.")
    ] = True,
    sources: Annotated[
        Path | None,
        typer.Option(help="Photographs that were animated; identity is compared with them.", rich_help_panel=DATA),
    ] = None,
    driving: Annotated[
        Path | None,
        typer.Option(
            help="With --no-truth: driving videos of other people; pose and expression are compared with them.",
            rich_help_panel=DATA,
        ),
    ] = None,
    sound: Annotated[
        str,
        typer.Option(
            help="Sound to score with: truth, generated (the videos' own) or a folder.",
            rich_help_panel=DATA,
        ),
    ] = "truth",
    size: Annotated[
        str,
        typer.Option(
            help="native (the true videos' size), or 256 or 512: square crop, resized.",
            rich_help_panel=DATA,
        ),
    ] = "native",
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Stop if length, rate, size or sound differs, or a video is missing.",
            rich_help_panel=DATA,
        ),
    ] = False,
    crop: Annotated[
        str | None, typer.Option(help="With --size 256 or 512: face, center or none.", rich_help_panel=DATA)
    ] = None,
    follow_links: Links = None,
    labels: Annotated[str | None, typer.Option(help="Model names, comma-separated; default: the folder names.")] = None,
    bounds: Annotated[
        bool, typer.Option(help="Add copy-source (a still picture) and copy-target (the true videos) as rows.")
    ] = True,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only the first N clips.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed for confidence intervals.")] = 0,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Metrics, comma-separated, in upper or lower case; default: all that apply.", rich_help_panel=MEASURES
        ),
    ] = None,
    detectors: Detectors = "auto",
    weights: Weights = None,
    out: Runs = Path("runs"),
    name: Annotated[
        str | None,
        typer.Option(help="Name of this run's folder; default: score and fingerprint.", rich_help_panel=OUTPUT),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Start over: delete the contents of the run's folder.", rich_help_panel=OUTPUT),
    ] = False,
    save_frames: Annotated[
        bool, typer.Option(help="Save every compared frame as PNG.", rich_help_panel=OUTPUT)
    ] = False,
    media: Annotated[
        bool, typer.Option(help="Save videos of the clips shown in the report.", rich_help_panel=OUTPUT)
    ] = True,
    log: Log = None,
    device: Device = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Frames per batch.", rich_help_panel=EXECUTION)] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Detector processes; 0: none.", rich_help_panel=EXECUTION)
    ] = None,
    detector_timeout: DetectorTimeout = None,
    executor: Executor = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="Ray cluster: auto or HOST:PORT; default: start a local one for this run.", rich_help_panel=EXECUTION
        ),
    ] = None,
    ray_workers: RayWorkers = None,
) -> None:
    """Score finished videos against the true ones: match them by name, compare frames by time, write a report."""
    from bench.run.command import RunSettings, run
    from bench.run.score import Scored, settings_of
    from protocols.protocol import SIZES

    size = choice("--size", size, tuple(SIZES))
    first, finished = (places[0], places[1:]) if truth else (None, places)
    receivers = trackers("--log", log)
    scored = Scored(first, finished, split_names(labels or ""), sources, driving)
    settings = RunSettings(
        models=(),
        protocol="score",
        config=config.load((), weights, follow_links=follow_links),
        out=out,
        name=name,
        force=force,
        size=size,
        crop=crop,
        limit=limit,
        metrics=metric_names(metrics) if metrics else None,
        detectors=detectors,
        bounds=bounds,
        device=device,
        seed=seed,
        batch_size=batch_size,
        workers=workers,
        detector_timeout=detector_timeout,
        executor=executor,
        ray_address=ray_address,
        ray_workers=ray_workers,
        save_frames=save_frames,
        media=media,
        sound=sound,
        strict=strict,
        command=["python", "-m", "bench", *sys.argv[1:]],
    )
    directory, failed = run(settings_of(scored, settings, size), terminal())
    send(directory.path, receivers)
    if failed:
        raise typer.Exit(1)
