"""Whether a model's training left out the test videos, where a protocol takes them from the training split."""

from __future__ import annotations

from baselines.training.exclude import bare
from protocols.resolve import Resolved
from reports.schema.manifest import Prepared


def notices(plan: Prepared, resolved: Resolved) -> list[str]:
    """A line for every model whose training may have seen the pair list's videos, as far as its checkpoint says.

    None on the sample set, whose models were trained on these clips on purpose, and for
    models that are not trained here (bounds, frames from elsewhere).
    """
    if resolved.protocol.strategy != "seen-identity" or resolved.is_sample:
        return []
    listed = {bare(ref.clip) for ref in resolved.pair_list.refs()}
    lines = []
    for model in plan.models:
        training = model.training
        if not isinstance(training, dict):
            continue
        names = training.get("excluded")  # of a file that anybody may have written
        left_out = {bare(name) for name in names if isinstance(name, str)} if isinstance(names, list) else set()
        if seen := listed - left_out:
            lines.append(
                f"{model.name}: its checkpoint does not say that {len(seen)} of the {len(listed)} test videos were "
                f"left out of its training (train --exclude-pairs)"
            )
    return lines
