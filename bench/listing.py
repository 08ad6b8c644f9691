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
    rows = _table()
    for model in registry.names(config.weights):
        rows.add_row(model.name, model.summary, f"{', '.join(model.motion_modes)}; {model.weights}")
    return rows


def _protocols(config: Config) -> Table:
    rows = _table()
    for name in catalogue.names():
        protocol = catalogue.get(name)
        data = protocol.dataset if protocol.dataset in config.data else f"{protocol.dataset} (no folder: sample set)"
        tables = f"tables {', '.join(protocol.tables)}" if protocol.tables else "no published table"
        facts = f"version {protocol.version}; {data}; {protocol.reference}; {protocol.mode} motion; {tables}"
        rows.add_row(name, protocol.summary, facts)
    return rows


def _metrics(config: Config) -> Table:
    rows = _table()
    for definition in metrics.definitions().values():
        better = "higher" if definition.higher_is_better else "lower"
        detector = f"; detector {definition.detector_name}" if definition.detector_name else ""
        rows.add_row(definition.name, definition.summary, f"family {definition.family}; {better} is better{detector}")
    return rows


def _table() -> Table:
    table = Table("name", "what it is", "facts", box=None, padding=(0, 2, 0, 0), row_styles=["", "dim"])
    table.columns[0].no_wrap = True
    return table
