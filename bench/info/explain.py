"""Explain a metric: its page in `bench/metrics/explain/`, its signature, and values on changed sample frames."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch

from bench import detectors, metrics
from bench.metrics import registered
from bench.metrics.base import Definition
from bench.metrics.catalogue import DEFINITIONS
from bench.metrics.clips.base import ClipDefinition
from bench.metrics.clips.catalogue import CLIP_DEFINITIONS
from bench.metrics.families import FAMILIES
from bench.metrics.sets.base import SetDefinition
from bench.metrics.sets.catalogue import SET_DEFINITIONS
from bench.metrics.signature import parse
from bench.run.measure import Measurer
from bench.runtime.config import Config
from bench.runtime.errors import UserError
from protocols import catalogue
from protocols.resolve import resolve

FOLDER = Path(__file__).parents[1] / "metrics" / "explain"
PROTOCOL = "vox1-sameid"
SEED = 0
Numbers = dict[str, dict[str, float]]
AnyDefinition = Definition | ClipDefinition | SetDefinition


@dataclass(frozen=True)
class Explanation:
    """The explanation of a metric.

    definition: None for a family. page: Markdown. siblings: all definitions of the page's families.
    """

    name: str
    definition: AnyDefinition | None
    page: str
    siblings: tuple[AnyDefinition, ...]


def explain(name: str) -> Explanation:
    """Explain a definition, a family or a page. Raises UserError, with the nearest names, for an unknown name."""
    if name not in {family.page for family in FAMILIES.values()}:
        metrics.check_name(name)
    known: dict[str, AnyDefinition] = {**metrics.definitions(), **CLIP_DEFINITIONS, **SET_DEFINITIONS}
    family = known[name].family if name in known else name
    if family in registered.names():
        metric = registered.load(family)
        return Explanation(name, known.get(name), metric.page, tuple(metric.definitions))
    page = FAMILIES[family].page if family in FAMILIES else name
    siblings = tuple(d for d in known.values() if d.family in FAMILIES and FAMILIES[d.family].page == page)
    return Explanation(name, known.get(name), _page(page), siblings)


def pages() -> dict[str, tuple[str, list[str]]]:
    """Return each page's title and the names of the definitions that it explains."""
    found: dict[str, tuple[str, list[str]]] = {}
    built_in = (DEFINITIONS, CLIP_DEFINITIONS, SET_DEFINITIONS)
    everything: list[AnyDefinition] = [one for known in built_in for one in known.values()]
    for definition in everything:
        page = FAMILIES[definition.family].page
        found.setdefault(page, (_title(_page(page)), []))[1].append(definition.name)
    for name, metric in registered.usable().items():
        found[name] = (_title(metric.page), [definition.name for definition in metric.definitions])
    return found


def _page(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def _title(page: str) -> str:
    return page.lstrip().partition("\n")[0].removeprefix("# ")


def parts(signature: str) -> list[tuple[str, str, str]]:
    """Return name, value and meaning of each part of a signature."""
    return [(name, value, _meaning(name)) for name, value in parse(signature).items()]


def choose(definitions: Sequence[AnyDefinition], config: Config) -> detectors.DetectorSet:
    """Return the detectors that definitions need, the papers' own where installed."""
    kinds = metrics.kinds([definition.name for definition in of_pairs(definitions)])
    return detectors.choose("auto", config.weights, kinds=kinds, cache=config.cache)


def of_pairs(definitions: Sequence[AnyDefinition]) -> list[Definition]:
    """Return the definitions with a value per pair of frames."""
    return [definition for definition in definitions if isinstance(definition, Definition)]


def signature(definition: AnyDefinition, choice: detectors.DetectorSet) -> str:
    """Return the signature with the installed detector's, or with its name if it is not available.

    For clips and sets, it has the names of detectors and features instead of their signatures.
    """
    if isinstance(definition, SetDefinition):
        return definition.signature(definition.kind, of_clips=True)
    if isinstance(definition, ClipDefinition):
        return definition.signature({part: part for part in (*definition.kinds, *definition.features)})
    if definition.detector is None:
        bound = next((d for d in _resolved(definition, choice) if d.name == definition.name), definition)
        return bound.signature()
    detector = choice.get(definition.detector)
    if detector is None or detector.name != definition.detector_name:
        return definition.signature(definition.detector_name)
    return definition.signature(detector.signature)


def measure(definitions: Sequence[AnyDefinition], choice: detectors.DetectorSet, config: Config, pairs: int) -> Numbers:
    """Return ``{short signature: {change: mean}}`` for changes of `pairs` frames of the sample set.

    Only for available definitions of pairs.
    """
    definitions = of_pairs(definitions)
    names = list(dict.fromkeys(d.name for definition in definitions for d in _resolved(definition, choice)))
    wanted = {definition.name for definition in definitions}
    if not wanted & set(names):
        return {}
    measurer = Measurer(names, choice, "same-identity", torch.device("cpu"))
    sample = resolve(catalogue.get(PROTOCOL), {}, config.cache, sample=True)
    every = max(1, len(sample.pair_list.pairs) // pairs)
    loaded = [sample.load(pair) for pair in sample.pair_list.pairs[::every][:pairs]]
    target, source = (np.stack([getattr(frames, role) for frames in loaded]) for role in ("target", "source"))
    references = {"target": target, "source": source, "driving": target}
    signatures = {metric.name: metric.short for metric in measurer.describe_metrics()}
    found: dict[str, dict[str, float]] = {signatures[name]: {} for name in signatures if name in wanted}
    for change, frames in changes(target, source).items():
        rows = measurer.measure(frames, references)
        for line, values in found.items():
            values[change] = float(rows[line.partition("|")[0]].mean())
    return found


def changes(target: np.ndarray, source: np.ndarray) -> Mapping[str, np.ndarray]:
    """Return changed frames ``(N, H, W, 3)`` uint8, by the name of the change."""
    rng = np.random.default_rng(SEED)
    noise = rng.normal(0, 8, target.shape)
    return {
        "none": target,
        "2 px right": np.stack([cv2.copyMakeBorder(f[:, :-2], 0, 0, 2, 0, cv2.BORDER_REPLICATE) for f in target]),
        "blur σ 2": np.stack([cv2.GaussianBlur(frame, (0, 0), 2) for frame in target]),
        "noise σ 8": np.clip(np.rint(target + noise), 0, 255).astype(np.uint8),
        "10 % darker": np.rint(target * 0.9).astype(np.uint8),
        "JPEG 30": np.stack([_jpeg(frame, 30) for frame in target]),
        "the source": source,
    }


def _jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    read = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert read is not None  # OpenCV's own JPEG
    return read[..., ::-1]


def _resolved(definition: Definition, choice: detectors.DetectorSet) -> list[Definition]:
    """Return the definitions of the name; none if its detector or weights are not available."""
    try:
        return metrics.resolve([definition.name], choice)
    except UserError:
        return []


@cache
def _meanings() -> dict[str, str]:
    return tomllib.loads((FOLDER / "_parts.toml").read_text(encoding="utf-8"))


def _meaning(name: str) -> str:
    return _meanings().get(name.rpartition(".")[2], "")
