"""The checkpoint of MemFace's first stage: network, basis, and the name of its speech feature."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from baselines import checkpoints, half_precision
from baselines.errors import ModelError
from baselines.memface import bases
from baselines.memface.audio_to_expression import A2EConfig, AudioToExpression
from baselines.memface.basis import Basis
from baselines.memface.memory import ImplicitMemory
from baselines.speech.feature import NAMES, SpeechFeature, feature

RATE = 25.0  # frames per second of the network


@dataclass(frozen=True)
class Expression:
    """network: on the CPU, in evaluation mode. basis: of its coefficients. feature: its speech input."""

    network: AudioToExpression
    basis: Basis
    feature: SpeechFeature
    checkpoint: checkpoints.Checkpoint


def tensors(network: AudioToExpression, basis: Basis, half: bool = False) -> dict[str, Tensor]:
    """Return a file's tensors: ``network.<key>`` and ``basis.<key>``. half: kernels and components as float16."""
    found = {f"network.{key}": value for key, value in half_precision.stored(network, half).items()}
    kept = {f"basis.{key}": value.half() if half else value for key, value in basis.tensors().items()}
    return found | kept


def config(network: AudioToExpression, basis: Basis, heard: SpeechFeature) -> dict[str, Any]:
    """Return the configuration for the file, from which `read` rebuilds the stage."""
    found = {"network": network.config.as_json(), "basis": basis.name, "speech": heard.name, "rate": RATE}
    return found if heard.name in NAMES else found | {"speech_rate": heard.rate}  # files of features do not contain it


def read(
    file: Path, cache: Path, *, speech: str | None = None, basis: Path | None = None, forget: int | None = None
) -> Expression:
    """Read a file that `training.a2e` wrote.

    cache: a folder for fetched files. speech: ``.npy`` features, if the network was trained on such. basis: the custom
    basis, if it was trained on one. forget: seed of noise that replaces the implicit memory (supplement C.3); None:
    keep it.
    Raises ModelError for another file, and if speech or basis is missing or not the one of its training.
    """
    found = checkpoints.load(file)
    about = found.config or {}
    if not {"network", "basis", "speech"} <= about.keys() or "network" not in found.states:
        raise ModelError(f"{file} is not an audio-to-expression network of MemFace", code="other-network")
    checkpoints.check_finite(file, found.states)
    try:
        network = AudioToExpression(A2EConfig(**about["network"]))
        if "memory.keys" in found.states["network"] and about["network"].get("memory") == "explicit":
            _shape_pairs(network, found.states["network"])
        network.load_state_dict({key: value.float() for key, value in found.states["network"].items()})
    except (TypeError, RuntimeError, AssertionError, ValueError) as error:
        raise ModelError(f"{file}: {checkpoints.one_line(error)}", code="other-network") from None
    if forget is not None:
        if not isinstance(network.memory, ImplicitMemory):
            raise ModelError(f"{file} has no implicit memory to set to noise", code="other-network")
        network.memory.forget(forget)
    heard = _feature(file, about["speech"], speech, about.get("speech_rate", RATE))
    if heard.width != network.config.features:
        raise ModelError(
            f"{file} needs {network.config.features} numbers per frame, {heard.name} has {heard.width}",
            code="bad-value",
        )
    kept = bases.kept(about["basis"], found.states.get("basis", {}), cache, basis)
    return Expression(network.eval().requires_grad_(False), kept, heard, found)


def _feature(file: Path, trained: str, given: str | None, rate: float) -> SpeechFeature:
    if given is None and trained not in NAMES:
        raise ModelError(f"{file} needs features from .npy files: give them with speech=FILE", code="missing-option")
    if given is not None and (given in NAMES or trained in NAMES) and given != trained:
        raise ModelError(f"{file} was trained on {trained}, not {given}", code="other-network")
    return feature(given or trained, rate)


def _shape_pairs(network: AudioToExpression, state: dict[str, Tensor]) -> None:
    """Resize the memory to the file's number of pairs, which is below `slots` if the data had fewer frames."""
    assert network.memory is not None
    for name in ("keys", "values"):
        network.memory.register_buffer(name, torch.zeros(state[f"memory.{name}"].shape))
