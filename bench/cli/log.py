"""`python -m bench log`: a finished run for a tracker; and the option `--log` of `run` and `score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from baselines.spec import split_names
from bench.cli.options import OUTPUT
from bench.cli.output import terminal

KNOWN = "wandb, mlflow, tensorboard"
Log = Annotated[
    str | None, typer.Option(help=f"Trackers to tell of the finished run: {KNOWN}.", rich_help_panel=OUTPUT)
]


def log(
    run: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    to: Annotated[str, typer.Option(help=f"Comma-separated: {KNOWN}.")],
) -> None:
    """Tell trackers of a finished run: numbers, intervals, failures, signatures, facts, report."""
    tell(run, asked("--to", to))


def asked(option: str, names: str | None) -> list[str]:
    """Return the trackers of an option. Raises UserError for one that is unknown or not installed."""
    chosen = list(dict.fromkeys(split_names(names or "")))
    if chosen:
        from bench.trackers.log import check

        check(option, chosen)
    return chosen


def tell(run: Path, trackers: list[str]) -> None:
    """Tell trackers of a finished run, and print where it went."""
    if trackers:
        from bench.trackers.log import log as logged

        for line in logged(run, trackers):
            terminal().print(line, markup=False, highlight=False, soft_wrap=True)
