"""The metrics: look one up by name, or find those that a run computes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.metrics import registered, ssim
from bench.metrics.base import Definition
from bench.metrics.catalogue import DEFINITIONS, ON_REQUEST, PUBLISHED
from bench.metrics.clips.catalogue import CLIP_DEFINITIONS
from bench.metrics.families import FAMILIES, Family
from bench.metrics.sets.catalogue import SET_DEFINITIONS
from bench.metrics.shapes import shape
from bench.runtime.errors import UserError
from protocols.files import short_hash

if TYPE_CHECKING:
    from bench.detectors import DetectorSet
    from bench.detectors.requirement import Requirement

__all__ = [
    *("Definition", "check_name", "compute_images", "definitions", "empty", "family", "get", "is_like", "kinds"),
    *("published", "resolve"),
]


def definitions() -> dict[str, Definition]:
    """All definitions by name, in the order of a run's columns; those of packages last, but for broken ones."""
    return DEFINITIONS | _of_packages(registered.usable())


def family(name: str) -> Family:
    """A family by its name, of this program or of a package."""
    return FAMILIES[name] if name in FAMILIES else registered.load(name).family


def get(name: str) -> Definition:
    """One definition. Raises UserError with the nearest names for an unknown one."""
    known = _known([name])
    if name not in known:
        raise _unknown(name, [*DEFINITIONS, *registered.names()])
    return known[name]


def check_name(name: str) -> None:
    """Raise UserError, with the nearest names, unless `name` is a family or a definition."""
    known = [*_known([name]), *CLIP_DEFINITIONS, *SET_DEFINITIONS]
    if name not in (*known, *FAMILIES, *registered.names()):
        raise _unknown(name, list(dict.fromkeys([*FAMILIES, *known, *registered.names()])))


def is_like(name: str) -> bool:
    """Whether a name, in small letters, is a family's or a definition's, by the looks of it where a package's is."""
    known = (FAMILIES, DEFINITIONS, CLIP_DEFINITIONS, SET_DEFINITIONS)
    return any(name in names for names in known) or bool(registered.belongs([name]))


def kinds(names: Sequence[str]) -> set[str]:
    """The kinds of detectors and networks that families or definitions of pairs need; UserError for other names."""
    for name in names:
        _check_pairs(name)
    wanted = [d for d in _known(names).values() if d.name in names or (d.family in names and d.name not in ON_REQUEST)]
    return {definition.kind for definition in wanted if definition.kind}


def resolve(names: Sequence[str], choice: DetectorSet) -> list[Definition]:
    """The definitions that a run computes, in the order of tables, ready to compute with the installed weights.

    names: families, which stand for their right and their published definition as far as the chosen detectors give
    them, or single definitions by name. A name that is both, such as ``akd``, stands for the family.
    Raises UserError for an unknown name, for one of clips, and for a single definition that needs another detector than
    the chosen one.
    """
    wanted: set[str] = set()
    known = _known(names)
    for name in names:
        _check_pairs(name)
        if name in FAMILIES:
            chosen = (name, *FAMILIES[name].companions)
            wanted |= {d.name for d in known.values() if d.family in chosen and _is_available(d, choice)}
            wanted -= ON_REQUEST - set(names)
        elif name in registered.names():
            forms = [definition for definition in known.values() if definition.family == name]
            wanted |= {definition.name for definition in forms if _is_available(definition, choice)}
            if not wanted & {definition.name for definition in forms}:
                _require(forms[0], choice)
        else:
            _require(known[name], choice)
            wanted.add(name)
    return [_bind(definition, choice) for definition in known.values() if definition.name in wanted]


def empty(names: Sequence[str], choice: DetectorSet) -> dict[str, str]:
    """Definitions that `names` would bring, were their detector on this machine: name to what is missing."""
    return {
        d.name: choice.empty[d.detector]
        for d in _known(names).values()
        if d.detector in choice.empty and (d.name in names or (d.family in names and d.name not in ON_REQUEST))
    }


def published(names: Sequence[str], choice: DetectorSet) -> list[Definition]:
    """Of what `resolve` gives, what the authors' scripts computed, measured on frames that were truncated to 8 bits.

    They cut ``255 x`` off where an 8-bit file would round it, so the rounding in each signature is another. They drop
    faces that are not found without counting them, so companions such as ``mkr`` are left out.
    Raises UserError for another name without a published form.
    """
    companions = {name for family in FAMILIES.values() for name in family.companions}
    for name in names:
        known = name in companions or empty([name], choice)
        if not known and not any(d.name in PUBLISHED for d in resolve([name], choice)):
            forms = ", ".join(d.name for d in DEFINITIONS.values() if d.name in PUBLISHED and not d.proxy)
            raise UserError(
                f"--as-published: no paper's script computes {name}; published are {forms}", code="no-published-form"
            )
    chosen = [definition for definition in resolve(names, choice) if definition.name in PUBLISHED]
    return [replace(d, params={**d.params, "rounding": "uint8-truncated"}) for d in chosen]


def compute_images(
    chosen: Sequence[Definition], prediction: Tensor, reference: Tensor, threads: int | None = None
) -> dict[str, Tensor]:
    """``{name: (N,) float64}`` of those definitions that compare images.

    The same numbers as each definition's own `compute`; those of SSIM share what they have in common.
    threads: how many share the pairs of the metrics of pixels on a CPU; by default as many as torch uses.
    """
    pixels = [definition for definition in chosen if definition.kind is None]
    threads = min(threads or torch.get_num_threads(), len(prediction)) if prediction.device.type == "cpu" else 1
    if threads > 1 and pixels:
        bounds = [len(prediction) * part // threads for part in range(threads + 1)]
        parts = [slice(start, stop) for start, stop in zip(bounds, bounds[1:])]
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(lambda part: _pixels(pixels, prediction[part], reference[part]), parts))
        values = {d.name: torch.cat([part[d.name] for part in found]) for d in pixels}
    else:
        values = _pixels(pixels, prediction, reference)
    for definition in chosen:
        if definition.detector is None and definition.name not in values:
            values[definition.name] = definition.compute(prediction, reference)
    return {definition.name: values[definition.name] for definition in chosen if definition.name in values}


def _pixels(chosen: Sequence[Definition], prediction: Tensor, reference: Tensor) -> dict[str, Tensor]:
    windows = {"uniform7": "box", "gauss11-1.5": "gauss"}
    # Of this program's SSIM alone: a package's metric may have a window, too, and computes for itself.
    alike = [one for one in chosen if one.name in DEFINITIONS and one.params.get("window") in windows]
    values: dict[str, Tensor] = {}
    if alike:
        forms = [(windows[str(d.params["window"])], float(d.params["data_range"])) for d in alike]
        values |= dict(zip((d.name for d in alike), ssim.ssim_forms(prediction, reference, forms)))
    return values | {d.name: d.compute(prediction, reference) for d in chosen if d.name not in values}


def _check_pairs(name: str) -> None:
    """`check_name`; UserError for a name whose values are of clips or sets, too."""
    check_name(name)
    if (of := shape(name)) != "pair":
        raise UserError(f"{name} needs {of}s, and this command measures pairs of frames", code="no-metric")


def _known(names: Sequence[str]) -> dict[str, Definition]:
    """The built-in definitions and those of packages that names belong to. Raises PluginError for a broken package."""
    return DEFINITIONS | _of_packages(registered.wanted(names))


def _of_packages(found: Mapping[str, registered.Metric]) -> dict[str, Definition]:
    return {definition.name: definition for metric in found.values() for definition in metric.definitions}


def _is_available(definition: Definition, choice: DetectorSet) -> bool:
    if need := definition.requires:
        return need.name in choice.networks.get(need.kind, ())
    if definition.detector is None:
        return True
    detector = choice.get(definition.detector)
    return detector is not None and detector.name == definition.detector_name


def _require(definition: Definition, choice: DetectorSet) -> None:
    if definition.requires and definition.requires.missing(choice.weights):
        raise _lacking(definition, definition.requires, choice)
    if not definition.requires and not _is_available(definition, choice):
        raise UserError(
            f"{definition.name} needs the detector {definition.detector_name}, which this run does not use; "
            "see --detectors and `python -m bench doctor`",
            code="missing-detector",
        )


def _bind(definition: Definition, choice: DetectorSet) -> Definition:
    """A definition with the hash of the weights that it requires in its signature; others as they are."""
    if definition.requires is None:
        return definition
    file = definition.requires.file(choice.weights)
    if file is None:
        raise _lacking(definition, definition.requires, choice)
    params = {**definition.params, "weights": short_hash(file)}
    compute: Callable[..., Tensor] = definition.compute  # which takes the weights folder, too: `Definition.requires`
    return replace(definition, params=params, compute=partial(compute, weights_folder=choice.weights))


def _lacking(definition: Definition, need: Requirement, choice: DetectorSet) -> UserError:
    reasons = "; ".join(need.missing(choice.weights))
    return UserError(
        f"{definition.name}: {reasons}; `python -m bench doctor` shows where to put it", code="missing-weights"
    )


def _unknown(name: str, known: list[str]) -> UserError:
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"
    return UserError(f"unknown metric {name}: {hint}", code="unknown-metric")
