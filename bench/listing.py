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


def _models(config: Config) -> Table:
    rows = Table("model", "motion modes", "weights", "what it is")
    for model in registry.names(config.weights):
        rows.add_row(model.name, ", ".join(model.motion_modes), model.weights, model.summary)
    return rows


def _protocols(config: Config) -> Table:
    rows = Table("protocol", "data set", "motion", "measured against", "tables", "what it asks")
    for name in catalogue.names():
        protocol = catalogue.get(name)
        data = protocol.dataset if protocol.dataset in config.data else f"{protocol.dataset} (no folder: sample set)"
        tables = ", ".join(protocol.tables)
        rows.add_row(f"{name} v{protocol.version}", data, protocol.mode, protocol.reference, tables, protocol.summary)
    return rows


def _metrics(config: Config) -> Table:
    rows = Table("metric", "family", "better", "detector", "what it is")
    for definition in metrics.definitions().values():
        better = "higher" if definition.higher_is_better else "lower"
        rows.add_row(definition.name, definition.family, better, definition.detector_name or "", definition.summary)
    return rows
