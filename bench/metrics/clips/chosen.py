"""Clip metrics: find those that a run computes, and the features that they read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from bench.detectors import DetectorSet
from bench.features.base import Feature
from bench.metrics.clips.base import ClipDefinition
from bench.metrics.clips.catalogue import CLIP_DEFINITIONS, FEATURES
from bench.metrics.families import FAMILIES
from bench.runtime.errors import UserError

__all__ = ["feature", "kinds_of_clips", "left_out", "resolve_clips"]


def kinds_of_clips(names: Sequence[str]) -> set[str]:
    """Return the kinds of detectors that families or definitions of clips read."""
    return {kind for one in _definitions(names) for kind in one.kinds}


def resolve_clips(
    names: Sequence[str], choice: DetectorSet, reference: str, roles: Collection[str] | None = None
) -> list[ClipDefinition]:
    """Return the definitions that a run computes, in the order of tables.

    names: families or single definitions. A family stands for all of its definitions that can be computed here.
    reference: ``same-identity`` or ``cross-identity``. Cross-identity clips have no target, so metrics that compare
    with it do not apply.
    roles: the reference roles that exist, where `reference` does not determine them (`Protocol.roles`).
    Raises UserError for a single definition that cannot be computed here.
    """
    chosen = []
    for definition in _definitions(names):
        why = _why_not(definition, choice, reference, roles)
        if not why:
            chosen.append(definition)
        elif definition.name in names and definition.name not in FAMILIES:
            hint = "; `python -m bench doctor` shows where to put it" if definition.missing(choice.weights) else ""
            raise UserError(f"{definition.name}: {why}{hint}", code="no-metric")
    return chosen


def left_out(
    names: Sequence[str], choice: DetectorSet, reference: str, roles: Collection[str] | None = None
) -> list[str]:
    """Return a line for each reason why definitions of the families in `names` are not computed."""
    reasons: dict[str, list[str]] = {}
    for definition in _definitions(names):
        if why := _why_not(definition, choice, reference, roles):
            reasons.setdefault(why, []).append(definition.name)
    return [f"not measured: {', '.join(found)} ({why})" for why, found in reasons.items()]


def _why_not(definition: ClipDefinition, choice: DetectorSet, reference: str, roles: Collection[str] | None) -> str:
    """Return in words why a definition cannot be computed here; empty where it can."""
    has = roles if roles is not None else {"source", "driving", *(["target"] if reference == "same-identity" else [])}
    if definition.against not in (*has, "none"):
        return f"compares with the {definition.against} clip, and there is none"
    return "; ".join([*definition.missing(choice.weights), *_detectors(definition, choice)])


def feature(name: str, weights: Path | None) -> Feature:
    """Return a feature by its name. weights: the weights folder, or None."""
    return FEATURES[name](weights)


def _definitions(names: Sequence[str]) -> list[ClipDefinition]:
    families = {other for name in names if name in FAMILIES for other in (name, *FAMILIES[name].companions)}
    return [one for one in CLIP_DEFINITIONS.values() if one.name in names or one.family in families]


def _detectors(definition: ClipDefinition, choice: DetectorSet) -> list[str]:
    """Return in words which detectors a definition lacks."""
    lacking = []
    for kind, names in definition.kinds.items():
        detector = choice.get(kind)
        if detector is None:
            lacking.append(choice.empty.get(kind) or f"no detector of {kind}")
        elif names and detector.name not in names:
            lacking.append(f"needs the detector {' or '.join(names)}, and this run uses {detector.name}")
    return lacking
