"""Checkpoints: read the authors' files without executing code in them; read and write safetensors files."""

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

OWN = "talking_head_bench"  # key of this program's metadata in a file that it wrote in the authors' layout
_SHOWN = 3
_HEADER = 8  # bytes of a safetensors file before its JSON
_MOST_BLOCKS = 64  # the published networks have 6 at most
_LARGEST = 1 << 16  # number in a configuration; widths and sides of frames are far smaller


@dataclass(frozen=True)
class Checkpoint:
    """The networks of a checkpoint file.

    states: network to its state dict. config: the model's configuration, None if the file has none. facts: how it was
    trained. model: name of the model that the file was saved as, None if it has none. read: what was unwrapped,
    renamed or ignored to read it, in words, for the manifest. beside: network to its separate file.
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
        """Return name and SHA-256 of each file in `beside`."""
        return {file.name: _sha256(file) for file in dict.fromkeys(self.beside.values())}


def save_sample(
    path: Path,
    model: str,
    networks: Mapping[str, nn.Module] | nn.Module,
    config: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    """Write networks like `save_states`. networks: by name, or a module whose children are the networks."""
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
    """Write state dicts to a safetensors file with keys ``<network>.<key>``; the rest as JSON metadata.

    An interrupted call leaves no partial file.
    """
    tensors = {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}
    metadata = {"model": model, "config": json.dumps(config), "training": json.dumps(facts)}
    with files.replacing(path) as temporary:
        save_file(tensors, temporary, metadata)


def load_sample(path: Path) -> Checkpoint:
    """Read a safetensors file, written by `save_sample` or by others. Raises ModelError if it cannot be read."""
    about = header(path)
    try:
        with safe_open(path, framework="pt") as file:
            flat = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (the file is no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {one_line(error)}", code="unreadable-checkpoint") from None
    if about.model is None:  # not written by this program
        states, said = layouts.networks(flat)
        return replace(about, states=states, read=tuple(said))
    states = States()
    for key, value in flat.items():
        network, _, rest = key.partition(".")
        states.setdefault(network, {})[rest] = value
    return replace(about, states=states)


def header(path: Path) -> Checkpoint:
    """Return a safetensors file's metadata as a checkpoint without tensors. Raises ModelError if it is unreadable."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {one_line(error)}", code="unreadable-checkpoint") from None
    return _described(path, metadata)


def _described(path: Path, metadata: Mapping[str, Any]) -> Checkpoint:
    """Return a checkpoint without tensors from this program's metadata. Raises ModelError if it is invalid."""
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
    """Return a finite number, since JSON manifests have no others. Raises ValueError; Python reads ``1e999`` as inf."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is not a JSON number")
    return number


def load_official(path: Path, key: str | None = None) -> Checkpoint:
    """Read a ``torch.save`` file in the authors' layout. key: see `layouts.networks`, which unwraps it.

    Raises ModelError for a file that is damaged, is not a checkpoint, or would run code when loaded.
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
    """Return the only state dict of a ``torch.save`` file, and how it was unwrapped, in words (see `layouts.flat`).

    Raises ModelError like `load_official`, and for no or several state dicts.
    """
    content = read_safely(path, device)
    try:
        return layouts.flat(content)
    except ModelError as error:
        raise ModelError(f"{path} {error}", code=error.code) from None


def check_finite(path: Path, states: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Raise ModelError if a checkpoint has numbers that are not finite: every frame would be wrong."""
    for part, state in states.items():
        for key, value in state.items():
            if value.is_floating_point() and not value.is_meta and not value.isfinite().all():
                raise ModelError(f"{path}: {part}.{key} has numbers that are not finite", code="bad-value")


def load(path: Path, about: Card | None = None, key: str | None = None) -> Checkpoint:
    """Read a checkpoint, safetensors or ``torch.save``; with a card, also networks in separate files beside it.

    The content decides the format, not the file name. key: as in `layouts.networks`.
    A network with other widths than the official one needs its configuration, in the file (of this program) or beside
    it as ``<file name>.json``.
    Raises ModelError if a file is unreadable or is not a checkpoint, and for a `key` of a safetensors file.
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
        if about.bare and states.keys().isdisjoint(about.parts):  # the names do not tell, so it must be that network
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
    """Return the networks of a file beside a checkpoint: one bare state dict, or several by name; see `load_flat`.

    Raises ModelError if it cannot be read or lacks one of several.
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
    """Decide by the content (length and start of the JSON header), or by the name if the content is neither format.

    Raises ModelError for a file that cannot be a checkpoint.
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

    Other parts of the checkpoint, such as a discriminator, are ignored. Raises ModelError if keys or shapes differ or a
    number is not finite; it names the keys, and the model that the file looks like.
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
    # Batch norm has no count of batches before torch 0.4.1; the count does not affect evaluation.
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
    """Raise ModelError if a file that belongs beside an official checkpoint is missing.

    The official program may run without it, but then computes something else.
    """
    if checkpoint.model is not None:  # saved by this program, in one file
        return
    absent = [name for name in card.networks if name in card.companions and name not in checkpoint.states]
    if card.bare in checkpoint.states and absent:
        files = ", ".join(dict.fromkeys(card.companions[name] for name in absent))
        raise ModelError(
            f"{checkpoint.path}: {card.title} also needs {files}, in {card.root(checkpoint.path)}",
            code="missing-file",
        )


def _check_each(checkpoint: Checkpoint, parts: Mapping[str, nn.Module], wrong: Sequence[str]) -> None:
    """Raise ModelError if a separate file of the model has another network than its name says.

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
    """Return the title of the model that the tensors' names belong to; None if unknown."""
    keys = [f"{name}.{key}" for name, state in states.items() for key in state]
    known = [card(name) for name in MODELS]
    # A derived model has its ancestor's marks and more, so the one with the most marks is right.
    for about in sorted(known, key=lambda about: (-len(about.marks), about.of is not None)):
        if about.marks and all(any(key.startswith(mark) for key in keys) for mark in about.marks):
            return about.title
    return None


def saved_as(checkpoint: Checkpoint) -> str | None:
    """Return the title of the model that this is a checkpoint of: from the file, else from its tensors."""
    if checkpoint.model is None:
        return looks_like(checkpoint.states)
    return card(checkpoint.model).title if checkpoint.model in MODELS else checkpoint.model


def _look(checkpoint: Checkpoint, card: Card) -> str:
    title = saved_as(checkpoint)
    if title is None:
        return " (it has no known network)"
    return f" (a {title} network of another size)" if title == card.title else f" (it looks like a {title} checkpoint)"


def _check_size(config: Any, path: Path) -> None:
    """Raise ModelError for an implausible number: building a million layers would take hours."""
    items = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for name, value in items:
        largest = _MOST_BLOCKS if str(name).endswith("blocks") else _LARGEST
        if isinstance(value, (int, float)) and not abs(value) <= largest:
            raise ModelError(
                f"{path}: {name} is {value:.3g} in the configuration; the most is {largest}",
                code="bad-configuration",
            )
        _check_size(value, path)


def _some(what: str, keys: list[str]) -> str:
    if not keys:
        return ""
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{what} {', '.join(keys[:_SHOWN])}{more}"
