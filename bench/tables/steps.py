"""What must be available to run a paper's tables: data, lists, packages, weights, trainings; and whether it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Literal

from baselines.card import MODELS, Card, card, find_weights
from baselines.errors import ModelError
from baselines.memface.files import HERE, STAGES, file_of, trained_as
from baselines.memface.variants import VARIANTS as MEMFACE
from baselines.spec import ModelSpec
from bench.info.doctor import packages
from bench.runtime.config import Config
from bench.tables.plan import Job, is_sample
from bench.weights import files as weights
from bench.weights.files import WeightFile
from protocols.datasets import layout
from protocols.published import FROZEN_PREFIX, RULES, known_lists
from reports.paper.printed import Column

# weights: of detectors and of metrics' backbones; checkpoint: of a model, by its authors; training: to be done here.
Kind = Literal["data set", "pair list", "package", "weights", "checkpoint", "training loss", "training"]
LISTS = Path("lists")  # the commands look for published pair lists here
TERMS = "its publisher's (NOTICE, section 5)"
# Training data of MemFace's stages (section 4.1).
STAGE_DATA = {"a2e": "grid", "render": "obama"}


@dataclass(frozen=True)
class Step:
    """One thing to get.

    wanted_for: protocols, metrics or models. found: its path, None where it is missing. place: where to put it. way:
        how to get it, a command or words. size, license: in words; empty where unknown.
    """

    kind: Kind
    name: str
    wanted_for: str
    found: str | None
    place: str
    way: str
    size: str = ""
    license: str = ""


def steps(jobs: Sequence[Job], config: Config) -> list[Step]:
    """Return everything that the runs of a plan need, in the order in which to get it."""
    folder = config.weights
    first = [*_data(jobs, config), *_lists(jobs, config), *_packages(jobs, folder), *_detectors(jobs, folder)]
    trainings = [*_trainings(jobs, config), *_stages(jobs, config)]
    loss = [_file("training loss", file) for file in weights.select(weights.files(folder), ["vgg19"]) if trainings]
    return [*first, *_models(jobs, folder), *loss, *trainings]


def root(dataset: str, config: Config) -> Path:
    """Return a data set's folder, as configured or else the placeholder of the commands."""
    return config.data.get(dataset, Path("/data") / dataset)


def weights_folder(config: Config) -> Path:
    """Return the weights folder, as configured or else the placeholder of the commands."""
    return config.weights or Path("/data/weights")


def pair_list(job: Job) -> Path | None:
    """Return the list of a run: the given one, else a published one, else this project's."""
    protocol = job.protocol
    if job.pairs or protocol.published:
        return job.pairs or LISTS / f"{protocol.published[0]}.csv"
    return Path(f"{FROZEN_PREFIX}{protocol.frozen}") if protocol.frozen else None


def is_rule(name: Path) -> bool:
    """Return whether a list is generated from the data during the run, so that no file is needed."""
    return str(name).removeprefix(FROZEN_PREFIX) in RULES


def models(jobs: Sequence[Job]) -> list[str]:
    """Return this project's networks in the tables' rows, with or without weights, in the order of lists."""
    names = {ModelSpec.parse(spec).name for job in jobs for spec in (*job.models, *job.skipped)}
    return [name for name in dict.fromkeys((*MODELS, *MEMFACE)) if name in names]


def _data(jobs: Sequence[Job], config: Config) -> Iterator[Step]:
    for name in dict.fromkeys(job.protocol.dataset for job in jobs):
        wanted_for = ", ".join(job.protocol.name for job in jobs if job.protocol.dataset == name)
        folder = config.data.get(name)
        found = str(folder) if folder and folder.is_dir() else None
        place = f"--data {name}={root(name, config)}, with {getattr(layout(name), 'layout', 'its clips')}"
        way = "from its publisher, preprocessed as by its authors; no command here downloads it"
        yield Step("data set", name, wanted_for, found, place, way, "size not measured", TERMS)


def _lists(jobs: Sequence[Job], config: Config) -> Iterator[Step]:
    named: dict[str, list[Job]] = {}
    for job in jobs:
        published = " or ".join(f"{name}.csv" for name in job.protocol.published)
        named.setdefault(published or str(pair_list(job) or f"{job.protocol.name}.csv"), []).append(job)
    for name, of in named.items():
        wanted_for, first = ", ".join(job.protocol.name for job in of), of[0]
        given = next((str(job.pairs) for job in of if job.pairs), None)
        if first.protocol.published:
            own = f"{FROZEN_PREFIX}{first.protocol.frozen}"
            way = f"from the repositories of the papers' authors; or {own}, which comes with the program"
            sizes = [str(entry["pairs"]) for entry in known_lists() if entry["name"] in first.protocol.published]
            size, place = " or ".join(dict.fromkeys(sizes)) + " pairs", f"--pairs {pair_list(first)}"
            yield Step("pair list", name, wanted_for, given, place, way, size)
        elif (frozen := pair_list(first)) is not None:
            way = "none is published; this one comes with the program"
            yield Step("pair list", name, wanted_for, given or "in the program", f"--pairs {frozen}", way)
        else:
            where = quote(f"{first.protocol.dataset}={root(first.protocol.dataset, config)}")
            way = f"python -m bench clips make --protocol {first.protocol.name} --data {where} --out {name}"
            yield Step("pair list", name, wanted_for, given or "generated by a rule", f"--pairs {name}, or none", way)


def _packages(jobs: Sequence[Job], folder: Path | None) -> Iterator[Step]:
    families = {family for job in jobs for family in job.metrics}
    for row in packages(folder):
        if _names(row.used_for) & families:
            yield Step("package", row.item, row.used_for, row.found, row.place, row.source)


def _detectors(jobs: Sequence[Job], folder: Path | None) -> Iterator[Step]:
    definitions = {name for column in columns(jobs) for name in column.definitions}
    for file in weights.files(folder):
        if not file.models and _names(file.used_for) & definitions:
            yield _file("weights", file)


def _models(jobs: Sequence[Job], folder: Path | None) -> Iterator[Step]:
    published = {(file.id, file.name): file for file in weights.files(folder)}
    for about in (card(name) for name in models(jobs) if name in MODELS and card(name).files):
        found, way = _checkpoint(about, folder)
        name, place = " or ".join(about.files), f"{folder or weights.FOLDER}/{about.package}/"
        source = f"github.com/{about.repository}, {way}"
        yield Step("checkpoint", name, about.name, found, place, source, weights.model_size(about), about.license)
        for network in about.networks:
            if file := published.get((about.name, about.companions.get(network, ""))):
                yield _file("checkpoint", file, about.name)


def _trainings(jobs: Sequence[Job], config: Config) -> Iterator[Step]:
    """Yield the trainings of networks that are not driven by sound: on VoxCeleb1, as in the papers."""
    for name in models(jobs):
        if name in MODELS and name not in MEMFACE and not card(name).files:
            found, _ = _checkpoint(card(name), config.weights)
            yield _training(name, found, root("vox1", config) / "train", config)


def _stages(jobs: Sequence[Job], config: Config) -> Iterator[Step]:
    """Yield the trainings of both stages of MemFace, and of each variant of one."""
    seen: set[str] = set()
    for stage, name in ((stage, name) for stage in STAGES for name in models(jobs) if name in MEMFACE):
        own, dataset = trained_as(stage, name), STAGE_DATA[stage]
        if own in seen:
            continue
        if dataset not in seen:
            way = f"the videos of {dataset} except those in its test list, selected by hand (a training uses all files)"
            yield Step("data set", f"{dataset}-train", f"training of {stage}", None, str(_train(dataset, config)), way)
        seen |= {own, dataset}
        try:
            file = file_of(stage, name, config.weights)
        except ModelError:
            file = None
        found = str(file) if file and file.parent != HERE else None
        yield _training(own, found, _train(dataset, config), config)


def _train(dataset: str, config: Config) -> Path:
    """Return the folder of MemFace's training data: next to the data set, since it is no split of it."""
    folder = root(dataset, config)
    return folder.with_name(f"{folder.name}-train")


def _training(name: str, found: str | None, data: Path, config: Config) -> Step:
    out = weights_folder(config) / name
    way = f"python -m bench train --model {name} --data {quote(str(data))} --out {quote(str(out))}"
    return Step("training", name, "rows without published weights", found, f"{out}/", way, "time not measured")


def _checkpoint(about: Card, folder: Path | None) -> tuple[str | None, str]:
    """Return the path of a model's checkpoint, unless it is a sample one; and how to get it, or what is wrong."""
    try:
        file = find_weights(about, folder)
    except ModelError as error:
        if folder is None or not folder.is_dir():
            raise
        return None, str(error)
    return (str(file) if file and not is_sample(about.name, file) else None), weights.way_to(about)


def _file(kind: Kind, file: WeightFile, wanted_for: str = "") -> Step:
    way = f"python -m bench weights fetch {file.id}" if file.address else f"{file.source}, {file.way}"
    found = str(file.found) if file.found else None
    return Step(kind, file.name, wanted_for or file.used_for, found, file.place, way, file.size, file.license)


def columns(jobs: Sequence[Job]) -> list[Column]:
    """Return the printed columns that the runs fill, each once."""
    return list({column.head: column for job in jobs for column in job.columns}.values())


def _names(used_for: str) -> set[str]:
    return {name.partition(" (")[0].strip() for name in used_for.split(",")}
