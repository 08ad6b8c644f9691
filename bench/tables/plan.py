"""Plan the runs of papers' tables: protocols, models, metrics, and which of them this machine has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines import checkpoints, samples
from baselines.card import MODELS, card, find_weights, unavailable
from baselines.errors import ModelError
from baselines.memface.files import in_words
from baselines.memface.variants import VARIANTS as MEMFACE
from baselines.origin import judge
from baselines.spec import ModelSpec
from bench.runtime.config import Config
from bench.runtime.errors import UserError
from protocols import catalogue
from protocols.catalogue import SAME, SAMPLE, Protocol
from protocols.clips import ClipList
from protocols.errors import DataError
from protocols.pairs import PairList
from protocols.published import RULES, frozen_name, read_pairs, recognize
from protocols.roots import data_used, refuse_unused
from reports.paper.printed import Column, Row, Table

NOBODY = "no weights: nobody publishes any"
HINT = "--sample-weights takes the sample checkpoint"


@dataclass(frozen=True)
class Job:
    """One run: everything that the tables need of a protocol.

    models: as for ``--models``. weights: model to the origin of its weights, in words. skipped: model to the reason.
    metrics: families. columns: the printed columns that they fill. unfilled: printed columns that no run fills, to the
    reason. data: origin of the frames, in words; None if they are missing. pairs: a list.
    """

    protocol: Protocol
    tables: tuple[str, ...]
    models: tuple[str, ...]
    weights: Mapping[str, str]
    skipped: Mapping[str, str]
    metrics: tuple[str, ...]
    columns: tuple[Column, ...]
    unfilled: Mapping[str, str]
    data: str | None
    pairs: Path | None

    @property
    def ready(self) -> bool:
        """Return whether the job can be run."""
        return bool(self.models) and self.data is not None


def plan(
    tables: Sequence[Table],
    config: Config,
    *,
    models: Sequence[str] = (),
    require_data: bool = False,
    untrained: bool = False,
    sample_weights: bool = False,
    pairs: Sequence[Path] = (),
) -> list[Job]:
    """Return one job for each protocol of `tables`, in the order of the catalogue.

    models: specs to run instead of the tables' models. untrained: random weights for models without weights.
    sample_weights: use sample checkpoints on real data, too; else such models are skipped there, since their rows say
    nothing about the published models. On the sample set, where nothing is comparable, they are always used.
    pairs: lists, each for the protocols that it fits. Raises UserError for tables that need no protocol, and for a list
    that fits none; ModelError for ambiguous weights.
    """
    printed = {name: _printed_cells(tables, name) for name in catalogue.names()}
    printed = {name: cells for name, cells in printed.items() if cells}
    if not printed:
        names = ", ".join(table.id for table in tables)
        raise UserError(
            f"{names}: no protocol here measures these printed numbers, so nothing can be run", code="nothing-to-run"
        )
    protocols = [catalogue.get(name) for name in printed]
    takes = [SAMPLE] if config.sample else [protocol.dataset for protocol in protocols]
    refuse_unused(config.asked, takes, ", ".join(table.id for table in tables))
    lists = _lists(pairs, protocols)
    jobs = []
    for name, cells in printed.items():
        protocol = catalogue.get(name)
        data, on_sample = _data(protocol, config, require_data, name in lists)
        small = sample_weights or on_sample
        chosen, weights, skipped = _models([row for _, row, _ in cells], config.weights, untrained, small)
        families = [column.family for _, _, column in cells]
        jobs.append(
            Job(
                protocol,
                tuple(dict.fromkeys(table.id for table, _, _ in cells)),
                tuple(models or chosen),
                {} if models else weights,
                {} if models else skipped,
                tuple(family for family in protocol.metrics if family in (*families, *_mouth_families(protocol))),
                tuple({column.head: column for _, _, column in cells}.values()),
                _unfilled(tables, name),
                data,
                lists.get(name),
            )
        )
    return jobs


def _printed_cells(tables: Sequence[Table], name: str) -> list[tuple[Table, Row, Column]]:
    """Return the printed cells whose metric a protocol has, even with another definition."""
    families = catalogue.get(name).metrics
    return [
        (table, row, column)
        for table in tables
        for row in table.rows
        for column, printed in zip(table.columns, row.printed)
        if table.protocol_of(row, column) == name and printed and column.family in families
    ]


def _mouth_families(protocol: Protocol) -> tuple[str, ...]:
    """Return families on mouth motion that need no file, in addition to the printed SyncNet metrics."""
    return ("vertex-rmse", "lip-correlation") if protocol.driven_by == "sound" else ()


def _unfilled(tables: Sequence[Table], name: str) -> dict[str, str]:
    """Return the printed columns of a protocol that no run fills, to the reason."""
    return {
        column.head: column.unfilled
        for table in tables
        for row in table.rows
        for column in table.columns
        if table.protocol_of(row, column) == name and column.unfilled
    }


def _models(
    rows: Sequence[Row], weights: Path | None, untrained: bool, small: bool
) -> tuple[list[str], dict[str, str], dict[str, str]]:
    """Return specs of the models that can run, the origin of their weights, and the reasons of the others."""
    specs: list[str] = []
    sources: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for row in {row.key: row for row in rows}.values():
        model = row.model
        if model is None:
            skipped[row.key] = "no model here computes this row"
        elif model in unavailable():
            skipped[model] = unavailable()[model]["reason"]
        elif model in MEMFACE:
            spec, source = _memface(model, weights, untrained, small)
            if spec:
                specs.append(spec)
                sources[model] = source
            else:
                skipped[model] = source
        elif model not in MODELS:
            skipped[model] = "this version has no such model"
        elif (file := find_weights(card(model), weights)) and (small or not is_sample(model, file)):
            specs.append(model)
            sources[model] = str(file)
        elif small and card(model).sample.is_file():
            specs.append(model)
            sources[model] = "SAMPLE WEIGHTS"
            for seed, other in samples.other_seeds(model).items():
                label = f"{model}-seed{seed}"
                specs.append(str(ModelSpec("model", model, {"weights": str(other)}, label=label)))
                sources[label] = "SAMPLE WEIGHTS"
        elif untrained:
            specs.append(str(ModelSpec("model", model, {"weights": "untrained"}, label=model)))
            sources[model] = "UNTRAINED"
        else:
            skipped[model] = _why_skipped(model, file, small)
    return list(dict.fromkeys(specs)), sources, skipped


def _memface(model: str, weights: Path | None, untrained: bool, small: bool) -> tuple[str | None, str]:
    """Return the spec and the origin of the weights of both stages; or None and why it cannot run."""
    found = in_words(model, weights)
    if found.startswith("sample"):
        return (model, "SAMPLE WEIGHTS") if small else (None, f"{NOBODY} ({HINT})")
    if not found.startswith(("no ", "needs ")):
        return model, found
    if untrained:
        return str(ModelSpec("model", model, {"weights": "untrained"}, label=model)), "UNTRAINED"
    return None, f"{NOBODY}; train them (docs/sound.md)" if found.startswith("no ") else found


def is_sample(model: str, file: Path) -> bool:
    """Return whether a file with a published name is a sample checkpoint; the run rejects an unreadable one."""
    about = card(model)
    try:
        checkpoint = checkpoints.load(file, about)
    except ModelError:
        return False
    return judge(about, checkpoint, checkpoint.config or about.config).status == "sample"


def _why_skipped(model: str, file: Path | None, small: bool) -> str:
    about = card(model)
    reason = f"no weights: needs {' or '.join(about.files)}" if about.files else NOBODY
    if file:
        return f"{file} is a sample checkpoint (--sample-weights takes it)"
    if small and model in samples.recipes():
        return f"{reason}; no sample checkpoint is here: python -m bench samples build {model}"
    return f"{reason} ({HINT})" if about.sample.is_file() else reason


def _data(protocol: Protocol, config: Config, require_data: bool, has_list: bool) -> tuple[str | None, bool]:
    """Return the origin of the frames in words, or None; and whether it is the sample set."""
    listed = (protocol.dataset,) if has_list else None
    try:
        used = data_used(protocol, config.data, sample=config.sample, require_data=require_data, listed=listed)
    except DataError:
        return None, False
    if used != (SAMPLE,):
        return f"{protocol.dataset} in {config.data[protocol.dataset]}", False
    why = ", as requested" if config.sample else f" instead of {protocol.dataset}: no folder is given"
    return f"SAMPLE SET{why}", True


def _lists(files: Sequence[Path], protocols: Sequence[Protocol]) -> dict[str, Path]:
    """Return each protocol's list: a published one by its hash, others by data set and whether pairs have a truth."""
    found: dict[str, Path] = {}
    for file in files:
        fitting = _fitting(file, protocols)
        if not fitting:
            names = ", ".join(protocol.name for protocol in protocols)
            raise UserError(f"--pairs {file}: this list fits none of {names}", code="wrong-pairs")
        for name in fitting:
            if name in found:
                raise UserError(f"--pairs: {found[name]} and {file} both fit {name}", code="duplicate-option")
            found[name] = file
    return found


def _fitting(file: Path, protocols: Sequence[Protocol]) -> list[str]:
    if (rule := frozen_name(file)) in RULES:
        return [protocol.name for protocol in protocols if protocol.name == rule]
    try:
        pairs: PairList | ClipList = read_pairs(file)
    except DataError as error:
        try:
            pairs = ClipList.read(file)
        except DataError:
            raise error from None
    if isinstance(pairs, ClipList):
        of_sound = {clip.driven_by for clip in pairs.clips}
        return [
            protocol.name
            for protocol in protocols
            if protocol.shape == "clip" and of_sound == {protocol.driven_by} and pairs.datasets() == [protocol.dataset]
        ]
    known = recognize(pairs.sha256)
    datasets = {ref.dataset for ref in pairs.refs()}
    reference = all(pair.target is not None for pair in pairs.pairs)
    return [
        protocol.name
        for protocol in protocols
        if (known and known["name"] in protocol.published)
        or (not known and datasets == {protocol.dataset} and reference == (protocol.reference == SAME))
    ]
