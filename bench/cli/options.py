"""Options shared by several commands, and the parsing of their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from baselines.spec import split_names
from bench.runtime.errors import UserError

Word = TypeVar("Word", bound=str)

DATA, MEASURES, OUTPUT, EXECUTION = "Data", "Metrics and detectors", "Output", "Execution"  # panels of the help

Data = Annotated[
    list[str] | None,
    typer.Option(
        help="Data set as NAME=PATH (repeatable), or `sample` for the built-in sample set.",
        rich_help_panel=DATA,
    ),
]
Links = Annotated[
    bool | None,
    typer.Option(
        "--follow-links/--no-follow-links",
        help="Allow links in --data folders to point outside them; default: no, or follow_links in bench.toml.",
        rich_help_panel=DATA,
    ),
]
Weights = Annotated[Path | None, typer.Option(help="Folder with official checkpoints and detector weights.")]
Detectors = Annotated[
    str,
    typer.Option(
        help="paper, embedded or auto (the papers' detectors where installed, else embedded).", rich_help_panel=MEASURES
    ),
]
Runs = Annotated[Path, typer.Option(help="Folder for all runs.", rich_help_panel=OUTPUT)]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1; default: a GPU if there is one.", rich_help_panel=EXECUTION)
]
DetectorTimeout = Annotated[
    float | None,
    typer.Option(
        min=0.1, help="Time limit in seconds per batch in a detector process; default: 120.", rich_help_panel=EXECUTION
    ),
]
Executor = Annotated[str, typer.Option(help="local, or ray (all devices of a Ray cluster).", rich_help_panel=EXECUTION)]
RayWorkers = Annotated[
    int | None, typer.Option(min=1, help="Ray workers; default: one per device.", rich_help_panel=EXECUTION)
]


def choice(option: str, value: str, known: Sequence[Word]) -> Word:
    """Return the value of an option with a fixed list of words. Raises UserError for another word."""
    for word in known:
        if word == value:
            return word
    raise UserError(f"{option} {value}: choose one of {', '.join(known)}", code="unknown-choice")


def metric_names(names: str) -> list[str]:
    """Return the names in a comma-separated list of metrics, in lower case where a metric has that name."""
    from bench.metrics import is_like

    return [name.lower() if is_like(name.lower()) else name for name in split_names(names)]


def one_spelling(command: Callable[..., None]) -> dict[str, object]:
    """Return Typer's settings for a command that accepts ``--model`` for ``--models`` and vice versa.

    A command with several models has ``--models``, one with a single model ``--model``; numbers of pairs are
    ``--limit``. The other spelling works but is not in the help text.
    """
    own = signature(command).parameters
    pairs = (("model", "models"), ("models", "model"), ("pairs", "limit"))
    aliases = {alias: name for alias, name in pairs if name in own and alias not in own}
    return {"token_normalize_func": lambda option: aliases.get(option, option)}
