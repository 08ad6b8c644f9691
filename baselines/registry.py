"""Every model by its name: networks, their variants, bounds, frames or programs from outside, plug-ins."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from baselines import plugged, samples
from baselines.arithmetic import exact
from baselines.bounds import CopySource, CopyTarget, CopyTemplate
from baselines.card import MODELS, card, find_weights, named, official_files, unavailable
from baselines.code import Code
from baselines.memface.variants import VARIANTS as MEMFACE
from baselines.origin import NO_CHECKSUM
from baselines.predictor import ModelError, MotionMode, Predictor
from baselines.spec import ModelSpec
from baselines.wrong_sound import WrongSound
from protocols import plugins
from protocols.errors import PluginError
from protocols.protocol import MODES

if TYPE_CHECKING:
    from baselines.loaded_network import LoadedNetwork

__all__ = ["ModelInfo", "code", "load", "names", "network_class", "official_files"]

BOUNDS = {bound.name: bound for bound in (CopySource, CopyTarget, CopyTemplate, WrongSound)}
Kind = Literal["network", "variant", "table", "bound", "outside", "plug-in"]
OUTSIDE = ("frames:DIR", "videos:DIR", "cmd:COMMAND", "FILE.py:CLASS")


@dataclass(frozen=True)
class ModelInfo:
    """One line of `bench list models`. weights: in words, what would be loaded now.

    A "table" is a system that cannot be run, only looked up in the published tables.
    """

    name: str
    summary: str
    kind: Kind
    motion_modes: tuple[MotionMode, ...]
    weights: str


def load(spec: str | ModelSpec, *, weights: Path | None, device: torch.device) -> Predictor:
    """The predictor of a spec, in the form that `baselines.spec` reads; a label is left out of account.

    Options of the networks: ``weights=FILE`` in place of what the folder `weights` has, ``weights=untrained`` for
    random weights; a model's own (FOMM's ``align_corners=true``, face-vid2vid's ``yaw=20``).
    Options of a plug-in are handed to it as text. Raises ModelError where there is no such model, or no loading it,
    and PluginError for a plug-in of a package.
    Afterwards this process computes in full float32, whatever a plug-in's modules have set: `baselines.arithmetic`.
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
    if plugin := plugins.find("model", name, _built_in()):
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
            "frames or videos that you have of it are measured with frames:DIR or videos:DIR",
            code="no-network",
        )
    if name.endswith(".py"):
        raise ModelError(f"{name}: name the class, too, as in {name}:MyModel", code="bad-model-spec")
    known = list(dict.fromkeys([*MODELS, *MEMFACE, *BOUNDS, *plugins.registered("model"), *unavailable()]))
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join([*known, *OUTSIDE])}"
    raise ModelError(f"no model is called {name}; {hint}", code="unknown-model")


def code(spec: str | ModelSpec, predictor: Predictor) -> Code | None:
    """The code behind a loaded predictor from outside, a program or a plug-in; None for this project's own models."""
    spec = spec if isinstance(spec, ModelSpec) else ModelSpec.parse(spec)
    if spec.kind == "cmd":
        from baselines.external.clip_command import ClipCommand
        from baselines.external.command import CommandPredictor
        from baselines.external.program import of_program

        assert isinstance(predictor, (ClipCommand, CommandPredictor))
        return of_program(predictor.program.arguments)
    plugin = plugins.find("model", spec.target, _built_in()) if spec.kind == "model" else None
    return plugged.code(spec, plugin, predictor) if plugin or spec.kind == "file" else None


def names(weights: Path | None = None) -> list[ModelInfo]:
    """All models that `load` knows, with what it would load for them. Loads no weights."""
    infos = []
    for name in MODELS:
        about = card(name)
        kind: Kind = "network" if about.of is None else "variant"
        infos.append(ModelInfo(name, about.summary, kind, about.motion_modes, _weights_in_words(name, weights)))
    infos += _memface(weights)
    for name, facts in unavailable().items():
        infos.append(ModelInfo(name, facts["summary"], "table", (), f"published tables only: {facts['reason']}"))
    for name, bound in BOUNDS.items():
        infos.append(ModelInfo(name, _first_line(bound), "bound", bound.motion_modes, "needs no weights"))
    infos.append(ModelInfo("frames:DIR", "Frames made elsewhere, <pair id>.png", "outside", MODES, "needs no weights"))
    infos.append(ModelInfo("videos:DIR", "Finished videos, a clip each", "outside", MODES, "needs no weights"))
    called = "An outside program, called once a batch; driven by sound, with {clip} in it, once a clip"
    infos.append(ModelInfo("cmd:COMMAND", called, "outside", MODES, "weights of its own"))
    infos.append(ModelInfo("FILE.py:CLASS", "A predictor in a Python file", "outside", (), "weights of its own"))
    for name in plugins.registered("model"):
        try:
            target = plugin.load() if (plugin := plugins.find("model", name, _built_in())) else None
        except PluginError as error:  # whatever a plug-in does wrong, the others shall be listed
            infos.append(ModelInfo(name, str(error), "plug-in", (), "broken plug-in"))
            continue
        modes = getattr(target, "motion_modes", ())
        infos.append(ModelInfo(name, _first_line(target), "plug-in", modes, "weights of its own"))
    return infos


def network_class(name: str) -> type[LoadedNetwork]:
    """The predictor of one of `MODELS`; imports only this one."""
    return named(card(name).predictor)


def _memface(weights: Path | None) -> list[ModelInfo]:
    """MemFace, whose two stages have a checkpoint each, so that no card of one network fits, and its variants."""
    from baselines.memface.loading import in_words
    from baselines.memface.predictor import MemFacePredictor

    modes = MemFacePredictor.motion_modes
    return [
        ModelInfo(name, about.summary, "network" if name == "memface" else "variant", modes, in_words(name, weights))
        for name, about in MEMFACE.items()
    ]


def _built_in() -> tuple[str, ...]:
    return (*MODELS, *MEMFACE, *BOUNDS, *unavailable())


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


def _first_line(target: object) -> str:
    return (target.__doc__ or "").strip().partition("\n")[0]
