"""Recompute the arrays of LIA's golden folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from baselines.lia.network import LIA, Encoded, Moved
from baselines.parity import Case, Hooks, Record, hooks

WATCHED = "absolute.1"  # the mode with recorded decoder features


def build(spec: Mapping[str, Any]) -> LIA:
    """See `baselines.parity`."""
    return LIA(spec["config"])


def compute(net: Any, case: Case, record: Record) -> None:
    """See `baselines.parity`."""
    images = {name: 2 * image - 1 for name, image in zip(("source", "driving", "initial"), case.images())}
    for name, image in images.items():
        record(f"input.{name}", image)
    record("directions", net.gen.dec.direction.basis())
    with hooks(record) as hook:
        hook.features(net, "gen.enc")
        source = net.encode(images["source"])
    record("wa", source.code)
    driving, initial = net.motion(images["driving"]), net.motion(images["initial"])
    for name, magnitudes in (("source", source.magnitudes), ("initial", initial), ("driving", driving)):
        record(f"alpha_{name}", magnitudes)
    edited = case.spec["config"]["manipulate"]
    step = torch.zeros_like(source.magnitudes)
    step[:, edited["direction"]] = edited["alpha"]
    motions = {
        "absolute.0": initial,
        "absolute.1": driving,
        "relative.0": source.magnitudes + initial - initial,
        "relative.1": source.magnitudes + driving - initial,
        "self.0": source.magnitudes,
        "canonical.0": torch.zeros_like(step),
        "manipulate.0": source.magnitudes + step,
    }
    for mode, magnitudes in motions.items():
        if case.has(mode):
            _generate(net, mode, source, magnitudes, record)


def _generate(net: Any, mode: str, source: Encoded, magnitudes: Tensor, record: Record) -> None:
    code = net.moved(source, magnitudes)
    record(f"{mode}.latent", code)
    with hooks(record) as hook:
        if mode == WATCHED:
            hook.features(net, "gen.dec")
            for level, head in enumerate(net.gen.dec.to_flows):
                _watch(hook, head, f"feature.gen.dec.to_flows.{level}", record)
        generated = net.generate(source, code)
    record(f"{mode}.flow_logits", generated.logits)
    record(f"{mode}.prediction", generated.frame)


def _watch(hook: Hooks, head: Any, path: str, record: Record) -> None:
    def parts(_: tuple, moved: Moved) -> None:
        for part in ("warped", "blended", "logits"):
            record(f"{path}.{part}", getattr(moved, part))

    hook.after(head, parts)
