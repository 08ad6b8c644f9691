"""Checkpoints: the authors' files, read without running anything in them, and this project's own safetensors files."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from baselines.card import MODELS, Card, card
from baselines.predictor import ModelError
from protocols import files

States = dict[str, dict[str, Tensor]]

_SHOWN = 3
_MOST_BLOCKS = 64  # the published networks have 6 at most
_LARGEST = 1 << 16  # number in a configuration; widths and sides of frames are far below it


@dataclass(frozen=True)
class Checkpoint:
    """states: network to its state dict. config: None where the file does not say. facts: how it was trained.

    model: name of the model that the file was saved as, None where it does not say.
    """

    path: Path
    states: States
    config: dict[str, Any] | None
    facts: dict[str, Any]
    model: str | None = None

    @property
    def sha256(self) -> str:
        with open(self.path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def save_sample(
    path: Path,
    model: str,
    networks: Mapping[str, nn.Module] | nn.Module,
    config: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    """Write networks to a safetensors file, keys ``<network>.<key>``; model, config and facts as JSON metadata.

    networks: by name, or one module whose children have these names. The file appears whole or not at all.
    """
    parts = networks if isinstance(networks, Mapping) else dict(networks.named_children())
    tensors = {
        f"{name}.{key}": value.detach().cpu().contiguous()
        for name, part in parts.items()
        for key, value in part.state_dict().items()
    }
    metadata = {"model": model, "config": json.dumps(config), "training": json.dumps(facts)}
    temporary = path.with_name(path.name + ".part")
    save_file(tensors, temporary, metadata)
    os.replace(temporary, path)


def load_sample(path: Path) -> Checkpoint:
    """A safetensors file, of `save_sample` or of others. Raises ModelError where it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            flat = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (the file is no mapping)
        config = json.loads(metadata["config"]) if "config" in metadata else None
        facts = json.loads(metadata.get("training", "{}"), parse_constant=_number, parse_float=_number)
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {_one_line(error)}") from None
    if not isinstance(config, (dict, NoneType)) or not isinstance(facts, dict):
        raise ModelError(f"{path} cannot be read: its configuration is no JSON object")
    _check_size(config, path)
    states: States = {}
    for key, value in flat.items():
        network, _, rest = key.partition(".")
        states.setdefault(network, {})[rest] = value
    return Checkpoint(path, states, config, facts, metadata.get("model"))


def _number(text: str) -> float:
    """A finite one: the facts go into manifests, and JSON has no others. ``1e999`` is infinite to Python, too."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is no number of JSON")
    return number


def load_official(path: Path) -> States:
    """The state dicts in a file of the authors', without ``module.`` prefixes, optimizers, counters.

    Raises ModelError for a file that is damaged, is no checkpoint, or would have to run code to be loaded.
    """
    content = read_safely(path)
    return {name: _plain(value) for name, value in content.items() if isinstance(name, str) and _is_state_dict(value)}


def read_safely(path: Path, device: str = "cpu") -> Mapping[Any, Any]:
    """The mapping in a file of ``torch.save``, its tensors on `device`; nothing in the file is executed.

    Raises ModelError for a file that is damaged, holds something else, or would have to run code to be loaded.
    """
    try:
        if zipfile.is_zipfile(path):  # torch itself does not look at the checksums
            with zipfile.ZipFile(path) as archive:
                if record := archive.testzip():
                    raise ValueError(f"the checksum of {record} does not fit")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the pickle's version
            content = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises many kinds of errors for files that are no checkpoints
        # Torch's own text is not passed on: it advises to load the file with code execution switched on.
        unsafe = "Weights only load failed" in str(error)
        wanted = re.search(r"GLOBAL ([\w.]+)|(?:class|function) `?([\w.]+\.[\w.]+)", str(error))
        if unsafe and wanted:
            raise ModelError(
                f"{path} refused: it would have to run code to load ({wanted[1] or wanted[2]}); a checkpoint holds "
                "tensors only"
            ) from None
        reason = "not in the format of torch.save" if unsafe else _one_line(error)
        raise ModelError(f"{path} is truncated, damaged or no checkpoint: {reason}") from None
    if not isinstance(content, Mapping):
        raise ModelError(f"{path} holds a {type(content).__name__}, not the networks of a checkpoint by name")
    return content


def load_flat(path: Path) -> dict[str, Tensor]:
    """The one state dict that a file holds, bare or under ``state_dict``; what is no tensor is left. See above."""
    content = read_safely(path)
    content = content.get("state_dict", content)
    flat = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if not flat:
        raise ModelError(f"{path} holds no tensors by name")
    return _plain(flat)


def load(path: Path, about: Card | None = None) -> Checkpoint:
    """Read a checkpoint of either kind; with a card, also the networks that lie in files of their own beside it.

    A network of other widths than the official one has its configuration in the file (our own kind) or beside it, as
    ``<file name>.json``.
    """
    if path.name.endswith(".safetensors"):
        checkpoint = load_sample(path)
    else:
        checkpoint = Checkpoint(path, load_official(path), None, {})
    beside = path.with_name(path.name + ".json")
    if beside.is_file():
        try:
            config = json.loads(files.text(beside))
        except (OSError, ValueError, RecursionError) as error:
            raise ModelError(f"{beside} is no JSON: {_one_line(error)}") from None
        if not isinstance(config, dict):
            raise ModelError(f"{beside} is no JSON object")
        _check_size(config, beside)
        checkpoint = replace(checkpoint, config=config)
    if about is None:
        return checkpoint
    states = {about.renamed.get(name, name): state for name, state in checkpoint.states.items()}
    for network, file in about.companions.items():
        if network not in states and (path.parent / file).is_file():
            states[network] = load_flat(path.parent / file)
    return replace(checkpoint, states=states)


def fill(network: nn.Module, checkpoint: Checkpoint, card: Card) -> None:
    """Put the checkpoint's tensors, as float32, into the parts of `network`, which may be on the device "meta".

    Parts of the checkpoint that are not parts of the network (a discriminator) are left. Raises ModelError, saying
    which keys differ and what the file looks like, unless all keys and shapes agree.
    """
    parts = {name: part for name, part in network.named_children() if name in card.parts}
    own = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    given = {
        f"{name}.{key}": value
        for name, state in checkpoint.states.items()
        for key, value in state.items()
        if name in card.parts
    }
    # Batch norm did not count its batches before torch 0.4.1; the count has no effect on evaluation.
    missing = [key for key in own if key not in given and not key.endswith("num_batches_tracked")]
    unknown = [key for key in given if key not in own]
    shapes = [
        f"{key} {tuple(value.shape)} instead of {tuple(own[key].shape)}"
        for key, value in given.items()
        if key in own and value.shape != own[key].shape
    ]
    odd = [
        key
        for key, value in given.items()
        if value.is_complex()
        or value.layout is not torch.strided
        or (key in own and own[key].is_floating_point() and not value.is_floating_point())
    ]
    if odd:
        raise ModelError(f"{checkpoint.path} is no checkpoint of real, dense tensors: see {', '.join(odd[:_SHOWN])}")
    if missing or unknown or shapes:
        differences = [_some("lacks", missing), _some("has unknown", unknown), _some("has in another shape", shapes)]
        raise ModelError(
            f"{checkpoint.path} is not a {card.title} checkpoint of this configuration{_look(checkpoint, card)}: "
            + "; ".join(f"it {difference}" for difference in differences if difference)
        )
    for name, part in parts.items():
        part.load_state_dict(checkpoint.states[name], assign=True)
    network.float()


def looks_like(states: States) -> str | None:
    """Title of the model whose checkpoint this is, as far as the names of its tensors tell."""
    keys = [f"{name}.{key}" for name, state in states.items() for key in state]
    known = [card(name) for name in MODELS]
    # A relative has its ancestor's marks and more: the one with the most marks is meant.
    for about in sorted(known, key=lambda about: (-len(about.marks), about.of is not None)):
        if about.marks and all(any(key.startswith(mark) for key in keys) for mark in about.marks):
            return about.title
    return None


def saved_as(checkpoint: Checkpoint) -> str | None:
    """Title of the model whose checkpoint this is: as the file says, else as its tensors tell."""
    if checkpoint.model is None:
        return looks_like(checkpoint.states)
    return card(checkpoint.model).title if checkpoint.model in MODELS else checkpoint.model


def _look(checkpoint: Checkpoint, card: Card) -> str:
    title = saved_as(checkpoint)
    if title is None:
        return " (it holds no network known here)"
    return f" (a {title} network of another size)" if title == card.title else f" (it looks like a {title} checkpoint)"


def _check_size(config: Any, path: Path) -> None:
    """Raise ModelError for a number that no network has: a million layers would be built for hours."""
    items = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for name, value in items:
        largest = _MOST_BLOCKS if str(name).endswith("blocks") else _LARGEST
        if isinstance(value, (int, float)) and not abs(value) <= largest:
            raise ModelError(f"{path}: the configuration has {value:.3g} ({name}), no network more than {largest}")
        _check_size(value, path)


def _some(what: str, keys: list[str]) -> str:
    if not keys:
        return ""
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{what} {', '.join(keys[:_SHOWN])}{more}"


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the ``module.`` that data-parallel wrappers put in."""
    return {re.sub(r"(^|\.)module\.", r"\1", key): value for key, value in state.items()}


def _is_state_dict(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(v, Tensor) for v in value.values())


def _one_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].partition(" This is an internal")[0].strip()
