"""Set metrics: find those that a run computes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import get_args

from bench.detectors import DetectorSet
from bench.metrics.families import FAMILIES
from bench.metrics.sets.base import Role, SetDefinition
from bench.metrics.sets.catalogue import SET_DEFINITIONS
from bench.runtime.errors import UserError

ROLES: tuple[Role, ...] = get_args(Role)


def real_side(reference: str, roles: Collection[str] | None = None) -> Role | None:
    """Return the role of the real side: the target frames, else the driving ones; None where there are neither.

    In cross-identity pairs all people drive and all are animated, so the driving frames show the same faces as the
    output.
    reference: ``same-identity`` or ``cross-identity``. roles: the roles that exist, where `reference` does not
    determine them.
    """
    if roles is None:
        return "target" if reference == "same-identity" else "driving"
    return next((role for role in ROLES if role in roles), None)


def kinds_of_sets(names: Sequence[str]) -> set[str]:
    """Return the kinds of detectors that families or definitions of sets read."""
    return {one.kind for one in _definitions(names)}


def resolve_sets(names: Sequence[str], choice: DetectorSet, of_clips: bool, real: Role | None) -> list[SetDefinition]:
    """Return the definitions that a run computes, in the order of tables.

    names: families or single definitions. A family stands for all of its definitions that can be computed here; a proxy
    only where the papers' own network is missing.
    of_clips: whether the run is of whole clips; windows of frames need clips. real: from `real_side`.
    Raises UserError for a single definition that cannot be computed here.
    """
    requested = _definitions(names)
    reasons = {one.name: _why_not(one, choice, of_clips, real) for one in requested}
    for one in requested:
        if reasons[one.name] and one.name in names and one.name not in FAMILIES:
            hint = "; `python -m bench doctor` shows where to put it" if one.kind in choice.empty else ""
            raise UserError(f"{one.name}: {reasons[one.name]}{hint}", code="no-metric")
    own = {one.family for one in requested if not one.proxy and not reasons[one.name]}
    usable = [one for one in requested if not reasons[one.name]]
    return [one for one in usable if one.name in names or not (one.proxy and one.family in own)]


def sets_left_out(names: Sequence[str], choice: DetectorSet, of_clips: bool, real: Role | None) -> list[str]:
    """Return a line for each reason why definitions of the families in `names` are not computed."""
    reasons: dict[str, list[str]] = {}
    for definition in _definitions(names):
        if why := _why_not(definition, choice, of_clips, real):
            reasons.setdefault(why, []).append(definition.name)
    return [f"not measured: {', '.join(found)} ({why})" for why, found in reasons.items()]


def _why_not(definition: SetDefinition, choice: DetectorSet, of_clips: bool, real: Role | None) -> str:
    if real is None:
        return "there are no real videos for comparison"
    if definition.window > 1 and not of_clips:
        return "needs whole clips, and this protocol has single frames"
    if definition.kind in choice:
        return ""
    return choice.empty.get(definition.kind) or f"no network for {definition.kind}"


def _definitions(names: Sequence[str]) -> list[SetDefinition]:
    families = {other for name in names if name in FAMILIES for other in (name, *FAMILIES[name].companions)}
    everything = SET_DEFINITIONS.values()
    return [one for one in everything if one.name in names or (one.family in families and not one.on_request)]
