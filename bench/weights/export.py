"""Convert checkpoints between the authors' layouts and this program's safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from baselines import checkpoints, half_precision, registry
from baselines.card import MODELS, Card, card
from baselines.checkpoints import Checkpoint
from baselines.network_predictor import NetworkPredictor
from baselines.spec import ModelSpec
from bench.runtime.errors import UserError
from protocols import files

SAFE = ".safetensors"
OFFICIAL = (".pth.tar", ".pth", ".pt")


def export(source: Path, target: Path, model: str | None = None, half: bool = False) -> list[Path]:
    """Write the checkpoint `source` as `target`, in the layout of its suffix. Return every written file.

    ``.safetensors``: this project's layout: ``<network>.<key>``, with model and configuration inside. ``.pth.tar`` or
    ``.pth``: the authors' layout: state dicts under their names of the networks; what they keep in separate files
    (DaGAN's depth networks) is written next to it, as is ``<target>.json`` with the configuration. Both layouts record
    that this program wrote the file, and how the networks were trained.
    model: its name, if the file does not have it. half: kernels as float16 instead of float32, in either layout
    (`baselines.half_precision.stored`). Raises UserError or ModelError.
    """
    if not source.is_file():
        raise UserError(f"{source}: no such file", code="missing-file")
    if target.exists() and source.samefile(target):
        raise UserError(f"{target}: would overwrite the checkpoint that is read", code="unwritable-file")
    if not target.name.endswith((SAFE, *OFFICIAL)):
        raise UserError(f"{target}: the name must end in {SAFE} or in {', '.join(OFFICIAL)}", code="bad-value")
    about = _model(source, model)
    if not (about.files or target.name.endswith(SAFE)):
        raise UserError(f"no checkpoint of {about.name} is published, so it has no official layout", code="no-network")
    if about.bare and not target.name.endswith(SAFE):
        raise UserError(
            f"{target}: the official layout of {about.name} is {len(about.published)} files, which are not written "
            f"here; choose a name that ends in {SAFE}",
            code="bad-value",
        )
    # Loading is the check: every key and every shape is the model's.
    spec = ModelSpec("model", about.name, {"weights": str(source)})
    loaded = registry.load(spec, weights=None, device=torch.device("cpu"))
    assert isinstance(loaded, NetworkPredictor) and loaded.checkpoint is not None
    checkpoint = loaded.checkpoint
    states = {
        name: half_precision.stored(getattr(loaded.network, name), half)
        for name in checkpoint.states
        if name in about.parts
    }
    config = checkpoint.config or type(loaded).infer_config(about, checkpoint)
    target.parent.mkdir(parents=True, exist_ok=True)
    facts = dict(checkpoint.facts)
    if half or not facts:
        facts["converted_from_sha256"] = checkpoint.sha256
    if not target.name.endswith(SAFE):
        return _write_official(about, states, config, facts, target)
    # What only a training uses (DaGAN's camera motion) is not part of the model, but is part of our own file.
    others = {name: state for name, state in checkpoint.states.items() if checkpoint.model and name not in about.parts}
    checkpoints.save_states(target, about.name, states | others, config, facts)
    return [target]


def _model(source: Path, name: str | None) -> Card:
    if name is None:
        found: Checkpoint = checkpoints.load(source)
        name = found.model or checkpoints.looks_like(found.states)
        name = next((known for known in MODELS if name in (known, card(known).title)), None)
        if name is None:
            raise UserError(f"{source}: contains no known network; name its model with --model", code="missing-option")
    if name not in MODELS:
        raise UserError(f"--model {name}: no network of that name; `list models` has them", code="unknown-model")
    return card(name)


def _write_official(
    about: Card, states: checkpoints.States, config: dict[str, Any], facts: dict[str, Any], target: Path
) -> list[Path]:
    official = {ours: theirs for theirs, ours in about.renamed.items()}
    # The file records what it is, whatever its name: a small network is not the published one.
    contents: dict[Path, Any] = {target: {checkpoints.OWN: {"model": about.name, "training": json.dumps(facts)}}}
    for name, state in states.items():
        if name in about.companions:
            nested = "state_dict" in official.values()  # X2Face's files are alike in this
            contents[target.parent / about.companions[name]] = {"state_dict": state} if nested else state
        else:
            contents[target][official.get(name, name)] = state
    if inside := [file for file in contents if file != target and file.exists()]:
        raise UserError(
            f"{inside[0]}: exists already, and would be written next to {target.name}; choose another folder",
            code="unwritable-file",
        )
    for file, content in contents.items():
        with files.replacing(file) as temporary, temporary.open("wb") as stream:
            torch.save(content, stream)  # a stream, since the name of a file would be part of the content
    beside = target.with_name(target.name + ".json")
    beside.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return [*contents, beside]
