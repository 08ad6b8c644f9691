"""Check whether trainings left out the test videos, for protocols that take them from the training split."""

from __future__ import annotations

from baselines.training.exclude import bare
from protocols.resolve import Resolved
from reports.schema.manifest import Prepared


def notices(plan: Prepared, resolved: Resolved) -> list[str]:
    """Return a line for every model whose training may have seen the pair list's videos, by its checkpoint.

    None on the sample set, where models are trained on these clips on purpose, and for models without a training here
    (bounds, frames from elsewhere).
    """
    if resolved.protocol.strategy != "seen-identity" or resolved.is_sample:
        return []
    listed = {bare(ref.clip) for ref in resolved.pair_list.refs()}
    lines = []
    for model in plan.models:
        training = model.training
        if not isinstance(training, dict):
            continue
        names = training.get("excluded")  # the file may contain anything
        left_out = {bare(name) for name in names if isinstance(name, str)} if isinstance(names, list) else set()
        if seen := listed - left_out:
            lines.append(
                f"{model.name}: its checkpoint does not say that {len(seen)} of the {len(listed)} test videos were "
                f"left out of its training (train --exclude-pairs)"
            )
    return lines
