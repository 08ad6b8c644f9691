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

Data = Annotated[
    list[str] | None,
    typer.Option(
        help="Root of a data set, NAME=PATH (repeatable), or the word `sample` for the sample set.",
        rich_help_panel="Data",
    ),
]
Links = Annotated[
    bool | None,
    typer.Option(
        "--follow-links/--no-follow-links",
        help="Links in the folders of --data may lead out of them; default: no, or follow_links of bench.toml.",
        rich_help_panel="Data",
    ),
]
Weights = Annotated[Path | None, typer.Option(help="Folder with official checkpoints and detector weights.")]


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
