"""`python -m bench run`: run models on a protocol, measure them, write a report."""

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
    Data,
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

TABLES = "Tables of papers"


def run(
    models: Annotated[
        str | None,
        typer.Option(
            help="Models, comma-separated: a name from `list models`, path/to/file.py:Class, frames:DIR, videos:DIR "
            "or cmd:COMMAND. LABEL=MODEL sets the name in the report."
        ),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Evaluation protocol: a name from `list protocols` or a TOML file.")
    ] = None,
    mode: Annotated[str | None, typer.Option(help="Motion mode; default: the protocol's.")] = None,
    anchor: Annotated[
        str,
        typer.Option(
            help="Whole clips: driving frame where relative motion starts: first, or best (landmarks closest to the "
            "source's)."
        ),
    ] = "first",
    bounds: Annotated[
        bool, typer.Option(help="Add the bounds, such as copy-source, as rows (see `list models`).")
    ] = True,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only the first N pairs.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed for sampling, noise in models and confidence intervals.")] = 0,
    weights: Weights = None,
    data: Data = None,
    follow_links: Links = None,
    require_data: Annotated[
        bool,
        typer.Option(help="Stop if the data set is missing, instead of using the sample set.", rich_help_panel=DATA),
    ] = False,
    pairs: Annotated[
        list[Path] | None,
        typer.Option(
            help="Pair list: a published CSV, a frozen file or frozen:NAME; with --table, one per protocol.",
            rich_help_panel=DATA,
        ),
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing", help="Skip pairs with missing frames; the run is marked.", rich_help_panel=DATA
        ),
    ] = False,
    crop: Annotated[
        str | None,
        typer.Option(
            help="Crop of custom data: face, center (square) or none (squash); default: face, unless the face already "
            "fills the frames.",
            rich_help_panel=DATA,
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Frame size of custom data: 256 (default), 512 or native (as stored).",
            rich_help_panel=DATA,
        ),
    ] = None,
    sound: Annotated[
        str,
        typer.Option(help="Whole clips: sound to score with: truth, generated or a folder.", rich_help_panel=DATA),
    ] = "truth",
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="For videos:DIR: stop if length, rate, size or sound differs from the reference.",
            rich_help_panel=DATA,
        ),
    ] = False,
    reading: Annotated[
        str | None,
        typer.Option(help="Which reading of the pair list to use, for protocols with two.", rich_help_panel=DATA),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Metrics, comma-separated, in upper or lower case; default: all of the protocol's.",
            rich_help_panel=MEASURES,
        ),
    ] = None,
    detectors: Detectors = "auto",
    as_published: Annotated[
        bool,
        typer.Option(
            "--as-published",
            help="Measure as the authors' scripts do, on frames truncated to 8 bits.",
            rich_help_panel=MEASURES,
        ),
    ] = False,
    out: Runs = Path("runs"),
    name: Annotated[
        str | None,
        typer.Option(help="Name of this run's folder; default: protocol and fingerprint.", rich_help_panel=OUTPUT),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Start over: delete the contents of the run's folder and measure again.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    save_frames: Annotated[
        bool, typer.Option(help="Save every generated frame as PNG.", rich_help_panel=OUTPUT)
    ] = False,
    media: Annotated[
        bool,
        typer.Option(help="Whole clips: save videos of the clips shown in the report.", rich_help_panel=OUTPUT),
    ] = True,
    log: Log = None,
    device: Device = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Pairs per batch; default: 16 on a GPU; on a CPU one per core, at least 4.",
            rich_help_panel=EXECUTION,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Detector processes; 0: none. Default: one per core, at most one per 32 frames; none below 64 frames.",
            rich_help_panel=EXECUTION,
        ),
    ] = None,
    detector_timeout: DetectorTimeout = None,
    executor: Executor = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="Ray cluster: auto or HOST:PORT; default: start a local one for this run.",
            rich_help_panel=EXECUTION,
        ),
    ] = None,
    ray_workers: RayWorkers = None,
    table: Annotated[
        list[str] | None,
        typer.Option(
            help="Tables of papers, instead of --models and --protocol (repeatable or comma-separated).",
            rich_help_panel=TABLES,
        ),
    ] = None,
    paper: Annotated[
        str | None,
        typer.Option(
            help="All tables of a paper: mcnet, ostnet or memface. Lists what to download first (docs/reproduce).",
            rich_help_panel=TABLES,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="With --table or --paper: print the plan without running it.", rich_help_panel=TABLES
        ),
    ] = False,
    format: Annotated[
        str, typer.Option(help="Format of the plan of --paper --dry-run: text or json.", rich_help_panel=TABLES)
    ] = "text",
    untrained: Annotated[
        bool,
        typer.Option(
            "--untrained",
            help="With --table or --paper: random weights for models without a checkpoint; the run is marked.",
            rich_help_panel=TABLES,
        ),
    ] = False,
    sample_weights: Annotated[
        bool,
        typer.Option(
            "--sample-weights",
            help="With --table or --paper: allow sample checkpoints on real data; the run is marked.",
            rich_help_panel=TABLES,
        ),
    ] = False,
) -> None:
    """Run models on an evaluation protocol, compute metrics and write a report."""
    from bench.run.anchors import ANCHORS
    from bench.run.command import RunSettings, run
    from bench.runtime.errors import UserError
    from protocols.protocol import MODES

    planned = "--table" if table else "--paper"
    if table and paper:
        raise UserError("--paper means all tables of a paper: remove --table", code="conflicting-options")
    if (table or paper) and protocol:
        raise UserError(f"{planned} sets the protocols: leave --protocol out", code="conflicting-options")
    if (table or paper) and size:
        raise UserError(
            "--size is for custom data: remove it, the tables' protocols set the size", code="conflicting-options"
        )
    if choice("--format", format, ("text", "json")) == "json" and not (paper and dry_run):
        raise UserError("--format json needs --paper and --dry-run", code="conflicting-options")
    if not (table or paper):
        if not (protocol and models):
            raise UserError("give --protocol and --models, or --table, or --paper", code="missing-option")
        if dry_run or untrained or sample_weights:
            raise UserError(
                "--dry-run, --untrained and --sample-weights belong to --table and --paper", code="conflicting-options"
            )
        if pairs and len(pairs) > 1:
            raise UserError("--pairs: a protocol takes one list", code="conflicting-options")
    elif untrained and models:
        raise UserError(
            "--untrained is for the tables' own models; with --models write NAME?weights=untrained",
            code="conflicting-options",
        )
    if log and (table or paper):
        raise UserError(f"--log: {planned} makes several runs; send each with `bench log`", code="conflicting-options")
    receivers = trackers("--log", log)
    settings = RunSettings(
        models=split_names(models or ""),
        protocol=protocol or "",
        config=config.load(data or (), weights, follow_links=follow_links),
        out=out,
        name=name,
        force=force,
        require_data=require_data,
        pairs=pairs[0] if pairs and not (table or paper) else None,
        allow_missing=allow_missing,
        reading=reading,
        size=size,
        crop=crop,
        limit=limit,
        metrics=metric_names(metrics) if metrics else None,
        detectors=detectors,
        mode=choice("--mode", mode, MODES) if mode else None,
        anchor=choice("--anchor", anchor, ANCHORS),
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
        as_published=as_published,
        sound=sound,
        strict=strict,
        command=["python", "-m", "bench", *sys.argv[1:]],
    )
    plan = {"dry_run": dry_run, "untrained": untrained, "sample_weights": sample_weights}
    if paper:
        from bench.tables.paper import run_paper

        failed = run_paper(paper, settings, pairs or (), terminal(), **plan, format=format)
    elif table:
        from bench.tables.command import run_tables

        names = [name for entry in table for name in split_names(entry)]
        failed = run_tables(names, settings, pairs or (), terminal(), **plan)
    else:
        directory, failed = run(settings, terminal())
        send(directory.path, receivers)
    if failed:
        raise typer.Exit(1)
