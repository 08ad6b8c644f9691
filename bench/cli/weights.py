"""`python -m bench weights …`: list published weight files, check installed ones, download missing ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import Weights
from bench.cli.output import terminal
from bench.runtime import config
from bench.runtime.errors import UserError

if TYPE_CHECKING:
    from bench.weights.files import WeightFile

weights_app = typer.Typer(help="List, check and fetch weight files.", invoke_without_command=True)

_NO_FOLDER = f"none (--weights, {config.WEIGHTS_VARIABLE} or bench.toml)"


@weights_app.callback()
def list_(context: typer.Context, weights: Weights = None) -> None:
    """List every published file: name, source, license, size, checksum, folder, and whether it is installed."""
    if context.invoked_subcommand:
        context.obj = weights  # --weights may come before or after the subcommand
        return
    from bench.weights.files import files, unpublished

    folder = config.load((), weights).weights
    listed = files(folder)
    for file in listed:
        _line(f"{file.id}: {file.name}, for {file.used_for}", "bold")
        if file.problem:
            _line(f"  {file.problem}", "red")
            continue
        _line(f"  from    {file.source}")
        _line(f"  get     {file.way}")
        _line(f"  license {file.license}")
        _line(f"  size    {file.size}; {file.checksum}")
        _line(f"  place   {file.place}")
        checksum = "to be compared by `weights check`" if file.sha256 else "unverified: no checksum is known"
        _line(
            f"  found   {file.found} ({checksum})" if file.found else "  missing", "green" if file.found else "yellow"
        )
    for name, reason in unpublished().items():
        _line(f"{name}: {reason}")
    known = [file for file in listed if not file.problem]
    there = sum(file.found is not None for file in known)
    _line(f"{there} of {len(known)} files found; weights folder: {folder or _NO_FOLDER}")


@weights_app.command()
def check(
    context: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(help="Names from `weights`; default: all.", metavar="ID")] = None,
    weights: Weights = None,
) -> None:
    """Verify installed files by checksum; without a known checksum, check that they load and hold their network."""
    from baselines.predictor import ModelError
    from bench.weights.check import verify
    from bench.weights.files import files, select

    chosen = select(files(config.load((), weights or context.obj).weights), ids or ["all"])
    there = [(file, file.found) for file in chosen if file.found]
    wrong, unverified = 0, 0
    for file, place in there:
        try:
            verdict = verify(file, place)
            unverified += verdict.word == "unverified"
            _line(f"{verdict.word:10} {place}: {verdict.message}", "green" if verdict.word == "ok" else "yellow")
        except (UserError, ModelError, OSError) as error:
            wrong += 1
            _line(f"WRONG      {file.id}: {error}", "bold red")
    for file in chosen:
        if file.problem:
            _line(f"note       {file.problem}", "yellow")
    absent = sum(not (file.found or file.problem) for file in chosen)
    _line(f"{len(there)} checked, {wrong} wrong, {unverified} unverified; {absent} not found")
    if wrong:
        raise typer.Exit(1)


@weights_app.command()
def fetch(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(help="Names from `weights`, or all.", metavar="ID")],
    weights: Weights = None,
) -> None:
    """Download files that have a public address, and check them. Re-run the same command to resume."""
    from bench.weights.files import files, select

    folder = config.load((), weights or context.obj).weights
    if folder is None:
        raise UserError(
            f"fetch needs a weights folder: --weights, {config.WEIGHTS_VARIABLE} or bench.toml", code="missing-option"
        )
    chosen = select(files(folder), ids)
    plain = [file for file in chosen if file.address]
    failed = sum(not _fetch(file) for file in plain)
    by_hand = [file for file in chosen if not (file.address or file.found or file.problem)]
    if by_hand:
        names = ", ".join(dict.fromkeys(file.id for file in by_hand))
        _line(f"download these by hand; `python -m bench weights` lists their sources: {names}", "yellow")
    if failed or (by_hand and "all" not in ids):
        raise typer.Exit(1)


def _fetch(file: WeightFile) -> bool:
    """Download a file unless it is installed. Return whether it is installed now."""
    from baselines.predictor import ModelError
    from bench.weights.fetch import TransferError

    if file.found:
        try:
            _line(f"found    {file.found}: {_verdict(file, file.found)}", "green")
            return True
        except (UserError, ModelError) as error:
            _line(f"again    {error}", "yellow")
    try:
        _line(f"fetched  {_from_hub(file) if file.hub else _download(file)}", "green")
        return True
    except (TransferError, UserError, ModelError) as error:
        _line(f"failed   {file.id}: {error}", "bold red")
        return False


def _download(file: WeightFile) -> str:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from bench.weights.fetch import download
    from protocols.files import sha256

    target = Path(file.place)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = terminal()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(file.name, total=None)
        said = download(
            file.address,
            target,
            lambda path: _verdict(file, path),
            lambda done, whole: bar.update(task, completed=done, total=whole),
        )
    return f"{target}: {said}" + ("" if file.sha256 else f" to compare with; its sha256 is {sha256(target)}")


def _from_hub(file: WeightFile) -> str:
    from bench.detectors import pyfeat
    from bench.weights.fetch import download_from_hub
    from bench.weights.files import placed

    download_from_hub(file.hub, file.name, pyfeat.resources())
    file = placed(file, None)
    if file.found is None:
        raise UserError(
            f"{file.name} was downloaded, but py-feat does not find it at {file.place}",
            code="missing-weights",
        )
    return f"{file.found}: {_verdict(file, file.found)}"


def _verdict(file: WeightFile, path: Path) -> str:
    """Return the verdict as text; raises like `bench.weights.check.verify`."""
    from bench.weights.check import verify

    verdict = verify(file, path)
    return verdict.message if verdict.word == "ok" else f"{verdict.word}: {verdict.message}"


def _line(text: str, style: str = "") -> None:
    terminal().print(
        text, style=style, soft_wrap=True, highlight=False, markup=False
    )  # a path is one line, however long
