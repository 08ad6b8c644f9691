"""`python -m bench samples …`: list the sample checkpoints, train them, or copy them from a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from baselines import samples
from bench.cli.output import terminal

samples_app = typer.Typer(help="List, build and fetch sample checkpoints.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(help="Names from `samples list`.", metavar="NAME")]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--samples",
        help=f"Folder of sample checkpoints; default: {samples.VARIABLE}, or `samples` in the cache folder.",
    ),
]
All = Annotated[bool, typer.Option("--all", help="All recorded sample checkpoints.")]
Tables = Annotated[
    list[str] | None,
    typer.Option("--table", help="Those of the rows of a paper's table, such as mcnet-3 (repeatable)."),
]


@samples_app.command("list")
def list_(names: Names = None, folder: Folder = None) -> None:
    """List sample checkpoints: file, size, seed, whether the checksum matches the record, and training command."""
    from bench.samples.survey import BUILD, command, survey

    _use(folder)
    found = survey(names or ())
    for one in found:
        size = f", {one.file.stat().st_size / 1e6:.1f} MB" if one.exists else ""
        _line(f"{one.name}, seed {one.seed}: {one.place}{size}", "green" if one.on_record else "yellow")
        _line(f"  {one.status}: {one.file}" if one.exists else f"  {one.status}; `{BUILD} {one.name}` trains it")
        _line(f"  command  {command(one.name, one.seed)}")
        known = samples.recipe(one.name).sha256 if one.seed == samples.SEED else ""
        _line(f"  record   {f'sha256 {known}' if known else 'no file'}")
    n_found = sum(one.exists and not one.damaged for one in found)
    _line(f"{n_found} of {len(found)} found; samples folder: {samples.folder()}. MemFace's stages: docs/sound.md")


@samples_app.command()
def build(
    names: Names = None,
    every: All = False,
    table: Tables = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of trainings of each, with seeds 1 to N.")] = 1,
    folder: Folder = None,
) -> None:
    """Train sample checkpoints with their recorded commands. Re-run the same command to resume."""
    from bench.samples.build import build, writable
    from bench.samples.survey import chosen

    _use(folder)
    wanted = chosen(names or (), every, table or ())
    writable()
    build(wanted, seeds, _line)
    _print_variable(folder)


@samples_app.command()
def fetch(
    source: Annotated[Path, typer.Option("--from", help="Folder with the files, or a clone of this repository.")],
    names: Names = None,
    every: All = False,
    table: Tables = None,
    folder: Folder = None,
) -> None:
    """Copy sample checkpoints from a folder; files with the wrong checksum are refused."""
    from bench.samples.fetch import fetch
    from bench.samples.survey import chosen

    _use(folder)
    found, missing = fetch(chosen(names or (), every, table or ()), source)
    for one in found:
        _line(f"found {one.file}: {one.status}")
    if missing:
        _line(f"not in {source}: {', '.join(missing)}", "yellow")
    _print_variable(folder)
    if missing and names:
        raise typer.Exit(1)


def _use(folder: Path | None) -> None:
    """Use the folder of ``--samples`` in this process."""
    if folder is not None:
        os.environ[samples.VARIABLE] = str(folder)


def _print_variable(folder: Path | None) -> None:
    if folder is not None:
        _line(f"for other commands to find them, set {samples.VARIABLE}={folder}")


def _line(text: str, style: str | None = None) -> None:
    terminal().print(text, style=style, soft_wrap=True, markup=False, highlight=False)
