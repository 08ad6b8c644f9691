"""`python -m bench list`: the names that the other commands take."""

from __future__ import annotations

from rich.table import Table

from baselines import registry
from bench import metrics
from bench.config import Config
from bench.errors import UserError
from protocols import catalogue


def table(what: str, config: Config) -> Table:
    """A table of models, protocols or metrics. Raises UserError for anything else."""
    builders = {"models": _models, "protocols": _protocols, "metrics": _metrics}
    if what not in builders:
        raise UserError(f"cannot list {what}; choose one of {', '.join(builders)}")
    return builders[what](config)
