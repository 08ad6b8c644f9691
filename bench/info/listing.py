"""`python -m bench list`: the names that the other commands take."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from bench.runtime.config import Config
from bench.runtime.errors import UserError
from protocols import catalogue, datasets, plugins
from protocols.catalogue import SAMPLE, Protocol
from protocols.errors import DataError, PluginError
from protocols.roots import data_used

BROKEN = "broken plug-in"


def table(what: str, config: Config, weights_given: bool = False) -> Table:
    """A table of models, protocols, metrics or data sets. Raises UserError for anything else."""
    builders = {"models": _models, "protocols": _protocols, "metrics": _metrics, "datasets": _datasets}
    if what not in builders:
        raise UserError(f"cannot list {what}; choose one of {', '.join(builders)}", code="unknown-choice")
    if what not in ("protocols", "datasets") and (config.asked or config.sample):
        raise UserError(f"list {what}: --data belongs to `list protocols`", code="unused-option")
    if what != "models" and weights_given:
        raise UserError(f"list {what}: --weights belongs to `list models`", code="unused-option")
    return builders[what](config)


def _models(config: Config) -> Table:
    from baselines import registry  # imports torch, which the other lists need not wait for

    rows = _table()
    for model in registry.names(config.weights):
        rows.add_row(model.name, model.summary, "; ".join(filter(None, (", ".join(model.motion_modes), model.weights))))
    return rows


def _protocols(config: Config) -> Table:
    rows = _table()
    for name in dict.fromkeys([*catalogue.names(), *plugins.registered("protocol")]):
        try:
            protocol = catalogue.get(name)
        except PluginError as error:
            rows.add_row(name, escape(str(error)), BROKEN)
            continue
        tables = f"tables {', '.join(protocol.tables)}" if protocol.tables else "no published table"
        data = _data(protocol, config)
        facts = f"version {protocol.version}; {data}; {protocol.reference}; {protocol.mode} motion; {tables}"
        summary = f"custom data: {protocol.summary}" if protocol.custom else protocol.summary
        rows.add_row(name, escape(summary), facts)
    return rows


def _datasets(config: Config) -> Table:
    rows = _table()
    for name in datasets.names():
        try:
            opens = datasets.layout(name)
        except PluginError as error:
            rows.add_row(name, escape(str(error)), BROKEN)
            continue
        where = f"in {config.data[name]}" if name in config.data else "no folder"
        rows.add_row(name, escape(str(getattr(opens, "layout", ""))), escape(where))
    return rows


def _data(protocol: Protocol, config: Config) -> str:
    """The data set that a run would read with these roots."""
    try:
        asked = [name for name in config.asked if name not in datasets.names()]
        used = data_used(protocol, config.data, asked=asked, sample=config.sample)
    except DataError:
        return f"{protocol.dataset} (no folder)"
    if used == (SAMPLE,):
        return f"{protocol.dataset} ({'sample set' if config.sample else 'no folder: sample set'})"
    return f"{used[0]} in {config.data[used[0]]}"


def _metrics(config: Config) -> Table:
    from bench import metrics
    from bench.metrics import registered
    from bench.metrics.clips.catalogue import CLIP_DEFINITIONS

    rows = _table()
    for definition in metrics.definitions().values():
        better = "higher" if definition.higher_is_better else "lower"
        detector = f"; detector {definition.detector_name}" if definition.detector_name else ""
        rows.add_row(definition.name, definition.summary, f"family {definition.family}; {better} is better{detector}")
    for clip in CLIP_DEFINITIONS.values():
        better = "higher" if clip.higher_is_better else "lower"
        lacking = "".join(f"; {why}" for why in clip.missing(config.weights))
        rows.add_row(clip.name, clip.summary, f"of clips; family {clip.family}; {better} is better{lacking}")
    for name, broken in registered.everything().items():
        if isinstance(broken, PluginError):
            rows.add_row(name, escape(str(broken)), BROKEN)
    return rows


def _table() -> Table:
    table = Table("name", "what it is", "facts", box=None, padding=(0, 2, 0, 0), row_styles=["", "dim"])
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.overflow = "fold"  # names of files are to be copied whole
    return table
