"""Options that several commands share, and how their values are read."""

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
        help="Root of a data set, NAME=PATH (repeatable), or the word `sample` for the sample set.",
        rich_help_panel=DATA,
    ),
]
Links = Annotated[
    bool | None,
    typer.Option(
        "--follow-links/--no-follow-links",
        help="Links in the folders of --data may lead out of them; default: no, or follow_links of bench.toml.",
        rich_help_panel=DATA,
    ),
]
Weights = Annotated[Path | None, typer.Option(help="Folder with official checkpoints and detector weights.")]
Detectors = Annotated[
    str, typer.Option(help="paper, embedded, or auto: the papers' where installed.", rich_help_panel=MEASURES)
]
Runs = Annotated[Path, typer.Option(help="Folder of all runs.", rich_help_panel=OUTPUT)]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1; default: a GPU if there is one.", rich_help_panel=EXECUTION)
]
DetectorTimeout = Annotated[
    float | None,
    typer.Option(
        min=0.1, help="Seconds for a batch of frames in one of --workers; default: 120.", rich_help_panel=EXECUTION
    ),
]
Executor = Annotated[str, typer.Option(help="local, or ray: on all devices of a cluster.", rich_help_panel=EXECUTION)]
RayWorkers = Annotated[
    int | None, typer.Option(min=1, help="Workers in Ray; default: one per device.", rich_help_panel=EXECUTION)
]


def choice(option: str, value: str, known: Sequence[Word]) -> Word:
    """Return the value of an option that takes one of a few words. Raises UserError for another word."""
    for word in known:
        if word == value:
            return word
    raise UserError(f"{option} {value}: choose one of {', '.join(known)}", code="unknown-choice")


def metric_names(names: str) -> list[str]:
    """Return comma-separated metrics under their own names, in whatever case they were typed."""
    from bench.metrics import is_like

    return [name.lower() if is_like(name.lower()) else name for name in split_names(names)]


def one_spelling(command: Callable[..., None]) -> dict[str, object]:
    """Return the settings of a command that takes ``--model`` for ``--models`` and the other way round.

    A command that takes several models has ``--models``, one that takes one has ``--model``; counts of pairs are
    ``--limit``. The other spelling works and is in no help text.
    """
    own = signature(command).parameters
    pairs = (("model", "models"), ("models", "model"), ("pairs", "limit"))
    aliases = {alias: name for alias, name in pairs if name in own and alias not in own}
    return {"token_normalize_func": lambda option: aliases.get(option, option)}
