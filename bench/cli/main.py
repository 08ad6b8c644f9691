"""The command line. Each command is a thin layer over one module; heavy imports wait until a command needs them."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from bench.cli.animate import animate
from bench.cli.check import check
from bench.cli.compare import compare
from bench.cli.explain import explain
from bench.cli.export import export_weights
from bench.cli.inspect import inspect
from bench.cli.output import terminal
from bench.cli.pairs import pairs_app
from bench.cli.poses import poses
from bench.cli.report import report
from bench.cli.tables import tables
from bench.cli.train import train
from bench.cli.weights import weights_app
from bench.runtime import config, signals

app = typer.Typer(
    help="Evaluate talking-head models: fair, fast, repeatable.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(pairs_app, name="pairs")
app.add_typer(weights_app, name="weights")
app.command()(report)
app.command()(tables)
app.command()(check)
app.command()(compare)
app.command()(explain)
app.command()(animate)
app.command()(inspect)
app.command()(train)
app.command()(poses)
app.command()(export_weights)
console = terminal()
errors = terminal(stderr=True)
_UsageError = typer.BadParameter.__bases__[0]  # typer does not export it
LONGEST = 5000  # characters of a message; what a file holds may be in it

Data = Annotated[
    list[str] | None,
    typer.Option(help="Root of a data set, NAME=PATH (repeatable), or the word `sample` for the sample set."),
]
Links = Annotated[
    bool | None,
    typer.Option(
        "--follow-links/--no-follow-links",
        help="Links in the folders of --data may lead out of them; default: no, or follow_links of bench.toml.",
    ),
]
Weights = Annotated[Path | None, typer.Option(help="Folder with official checkpoints and detector weights.")]


@app.command()
def run(
    protocol: Annotated[str | None, typer.Option(help="What is asked; `list protocols` has the names.")] = None,
    models: Annotated[
        str | None,
        typer.Option(help="Comma-separated: names from `list models`, frames:DIR, cmd:COMMAND, or LABEL=one of these."),
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(help="In place of both: what these tables of papers need (repeatable or comma-separated)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --table: only say what would be done.")] = False,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="With --table: random weights where a model has none; marked.")
    ] = False,
    sample_weights: Annotated[
        bool, typer.Option("--sample-weights", help="With --table: sample checkpoints on real data, too; marked.")
    ] = False,
    data: Data = None,
    follow_links: Links = None,
    require_data: Annotated[bool, typer.Option(help="Stop rather than use the sample set.")] = False,
    pairs: Annotated[
        list[Path] | None,
        typer.Option(
            help="Pair list to use: a published CSV, a frozen file or frozen:NAME; with --table one a protocol."
        ),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out pairs whose frames are gone; the run is marked.")
    ] = False,
    crop: Annotated[
        str | None,
        typer.Option(
            help="Of custom data: face, center (square), or none to squash; default: face, unless the face fills the "
            "frames already."
        ),
    ] = None,
    reading: Annotated[str | None, typer.Option(help="Reading of the protocol's pair list, where it has two.")] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Side of custom data's frames: 256 (default), 512, or native: as they are stored."),
    ] = None,
    detectors: Annotated[str, typer.Option(help="paper, embedded, or auto: the paper's where present.")] = "auto",
    metrics: Annotated[str | None, typer.Option(help="Comma-separated; default: all of the protocol's.")] = None,
    as_published: Annotated[
        bool, typer.Option("--as-published", help="Measure as the authors' scripts did, frames truncated to 8 bits.")
    ] = False,
    mode: Annotated[str | None, typer.Option(help="Motion mode; default: the protocol's.")] = None,
    bounds: Annotated[bool, typer.Option(help="Add the rows copy-source and copy-target.")] = True,
    weights: Weights = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N pairs.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of all runs.")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Folder of this run; default: protocol and fingerprint.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Start over: discard what is in the run's folder, and measure again.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1; default: a GPU where there is one.")] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Pairs at a time; default: 16 on a GPU, one for every core on a CPU, 4 at least."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes for detectors; 0: none. Default: up to 4 where there is enough to do."),
    ] = None,
    detector_timeout: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds for a batch of frames in one of --workers; default: 120.")
    ] = None,
    executor: Annotated[str, typer.Option(help="local, or ray: on all devices of a cluster.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="A Ray cluster: auto or HOST:PORT; default: one is started here for the run.")
    ] = None,
    ray_workers: Annotated[int | None, typer.Option(min=1, help="Workers in Ray; default: one a device.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of sampling, of noise in models and of the intervals.")] = 0,
    save_frames: Annotated[bool, typer.Option(help="Keep every generated frame as PNG.")] = False,
) -> None:
    """Run models over a protocol, measure them, write a report."""
    from bench.run.command import RunSettings, run
    from bench.runtime.errors import UserError

    if table and protocol:
        raise UserError("--table says which protocols are run; leave --protocol out")
    if table and size:
        raise UserError("--size is for custom data; the tables' protocols have sizes of their own")
    if not table:
        if not (protocol and models):
            raise UserError("give --protocol and --models, or --table")
        if dry_run or untrained or sample_weights:
            raise UserError("--dry-run, --untrained and --sample-weights belong to --table")
        if pairs and len(pairs) > 1:
            raise UserError("--pairs: a protocol takes one list")
    elif untrained and models:
        raise UserError("--untrained is for the tables' own models; with --models say NAME?weights=untrained")
    settings = RunSettings(
        models=_split(models or ""),
        protocol=protocol or "",
        config=config.load(data or (), weights, follow_links=follow_links),
        out=out,
        name=name,
        force=force,
        require_data=require_data,
        pairs=pairs[0] if pairs and not table else None,
        allow_missing=allow_missing,
        reading=reading,
        size=size,
        crop=crop,
        limit=limit,
        metrics=_split(metrics) if metrics else None,
        detectors=detectors,
        mode=mode,
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
        as_published=as_published,
        command=["python", "-m", "bench", *sys.argv[1:]],
    )
    if table:
        from bench.tables.command import run_tables

        names = [name for entry in table for name in _split(entry)]
        failed = run_tables(
            *(names, settings, pairs or (), console),
            dry_run=dry_run,
            untrained=untrained,
            sample_weights=sample_weights,
        )
    else:
        _, failed = run(settings, console)
    if failed:
        raise typer.Exit(1)


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="models, protocols or metrics")],
    weights: Weights = None,
    data: Data = None,
) -> None:
    """Names to use on the command line, each with a line that says what it is."""
    from bench.info.listing import table

    console.print(table(what, config.load(data or (), weights), weights_given=weights is not None))


@app.command()
def verify(folders: Annotated[list[Path], typer.Argument(help="Folders with spec.json and golden.npz.")]) -> None:
    """Compare the networks with golden numbers of the official ones."""
    from bench.parity.verify import run

    raise typer.Exit(run(folders, console))


@app.command()
def speed(
    models: Annotated[str, typer.Option(help="Comma-separated model names.")] = (
        "fomm,mraa,x2face,tpsm,fv2v,dagan,mcnet,ostnet"
    ),
    pairs: Annotated[int, typer.Option(min=1, help="Pairs in each measurement.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of which the median counts.")] = 5,
    parts: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated: models, pixels, perceptual, detectors, and forms: bfloat16 and compiled code, with "
            "what they do to the metrics (by default only with a GPU; exit code 1 if one leaves a metric's interval)."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Markdown file to write.")] = Path("speed.md"),
    weights: Weights = None,
) -> None:
    """What models, metrics and detectors cost on this machine, beside the usual libraries."""
    from bench.speed.command import run

    chosen = None if parts is None else _split(parts)
    if run(_split(models), config.load((), weights), pairs, rounds, out, console, chosen):
        raise typer.Exit(1)


@app.command()
def doctor(weights: Weights = None) -> None:
    """What is on this machine, what is missing, and where to put it."""
    from bench.info.doctor import render

    render(console, config.load((), weights).weights)


def main() -> None:
    """Entry point. A user's mistake is one line on the error console and exit code 2."""
    from baselines.errors import ModelError
    from bench.runtime.errors import Stopped, UserError, first_line, out_of_memory
    from protocols.errors import DataError

    try:
        os.getcwd()
    except FileNotFoundError:  # libraries, torch's among them, fail without one and do not say why
        _stop("error: the folder that this command was started in is gone", 2)
    try:
        with signals.terminable():
            code = app(standalone_mode=False)
        if code == 130:  # typer's own for KeyboardInterrupt
            _stop(*(("stopped by SIGTERM", signals.EXIT) if signals.received.is_set() else ("stopped by Ctrl-C", 130)))
    except _UsageError as error:
        if message := error.format_message():  # none where the help was asked for, which is printed by then
            where = f" ({error.ctx.command_path} --help says more)" if error.ctx else ""
            _stop(f"error: {message.rstrip('.')}{where}", 2)
        code = error.exit_code
    except typer.Abort as error:  # made by typer of an EOFError
        _stop(f"stopped: {error.__cause__ or 'aborted'}", 1)
    except (UserError, DataError, ModelError) as error:
        _stop(f"error: {error}", 2)
    except (OSError, Stopped) as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:  # no state of the machine mends that
            _stop(f"error: {error.filename}: {error.strerror}", 2)
        _stop(f"stopped: {error}; what was finished is kept, the same command goes on", 1)
    except Exception as error:
        if not out_of_memory(error):
            raise
        _stop(f"stopped: out of memory ({first_line(error)}); what was finished is kept, the same command goes on", 1)
    sys.exit(code if isinstance(code, int) else 0)


def _stop(message: str, code: int) -> None:
    from bench.runtime.errors import one_line

    errors.print(escape(one_line(message[:LONGEST])), style="bold red", soft_wrap=True)
    sys.exit(code)


def _split(names: str) -> list[str]:
    """Comma-separated names; a comma inside ``cmd:...`` belongs to the command, which therefore comes last."""
    head, marker, command = names.partition("cmd:")
    if marker:
        label = head.rpartition(",")[2]
        head = head.removesuffix(label)
        return [*filter(None, (name.strip() for name in head.split(","))), label + marker + command]
    return [name.strip() for name in names.split(",") if name.strip()]
