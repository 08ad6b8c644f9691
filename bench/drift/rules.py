"""Decide whether a run can be compared with a reference, and on which pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.drift.reference import Record
from bench.metrics.signature import difference
from bench.runtime.errors import UserError
from protocols.words import counted


def refuse_incomparable(
    reference: Record, run: Record, mode: str, models: Sequence[str] | None, tolerances: Mapping[str, float]
) -> None:
    """Raise UserError, naming the first difference, if the numbers of the two cannot be compared."""
    unknown = sorted(set(models or ()) - set(reference.models))
    if unknown:
        known = ", ".join(sorted(reference.models))
        raise UserError(f"the reference has no model {', '.join(unknown)}; it has: {known}", code="unknown-model")
    unknown = sorted(set(tolerances) - set(reference.metrics))
    if unknown:
        known = ", ".join(sorted(reference.metrics))
        raise UserError(f"the reference has no metric {', '.join(unknown)}; it has: {known}", code="unknown-metric")
    for part, was in reference.protocol.items():
        if run.protocol.get(part) != was:
            raise UserError(
                f"protocol: {part} differs: reference {was}, run {run.protocol.get(part)}", code="not-comparable"
            )
    for name in sorted(reference.metrics.keys() & run.metrics.keys()):
        if parts := difference(reference.metrics[name].signature, run.metrics[name].signature):
            raise UserError(f"{name}: the signatures of reference and run differ: {parts}", code="not-comparable")
    for name in sorted(reference.models.keys() & run.models.keys()):
        before, after = reference.models[name].mode, run.models[name].mode
        if before != after and name in (models or reference.models):
            raise UserError(
                f"{name}: motion modes differ: reference {before or 'none'}, run {after or 'none'}",
                code="not-comparable",
            )
    if mode == "exact":
        _refuse_other_inputs(reference, run)


def _refuse_other_inputs(reference: Record, run: Record) -> None:
    if reference.pair_list.sha256 != run.pair_list.sha256:
        was, now = (
            f"{r.pair_list.name} {r.pair_list.sha256[:12]} ({counted(r.pair_list.n, 'pair')})" for r in (reference, run)
        )
        raise UserError(f"exact mode needs the same pairs: reference {was}, run {now}", code="not-comparable")
    if reference.sample_set != run.sample_set:
        was, now = ((r.sample_set or "none")[:12] for r in (reference, run))
        raise UserError(
            f"exact mode needs the same inputs: pixels of the sample set: reference {was}, run {now}",
            code="not-comparable",
        )
    if reference.seed != run.seed:
        raise UserError(
            f"exact mode needs the same inputs: seed: reference {reference.seed}, run {run.seed}", code="not-comparable"
        )


def common_pairs(reference: Record, run: Record, mode: str, models: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the pairs with the same id and frames on both sides, and notices. Raises UserError for too few pairs."""
    pairs = sorted(pair for pair, frames in reference.pairs.items() if run.pairs.get(pair) == frames)
    if not pairs:
        raise UserError(
            "the run and the reference have 0 pairs in common (same id, same frames)", code="no-common-pairs"
        )
    if mode == "statistical" and len(pairs) < 2:
        raise UserError(
            "the run and the reference have 1 pair in common; statistical mode needs 2 or more", code="no-common-pairs"
        )
    notices = []
    if len(pairs) < len(reference.pairs):
        notices.append(f"subset: {len(pairs)} of the reference's {len(reference.pairs)} pairs are in the run")
    if reference.sample_set != run.sample_set:
        notices.append("the sample set's pixels differ from the reference's; this causes small differences")
    for name in sorted(set(models) & run.models.keys()):
        was, now = ((r.models[name].weights_sha256 or "none")[:12] for r in (reference, run))
        if was != now:
            notices.append(f"{name}: weights changed: reference {was}, run {now}")
    return pairs, notices
