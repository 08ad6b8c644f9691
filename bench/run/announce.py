"""Print what a run will measure and with what, before its first prediction."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from protocols.words import counted
from reports.run import caveats
from reports.schema.manifest import Prepared


def announce(plan: Prepared, detector_messages: Sequence[str], console: Console) -> None:
    """Print pairs, detectors, and warnings about weights and sizes."""
    pairs = plan.pairs
    listed = f"list {pairs.name} {pairs.sha256[:12]}"
    n = counted(pairs.n, plan.unit) + (f" of {counted(plan.clips.frames, 'frame')}" if plan.clips else "")
    console.print(f"protocol {plan.protocol.name}: {n}, {listed}", markup=False, soft_wrap=True)
    for message in detector_messages:
        console.print(message, markup=False, soft_wrap=True)
    if untrained := caveats.untrained_models(plan):
        line = f"UNTRAINED ({', '.join(untrained)}): random weights"
        console.print(line, style="bold yellow", markup=False, soft_wrap=True)
    if unknown := caveats.unverified(plan):
        console.print(f"UNVERIFIED WEIGHTS ({unknown})", style="bold yellow", markup=False, soft_wrap=True)
    samples = [model.name for model in plan.models if model.sample_weights]
    if samples:
        console.print(
            f"SAMPLE WEIGHTS ({', '.join(samples)}): these rows say nothing about the published models",
            style="bold yellow",
            markup=False,
            soft_wrap=True,
        )
    if sizes := caveats.other_sizes(plan):
        console.print(sizes, style="bold yellow", markup=False, soft_wrap=True)
