"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
