"""The metrics: look one up by name, or resolve the names that a run requests."""

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
    """Return all definitions by name, in the order of a run's columns; those of packages last, without broken ones."""
    return DEFINITIONS | _of_packages(registered.usable())


def family(name: str) -> Family:
    """Return a family by its name, built-in or of a package."""
    return FAMILIES[name] if name in FAMILIES else registered.load(name).family


def get(name: str) -> Definition:
    """Return one definition. Raises UserError with the nearest names for an unknown one."""
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
    """Return whether a lower-case name is a family's or a definition's; a package's is recognized by its name alone."""
    known = (FAMILIES, DEFINITIONS, CLIP_DEFINITIONS, SET_DEFINITIONS)
    return any(name in names for names in known) or bool(registered.belongs([name]))


def kinds(names: Sequence[str]) -> set[str]:
    """Return the kinds of detectors and networks that families or definitions of pairs need. Raises UserError."""
    for name in names:
        _check_pairs(name)
    wanted = [d for d in _known(names).values() if d.name in names or (d.family in names and d.name not in ON_REQUEST)]
    return {definition.kind for definition in wanted if definition.kind}


def resolve(names: Sequence[str], choice: DetectorSet) -> list[Definition]:
    """Return the definitions that a run computes, in the order of tables, bound to the installed weights.

    names: families or single definitions. A family stands for its right and its published definition, as far as the
    chosen detectors compute them. A name that is both, such as ``akd``, stands for the family.
    Raises UserError for an unknown name, for a clip metric, and for a single definition that needs a detector other
    than the chosen one.
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
    """Return the definitions that `names` would add if their detector were installed: name to what is missing."""
    return {
        d.name: choice.empty[d.detector]
        for d in _known(names).values()
        if d.detector in choice.empty and (d.name in names or (d.family in names and d.name not in ON_REQUEST))
    }


def published(names: Sequence[str], choice: DetectorSet) -> list[Definition]:
    """Return those definitions of `resolve` that the authors' scripts computed, measured on frames truncated to 8 bits.

    The scripts truncate ``255 x`` where an 8-bit file would round it, so each signature has another rounding. They drop
    frames in which no face is found without counting them, so companions such as ``mkr`` are left out.
    Raises UserError for a name without a published form.
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
    """Return ``{name: (N,) float64}`` of the definitions that compare images.

    Same numbers as each definition's own `compute`; the SSIM forms share their common steps.
    threads: number of threads over the pairs of pixel metrics on a CPU; by default torch's number.
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
    # Only this program's SSIM: a package's metric may have a window, too, and computes it itself.
    alike = [one for one in chosen if one.name in DEFINITIONS and one.params.get("window") in windows]
    values: dict[str, Tensor] = {}
    if alike:
        forms = [(windows[str(d.params["window"])], float(d.params["data_range"])) for d in alike]
        values |= dict(zip((d.name for d in alike), ssim.ssim_forms(prediction, reference, forms)))
    return values | {d.name: d.compute(prediction, reference) for d in chosen if d.name not in values}


def _check_pairs(name: str) -> None:
    """`check_name`; UserError also for a clip or set metric."""
    check_name(name)
    if (of := shape(name)) != "pair":
        raise UserError(f"{name} needs {of}s, and this command measures pairs of frames", code="no-metric")


def _known(names: Sequence[str]) -> dict[str, Definition]:
    """Return the definitions, built-in or of packages, that `names` refer to. Raises PluginError for a broken one."""
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
    """Return a definition with the hash of the weights that it requires in its signature; others unchanged."""
    if definition.requires is None:
        return definition
    file = definition.requires.file(choice.weights)
    if file is None:
        raise _lacking(definition, definition.requires, choice)
    params = {**definition.params, "weights": short_hash(file)}
    compute: Callable[..., Tensor] = definition.compute  # also takes the weights folder: `Definition.requires`
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
