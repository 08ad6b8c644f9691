"""Checkpoints: the authors' files, read without running anything in them, and this project's own safetensors files."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import NoneType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from baselines import half_precision, layouts
from baselines.card import MODELS, Card, card
from baselines.layouts import States
from baselines.predictor import ModelError
from baselines.unpickling import one_line, read_safely, what_it_is
from protocols import files

OWN = "talking_head_bench"  # under which a file in the authors' layout says that this program wrote it, and from what
_SHOWN = 3
_HEADER = 8  # bytes of a safetensors file before its JSON
_MOST_BLOCKS = 64  # the published networks have 6 at most
_LARGEST = 1 << 16  # number in a configuration; widths and sides of frames are far below it


@dataclass(frozen=True)
class Checkpoint:
    """states: network to its state dict. config: None where the file does not say. facts: how it was trained.

    model: name of the model that the file was saved as, None where it does not say. read: what was taken off or left
    to read it, in words, for the manifest. beside: network to the file of its own that it lies in.
    """

    path: Path
    states: States
    config: dict[str, Any] | None
    facts: dict[str, Any]
    model: str | None = None
    read: tuple[str, ...] = ()
    beside: Mapping[str, Path] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        return _sha256(self.path)

    def beside_sha256(self) -> dict[str, str]:
        """Name to SHA-256 of each file beside the checkpoint that was read."""
        return {file.name: _sha256(file) for file in dict.fromkeys(self.beside.values())}


def save_sample(
    path: Path,
    model: str,
    networks: Mapping[str, nn.Module] | nn.Module,
    config: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    """Write networks as `save_states` does. networks: by name, or one module whose children have these names."""
    parts = networks if isinstance(networks, Mapping) else dict(networks.named_children())
    states = {name: half_precision.stored(part) for name, part in parts.items()}
    save_states(path, model, states, config, facts)


def save_states(
    path: Path,
    model: str,
    states: Mapping[str, Mapping[str, Tensor]],
    config: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    """Write states of networks to a safetensors file, keys ``<network>.<key>``; the rest as JSON metadata.

    The file appears whole or not at all.
    """
    tensors = {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}
    metadata = {"model": model, "config": json.dumps(config), "training": json.dumps(facts)}
    with files.replacing(path) as temporary:
        save_file(tensors, temporary, metadata)


def load_sample(path: Path) -> Checkpoint:
    """A safetensors file, of `save_sample` or of others. Raises ModelError where it cannot be read."""
    about = header(path)
    try:
        with safe_open(path, framework="pt") as file:
            flat = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (the file is no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {one_line(error)}", code="unreadable-checkpoint") from None
    if about.model is None:  # of somebody else
        states, said = layouts.networks(flat)
        return replace(about, states=states, read=tuple(said))
    states = States()
    for key, value in flat.items():
        network, _, rest = key.partition(".")
        states.setdefault(network, {})[rest] = value
    return replace(about, states=states)


def header(path: Path) -> Checkpoint:
    """What a safetensors file says of itself, without its tensors. Raises ModelError where it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {one_line(error)}", code="unreadable-checkpoint") from None
    return _described(path, metadata)


def _described(path: Path, metadata: Mapping[str, Any]) -> Checkpoint:
    """A checkpoint without tensors, as this program's own entries of a file say. Raises ModelError for wrong ones."""
    try:
        config = json.loads(metadata["config"]) if "config" in metadata else None
        facts = json.loads(metadata.get("training", "{}"), parse_constant=_number, parse_float=_number)
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {one_line(error)}", code="unreadable-checkpoint") from None
    if not isinstance(config, (dict, NoneType)) or not isinstance(facts, dict):
        raise ModelError(f"{path} cannot be read: its configuration is not a JSON object", code="not-a-checkpoint")
    _check_size(config, path)
    model = metadata.get("model")
    return Checkpoint(path, States(), config, facts, model if isinstance(model, str) else None)


def _number(text: str) -> float:
    """A finite one: the facts go into manifests, and JSON has no others. ``1e999`` is infinite to Python, too."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is not a JSON number")
    return number


def load_official(path: Path, key: str | None = None) -> Checkpoint:
    """A file of the authors', or one in their layout; what was taken off to read it: `layouts.networks`.

    Raises ModelError for a file that is damaged, is no checkpoint, or would have to run code to be loaded.
    """
    content = dict(read_safely(path))
    own = content.pop(OWN, None)
    about = _described(path, own if isinstance(own, Mapping) else {})
    try:
        states, said = layouts.networks(content, key)
    except ModelError as error:
        raise ModelError(f"{path} {error}", code=error.code) from None
    return replace(about, states=states, read=tuple(said))


def load_flat(path: Path, device: str = "cpu") -> tuple[dict[str, Tensor], list[str]]:
    """The one state dict that a file holds, and in words what was taken off to find it: `layouts.flat`. See above."""
    content = read_safely(path, device)
    try:
        return layouts.flat(content)
    except ModelError as error:
        raise ModelError(f"{path} {error}", code=error.code) from None


def check_finite(path: Path, states: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Raise ModelError where a number of a checkpoint is not finite, of which no frame can be right."""
    for part, state in states.items():
        for key, value in state.items():
            if value.is_floating_point() and not value.is_meta and not value.isfinite().all():
                raise ModelError(f"{path}: {part}.{key} has numbers that are not finite", code="bad-value")


def load(path: Path, about: Card | None = None, key: str | None = None) -> Checkpoint:
    """Read a checkpoint of either kind; with a card, also the networks that lie in files of their own beside it.

    Its content says of which kind it is, not its name. key: as in `layouts.networks`.
    A network of other widths than the official one has its configuration in the file (our own kind) or beside it, as
    ``<file name>.json``.
    """
    if _is_safetensors(path):
        if key is not None:
            raise ModelError(f"{path} has no keys to choose from: key is for files of torch.save", code="unused-option")
        checkpoint = load_sample(path)
    else:
        checkpoint = load_official(path, key)
    beside = path.with_name(path.name + ".json")
    if beside.is_file():
        try:
            config = json.loads(files.text(beside))
        except (OSError, ValueError, RecursionError) as error:
            raise ModelError(f"{beside} is not JSON: {one_line(error)}", code="not-json") from None
        if not isinstance(config, dict):
            raise ModelError(f"{beside} is not a JSON object", code="not-json")
        _check_size(config, beside)
        checkpoint = replace(checkpoint, config=config)
    states, read, lying = checkpoint.states, checkpoint.read, dict[str, Path]()
    if about is not None:
        states = {about.renamed.get(name, name): state for name, state in states.items()}
        if about.bare and states.keys().isdisjoint(about.parts):  # whatever it is, it is taken for that network
            state, said = load_flat(path)
            states, read = {about.bare: state}, tuple(said)
        for file, networks in about.beside.items():
            place = about.root(path) / file
            if not states.keys() >= {*networks} and place.is_file():
                found, said = load_beside(place, networks)
                states |= {network: state for network, state in found.items() if network not in states}
                lying |= dict.fromkeys(found, place)
                read += tuple(f"{file}: {line}" for line in said)
    return replace(checkpoint, states=states, read=(*read, *half_precision.note(states)), beside=lying)


def load_beside(path: Path, networks: Sequence[str], device: str = "cpu") -> tuple[States, list[str]]:
    """The networks of a file beside a checkpoint: one, with nothing around it, or several by name; see `load_flat`.

    Raises ModelError where it cannot be read or lacks one of several.
    """
    if len(networks) == 1:
        state, said = load_flat(path, device)
        return {networks[0]: state}, said
    states, said = layouts.by_name(read_safely(path, device), networks)
    if absent := [name for name in networks if name not in states]:
        raise ModelError(f"{path} lacks {', '.join(absent)}", code="other-network")
    return states, said


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_safetensors(path: Path) -> bool:
    """By the content: the length of a JSON header, and the header. A file that is nothing else is what its name says.

    Raises ModelError for what is no checkpoint at all.
    """
    if what := what_it_is(path):
        raise ModelError(f"{path} is {what}, not a checkpoint", code="not-a-checkpoint")
    try:
        with open(path, "rb") as stream:
            head = stream.read(_HEADER + 1)
        size = path.stat().st_size
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}", code="unreadable-checkpoint") from None
    if head[_HEADER:] == b"{" and int.from_bytes(head[:_HEADER], "little") <= size - _HEADER:
        return True
    return path.name.endswith(".safetensors") and not (head.startswith((b"PK", b"\x80")))


def fill(network: nn.Module, checkpoint: Checkpoint, card: Card) -> None:
    """Put the checkpoint's tensors, as float32, into the parts of `network`, which may be on the device "meta".

    Parts of the checkpoint that are not parts of the network (a discriminator) are left. Raises ModelError, saying
    which keys differ and what the file looks like, unless all keys and shapes agree and all numbers are finite.
    """
    parts = {name: part for name, part in network.named_children() if name in card.parts}
    check_beside(checkpoint, card)
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
        raise ModelError(
            f"{checkpoint.path} is not a checkpoint of real, dense tensors: see {', '.join(odd[:_SHOWN])}",
            code="not-a-checkpoint",
        )
    if missing or unknown or shapes:
        _check_each(checkpoint, parts, [*missing, *unknown, *(text.partition(" ")[0] for text in shapes)])
        differences = [_some("lacks", missing), _some("has unknown", unknown), _some("has in another shape", shapes)]
        raise ModelError(
            f"{checkpoint.path} is not a {card.title} checkpoint of this configuration{_look(checkpoint, card)}: "
            + "; ".join(f"it {difference}" for difference in differences if difference),
            code="other-network",
        )
    check_finite(checkpoint.path, {name: checkpoint.states[name] for name in parts})
    for name, part in parts.items():
        part.load_state_dict(checkpoint.states[name], assign=True)
    network.float()


def check_beside(checkpoint: Checkpoint, card: Card) -> None:
    """Raise ModelError where a file is missing that belongs beside an official checkpoint.

    The official program may run without it, and does then something else.
    """
    if checkpoint.model is not None:  # of this program, in one file
        return
    absent = [name for name in card.networks if name in card.companions and name not in checkpoint.states]
    if card.bare in checkpoint.states and absent:
        files = ", ".join(dict.fromkeys(card.companions[name] for name in absent))
        raise ModelError(
            f"{checkpoint.path}: {card.title} also needs {files}, in {card.root(checkpoint.path)}",
            code="missing-file",
        )


def _check_each(checkpoint: Checkpoint, parts: Mapping[str, nn.Module], wrong: Sequence[str]) -> None:
    """Raise ModelError where a file holds another network of the model than its name says.

    wrong: keys that differ, ``<network>.<key>``.
    """
    if not checkpoint.beside:
        return
    name = wrong[0].partition(".")[0]
    keys, file = {*checkpoint.states[name]}, checkpoint.beside.get(name, checkpoint.path)
    held = next((other for other, part in parts.items() if other != name and keys == {*part.state_dict()}), None)
    if held is not None:
        raise ModelError(f"{file} has {held}, not {name}: are two files swapped?", code="other-network")
    same = [key.partition(".")[2] for key in wrong if key.startswith(f"{name}.")]
    raise ModelError(
        f"{file} is not the {name} of this configuration: it {_some('differs in', same)}", code="other-network"
    )


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
        return " (it has no known network)"
    return f" (a {title} network of another size)" if title == card.title else f" (it looks like a {title} checkpoint)"


def _check_size(config: Any, path: Path) -> None:
    """Raise ModelError for a number that no network has: a million layers would be built for hours."""
    items = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for name, value in items:
        largest = _MOST_BLOCKS if str(name).endswith("blocks") else _LARGEST
        if isinstance(value, (int, float)) and not abs(value) <= largest:
            raise ModelError(
                f"{path}: the configuration has {value:.3g} ({name}), no network more than {largest}",
                code="bad-configuration",
            )
        _check_size(value, path)


def _some(what: str, keys: list[str]) -> str:
    if not keys:
        return ""
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{what} {', '.join(keys[:_SHOWN])}{more}"
