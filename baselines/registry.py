"""Load models by their names: networks, variants, bounds, frames or programs from outside, plug-ins (`listing`)."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from baselines import plugged
from baselines.arithmetic import exact
from baselines.bounds import CopySource, CopyTarget, CopyTemplate
from baselines.card import MODELS, card, named, official_files, unavailable
from baselines.code import Code
from baselines.listing import OUTSIDE, built_in
from baselines.memface.variants import VARIANTS as MEMFACE
from baselines.predictor import ModelError, Predictor
from baselines.spec import ModelSpec
from baselines.wrong_sound import WrongSound
from protocols import plugins

if TYPE_CHECKING:
    from baselines.loaded_network import LoadedNetwork

__all__ = ["code", "load", "network_class", "official_files"]

BOUNDS = {bound.name: bound for bound in (CopySource, CopyTarget, CopyTemplate, WrongSound)}


def load(spec: str | ModelSpec, *, weights: Path | None, device: torch.device) -> Predictor:
    """Return the predictor of a spec in the form of `baselines.spec`; a label is ignored.

    Options of the networks: ``weights=FILE`` instead of the file in the folder `weights`, ``weights=untrained`` for
    random weights; a model's own (FOMM's ``align_corners=true``, face-vid2vid's ``yaw=20``).
    A plug-in receives its options as text. Raises ModelError if there is no such model or it cannot be loaded, and
    PluginError for a package's plug-in.
    Resets this process to full float32, in case a plug-in's modules changed that: `baselines.arithmetic`.
    """
    try:
        return _load(spec if isinstance(spec, ModelSpec) else ModelSpec.parse(spec), weights, device)
    finally:
        exact()


def _load(spec: ModelSpec, weights: Path | None, device: torch.device) -> Predictor:
    if spec.kind == "frames":
        from baselines.external.frames_folder import FramesFolder

        return FramesFolder(Path(spec.target))
    if spec.kind == "videos":
        from baselines.external.videos import VideosFolder

        return VideosFolder(Path(spec.target))
    if spec.kind == "cmd":
        from baselines.external.clip_command import CLIP, ClipCommand
        from baselines.external.command import CommandPredictor

        return ClipCommand(spec.target) if CLIP in spec.target else CommandPredictor(spec.target)
    if spec.kind == "file":
        return plugged.from_file(spec, weights, device)
    name, options = spec.target, spec.options
    if plugin := plugins.find("model", name, built_in()):
        return plugged.from_package(plugin, spec, weights, device)
    if name in BOUNDS:
        if options:
            raise ModelError(f"{name} takes no options", code="unknown-option")
        return BOUNDS[name]()
    if name in MODELS:
        return network_class(name).load(name, weights=weights, device=device, options=options)
    if name in MEMFACE:
        from baselines.memface.predictor import MemFacePredictor

        return MemFacePredictor.load(name, weights=weights, device=device, options=options)
    if name in unavailable():
        about = unavailable()[name]
        raise ModelError(
            f"{about['title']} cannot be run: {about['reason']}. Its rows are in the published tables (bench tables); "
            "score frames or videos of it with frames:DIR or videos:DIR",
            code="no-network",
        )
    if name.endswith(".py"):
        raise ModelError(f"{name}: name the class, too, as in {name}:MyModel", code="bad-model-spec")
    known = list(dict.fromkeys([*MODELS, *MEMFACE, *BOUNDS, *plugins.registered("model"), *unavailable()]))
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join([*known, *OUTSIDE])}"
    raise ModelError(f"no model is called {name}; {hint}", code="unknown-model")


def code(spec: str | ModelSpec, predictor: Predictor) -> Code | None:
    """Return the code of a loaded external program or plug-in; None for this project's own models."""
    spec = spec if isinstance(spec, ModelSpec) else ModelSpec.parse(spec)
    if spec.kind == "cmd":
        from baselines.external.clip_command import ClipCommand
        from baselines.external.command import CommandPredictor
        from baselines.external.program import of_program

        assert isinstance(predictor, (ClipCommand, CommandPredictor))
        return of_program(predictor.program.arguments)
    plugin = plugins.find("model", spec.target, built_in()) if spec.kind == "model" else None
    return plugged.code(spec, plugin, predictor) if plugin or spec.kind == "file" else None


def network_class(name: str) -> type[LoadedNetwork]:
    """Return the predictor class of one of `MODELS`; imports only this one."""
    return named(card(name).predictor)
