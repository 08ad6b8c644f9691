"""`python -m bench list`: names that the other commands accept."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase as fnmatch

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from baselines import listing
from bench.runtime.config import Config
from bench.runtime.errors import UserError
from protocols import catalogue, datasets, plugins
from protocols.catalogue import SAMPLE, Protocol
from protocols.errors import DataError, PluginError
from protocols.roots import data_used

BROKEN = "broken plug-in"
SHAPES = {"pair": "OF PAIRS OF FRAMES", "clip": "OF CLIPS", "set": "OF ALL CLIPS TOGETHER"}  # a metric's, as headings


def table(what: str, config: Config, pattern: str = "*", weights_given: bool = False) -> Table:
    """Return a table of models, protocols, metrics or data sets with names that match `pattern`.

    Raises UserError for another word, and if no name matches.
    """
    builders = {"models": _models, "protocols": _protocols, "metrics": _metrics, "datasets": _datasets}
    if what not in builders:
        raise UserError(f"cannot list {what}; choose one of {', '.join(builders)}", code="unknown-choice")
    if what not in ("protocols", "datasets") and (config.asked or config.sample):
        raise UserError(f"list {what}: --data has no effect; it is for `list protocols`", code="unused-option")
    if what != "models" and weights_given:
        raise UserError(f"list {what}: --weights has no effect; it is for `list models`", code="unused-option")
    rows = builders[what](config, pattern)
    if not rows.row_count and pattern != "*":
        raise UserError(f"list {what}: no name matches {pattern}", code="unknown-choice")
    return rows


def _models(config: Config, pattern: str) -> Table:
    rows = _table()
    for model in (one for one in listing.names(config.weights) if fnmatch(one.name.lower(), pattern)):
        rows.add_row(model.name, model.summary, "; ".join(filter(None, (", ".join(model.motion_modes), model.weights))))
    return rows


def _protocols(config: Config, pattern: str) -> Table:
    rows = _table()
    for name in filter_like([*catalogue.names(), *plugins.registered("protocol")], pattern):
        try:
            protocol = catalogue.get(name)
        except PluginError as error:
            rows.add_row(name, escape(str(error)), BROKEN)
            continue
        tables = f"tables {', '.join(protocol.tables)}" if protocol.tables else "no published table"
        data = _data(protocol, config)
        about = f"{protocol.reference}; {protocol.mode} motion; {tables}"
        facts = f"{protocol.shape}s; version {protocol.version}; {data}; {about}"
        summary = f"custom data: {protocol.summary}" if protocol.custom else protocol.summary
        rows.add_row(name, escape(summary), facts)
    return rows


def _datasets(config: Config, pattern: str) -> Table:
    rows = _table()
    for name in filter_like(datasets.names(), pattern):
        try:
            opens = datasets.layout(name)
        except PluginError as error:
            rows.add_row(name, escape(str(error)), BROKEN)
            continue
        where = f"in {config.data[name]}" if name in config.data else "no folder"
        rows.add_row(name, escape(str(getattr(opens, "layout", ""))), escape(where))
    return rows


def _data(protocol: Protocol, config: Config) -> str:
    """Return the data set that a run would use with these roots."""
    try:
        requested = [name for name in config.asked if name not in datasets.names()]
        used = data_used(protocol, config.data, asked=requested, sample=config.sample)
    except DataError:
        return f"{protocol.dataset} (no folder)"
    if used == (SAMPLE,):
        return f"{protocol.dataset} ({'sample set' if config.sample else 'no folder: sample set'})"
    return f"{used[0]} in {config.data[used[0]]}"


def _metrics(config: Config, pattern: str) -> Table:
    """Return the metrics by shape, then by the number of papers that print the family, then in the order of tables."""
    from bench import metrics
    from bench.detectors.feature_networks import NETWORKS
    from bench.metrics import registered
    from bench.metrics.base import Definition
    from bench.metrics.clips.base import ClipDefinition
    from bench.metrics.clips.catalogue import CLIP_DEFINITIONS
    from bench.metrics.families import papers
    from bench.metrics.sets.base import SetDefinition
    from bench.metrics.sets.catalogue import SET_DEFINITIONS

    rows = _table()
    everything: list[Definition | ClipDefinition | SetDefinition] = [*metrics.definitions().values()]
    everything += [*CLIP_DEFINITIONS.values(), *SET_DEFINITIONS.values()]
    shapes = {name: metrics.family(name).shape for name in {one.family for one in everything}}
    everything.sort(key=lambda one: (list(SHAPES).index(shapes[one.family]), -papers(metrics.family(one.family))))
    before = ""
    for definition in (one for one in everything if fnmatch(one.name, pattern)):
        better = "higher" if definition.higher_is_better else "lower"
        shape = shapes[definition.family]
        if shape != before:
            rows.add_row(Text(SHAPES[shape], style="bold"), "", "")
            before = shape
        needs = f"; detector {name}" if (name := getattr(definition, "detector_name", None)) else ""
        if isinstance(definition, ClipDefinition):
            needs = "".join(f"; {why}" for why in definition.missing(config.weights))
        if isinstance(definition, SetDefinition):
            needs = "".join(f"; {why}" for why in NETWORKS[definition.kind].missing(config.weights))
        facts = f"family {definition.family}; {better} is better{needs}"
        rows.add_row(definition.name, definition.summary, facts)
    for name, broken in registered.everything().items():
        if isinstance(broken, PluginError) and fnmatch(name, pattern):
            rows.add_row(name, escape(str(broken)), BROKEN)
    return rows


def filter_like(names: Iterable[str], pattern: str) -> list[str]:
    """Return the names that match a pattern with ``*``, each once."""
    return [name for name in dict.fromkeys(names) if fnmatch(name.lower(), pattern)]


def _table() -> Table:
    table = Table("name", "what it is", "facts", box=None, padding=(0, 2, 0, 0), row_styles=["", "dim"])
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.overflow = "fold"  # file names must not be truncated
    return table
