"""List all models with summary and weights. Does not import torch, unless a package registers a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from baselines import samples
from baselines.card import MODELS, NO_CHECKSUM, card, find_weights, unavailable
from baselines.errors import ModelError
from baselines.memface.files import in_words
from baselines.memface.variants import MOTION_MODES
from baselines.memface.variants import VARIANTS as MEMFACE
from protocols import plugins
from protocols.errors import PluginError
from protocols.names import BOUNDS, PERFECT, SHOWS
from protocols.protocol import MODES, MotionMode

Kind = Literal["network", "variant", "table", "bound", "outside", "plug-in"]
OUTSIDE = ("frames:DIR", "videos:DIR", "cmd:COMMAND", "FILE.py:CLASS")


@dataclass(frozen=True)
class ModelInfo:
    """One line of `bench list models`. weights: in words, what would be loaded now.

    A "table" is a system that cannot be run; it is in the published tables only.
    """

    name: str
    summary: str
    kind: Kind
    motion_modes: tuple[MotionMode, ...]
    weights: str


def names(weights: Path | None = None) -> list[ModelInfo]:
    """Return all models of `registry.load`, with the weights that it would load for them. Loads no weights."""
    infos = []
    for name in MODELS:
        about = card(name)
        kind: Kind = "network" if about.of is None else "variant"
        infos.append(ModelInfo(name, about.summary, kind, about.motion_modes, _weights_in_words(name, weights)))
    infos += _memface(weights)
    for name, facts in unavailable().items():
        infos.append(ModelInfo(name, facts["summary"], "table", (), f"published tables only: {facts['reason']}"))
    for name in BOUNDS:
        which = "upper" if name == PERFECT else "lower"
        infos.append(ModelInfo(name, f"Shows {SHOWS[name]}: {which} bound", "bound", MODES, "needs no weights"))
    infos.append(ModelInfo("frames:DIR", "Finished frames, <pair id>.png", "outside", MODES, "needs no weights"))
    infos.append(ModelInfo("videos:DIR", "Finished videos, one per clip", "outside", MODES, "needs no weights"))
    called = "An external program, called once per batch; with {clip} in it, driven by sound and called once per clip"
    infos.append(ModelInfo("cmd:COMMAND", called, "outside", MODES, "weights of its own"))
    infos.append(ModelInfo("FILE.py:CLASS", "A predictor in a Python file", "outside", (), "weights of its own"))
    for name in plugins.registered("model"):
        try:
            target = plugin.load() if (plugin := plugins.find("model", name, built_in())) else None
        except PluginError as error:  # one broken plug-in must not hide the others
            infos.append(ModelInfo(name, str(error), "plug-in", (), "broken plug-in"))
            continue
        modes, summary = getattr(target, "motion_modes", ()), (target.__doc__ or "").strip().partition("\n")[0]
        infos.append(ModelInfo(name, summary, "plug-in", modes, "weights of its own"))
    return infos


def built_in() -> tuple[str, ...]:
    """Return the names that no plug-in can take."""
    return (*MODELS, *MEMFACE, *BOUNDS, *unavailable())


def _memface(weights: Path | None) -> list[ModelInfo]:
    """Return MemFace and its variants. They have no card, because each of their two stages has a checkpoint."""
    return [
        ModelInfo(
            name, about.summary, "network" if name == "memface" else "variant", MOTION_MODES, in_words(name, weights)
        )
        for name, about in MEMFACE.items()
    ]


def _weights_in_words(name: str, weights: Path | None) -> str:
    try:
        found = find_weights(card(name), weights)
    except ModelError as error:
        return str(error)
    if found:
        return f"{found}" if card(name).checksums else f"{found} (unverified: {NO_CHECKSUM})"
    if (file := card(name).sample).is_file():
        state = samples.local_state(file, name)
        return f"sample weights, {state}" if state else "sample weights"
    needs = f"no weights; needs {card(name).needed}" if card(name).files else "no weights; to be trained"
    return f"{needs} (python -m bench samples build {name})" if name in samples.recipes() else needs
