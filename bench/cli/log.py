"""`python -m bench log`: send a finished run to a tracker; and the option `--log` of `run` and `score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from baselines.spec import split_names
from bench.cli.options import OUTPUT
from bench.cli.output import terminal

KNOWN = "wandb, mlflow, tensorboard"
Log = Annotated[
    str | None,
    typer.Option(help=f"Trackers to send the finished run to, comma-separated: {KNOWN}.", rich_help_panel=OUTPUT),
]


def log(
    run: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    to: Annotated[str, typer.Option(help=f"Trackers, comma-separated: {KNOWN}.")],
) -> None:
    """Send a finished run to trackers: metrics, confidence intervals, failures, signatures, settings and report."""
    send(run, trackers("--to", to))


def trackers(option: str, names: str | None) -> list[str]:
    """Return the trackers named in an option. Raises UserError for one that is unknown or not installed."""
    chosen = list(dict.fromkeys(split_names(names or "")))
    if chosen:
        from bench.trackers.log import check

        check(option, chosen)
    return chosen


def send(run: Path, trackers: list[str]) -> None:
    """Send a finished run to trackers, and print where to find it."""
    if trackers:
        from bench.trackers.log import log as logged

        for line in logged(run, trackers):
            terminal().print(line, markup=False, highlight=False, soft_wrap=True)
