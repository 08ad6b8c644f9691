"""Unwrap the networks of a checkpoint: remove wrappers' prefixes and nested dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from torch import Tensor

from baselines.card import MODELS, card
from baselines.errors import ModelError
from baselines.unpickling import inert_class

States = dict[str, dict[str, Tensor]]

TOP = "."  # as a key, the file's own level
_DEEPEST = 4  # dictionaries in dictionaries
_WRAPPING = ("module", "_orig_mod")  # names that data-parallel training and torch.compile give to what they wrap
_OWNERS = {"model", "net", "network"}  # usual names of the attribute that holds the whole network


def networks(content: Mapping[Any, Any], key: str | None = None) -> tuple[States, list[str]]:
    """Return the state dicts by network, and the steps that found them in words, such as ``removed prefix model.``.

    content: of a checkpoint file, in the authors' layout, possibly wrapped: under a key (Lightning's ``state_dict``,
    ``model``, ``ema``), with all networks in one state dict, or with prefixes before every key.
    key: which copy to take if a file has the same networks twice; `TOP` for the one that is not under a key.
    Raises ModelError for two copies without a `key`, and for a `key` without networks.
    """
    found = {".".join(path) or TOP: (path, states, said) for path, states, said in _sets(content, ())}
    if key is not None and key not in found:
        raise ModelError(
            f"has no networks under key={key}; it has networks under {' and '.join(found) or 'no key'}",
            code="not-a-checkpoint",
        )
    if not found:  # no known network: return all named tensors, so that messages can name the model they look like
        rest = {name: _flat(child) for name, child in _children(content).items()}
        return {name: _plain(state, []) for name, state in rest.items() if state}, []
    way = key or max(found, key=lambda way: len(found[way][1]))  # the first of those with the most networks
    path, states, done = found[way]
    twice = [other for other in found if found[other][1].keys() & states.keys()]
    if key is None and len(twice) > 1:
        raise ModelError(
            f"has the same networks under {' and '.join(twice)}: choose with the option key=NAME",
            code="ambiguous-weights",
        )
    said = [f"took {way} of {' and '.join(twice)}"] if len(twice) > 1 else [f"unwrapped {way}"] if path else []
    used = {path[0]} if path else set(states)
    return states, [*dict.fromkeys([*said, *done]), *_skipped(content, used)]


def by_name(content: Mapping[Any, Any], names: Iterable[str]) -> tuple[States, list[str]]:
    """Return the state dicts under those `names` that a file has, and in words what was unwrapped and ignored."""
    said: list[str] = []
    held = [name for name in names if _holds_tensors(content.get(name))]
    states = {name: _plain(_one_state(name, content[name], said), said) for name in held}
    return states, [*dict.fromkeys(said), *_skipped(content, {*held})]


def flat(content: Mapping[Any, Any]) -> tuple[dict[str, Tensor], list[str]]:
    """Return the only state dict of a file, bare or wrapped as in `networks`, and the steps that found it in words.

    Raises ModelError if there is none, or more than one.
    """
    inner, way = content, list[str]()
    while not _flat(inner) and len(way) < _DEEPEST:
        inside = {name: value for name, value in inner.items() if isinstance(name, str) and _holds_tensors(value)}
        if len(inside) > 1:
            inside = {name: value for name, value in inside.items() if name == "state_dict"} or inside
        if len(inside) > 1:
            raise ModelError(
                f"has several state dicts, under {' and '.join(inside)}; save only the intended one",
                code="ambiguous-weights",
            )
        if not inside:
            break
        way += inside
        inner = inside[way[-1]]
    if not _flat(inner):
        raise ModelError("has no named tensors", code="not-a-checkpoint")
    said = [f"unwrapped {'.'.join(way)}"] if way else []
    state = _plain(_flat(inner), said)
    return state, said + _skipped(content, {way[0]} if way else set(_flat(inner)))


def _sets(content: Mapping[Any, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], States, list[str]]]:
    """Yield every group of known networks, with its place in the file and the steps that found it."""
    said: list[str] = []
    if sole := _sole_network(content):
        yield path, {sole: _plain(_flat(content), said)}, said
        return
    children = _children(content)
    known = {
        name: child
        for name, child in children.items()
        if (name in _known() or _sole_network(child) == name) and _holds_tensors(child)
    }
    if known:
        yield path, {name: _plain(_one_state(name, child, said), said) for name, child in known.items()}, said
    for name, child in children.items():
        if name not in known and len(path) < _DEEPEST:
            yield from _sets(child, (*path, name))


def _children(content: Mapping[Any, Any]) -> dict[str, Mapping[Any, Any]]:
    """Return the named mappings of a mapping, and its tensors grouped by the first part of their dotted names."""
    children = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Mapping)}
    grouped: dict[str, dict[str, Tensor]] = {}
    for key, tensor in _flat(content).items():
        first, dot, rest = _bare(key).partition(".")
        if dot:
            grouped.setdefault(first, {})[rest] = tensor
    return grouped | children


def _one_state(name: str, child: Mapping[Any, Any], said: list[str]) -> dict[str, Tensor]:
    """Return a network's tensors, bare or under one more key."""
    while not (state := _flat(child)):
        inside = {key: value for key, value in child.items() if _holds_tensors(value)}
        if len(inside) != 1:
            raise ModelError(
                f"has {name} more than once, under {' and '.join(map(str, inside))}; save one of them",
                code="ambiguous-weights",
            )
        key, child = next(iter(inside.items()))
        said.append(f"unwrapped {key} of {name}")
    return state


def _plain(state: Mapping[str, Tensor], said: list[str]) -> dict[str, Tensor]:
    """Return `state` without the prefixes that wrappers put before or inside every key."""
    plain = {_bare(key): value for key, value in state.items()}
    removed = [f"{wrapper}." for wrapper in _WRAPPING if any(wrapper in key.split(".") for key in state.keys() - plain)]
    while len(owners := {key.partition(".")[0] for key in plain}) == 1 and owners <= _OWNERS:
        removed += [f"{owner}." for owner in owners]
        plain = {key.partition(".")[2]: value for key, value in plain.items()}
    said += [f"removed prefix {prefix}" for prefix in removed]
    return plain


def _bare(key: str) -> str:
    """Return a key without the names of wrappers, which may wrap the whole network or a part of it."""
    *owners, leaf = key.split(".")
    return ".".join([*(owner for owner in owners if owner not in _WRAPPING), leaf])


def _skipped(content: Mapping[Any, Any], used: set[str]) -> list[str]:
    """Return a line on the file's other entries; for an object that was not loaded, with its class."""
    names = []
    for name, value in content.items():
        first = _bare(name).partition(".")[0] if isinstance(name, str) else ""
        if name not in used and not (isinstance(value, Tensor) and first in used):
            kind = inert_class(value)
            names.append(f"{name} ({kind})" if kind else str(name))
    return [f"skipped {', '.join(names)}"] if names else []


def _flat(value: Any) -> dict[str, Tensor]:
    """Return the named tensors of a mapping, without its other entries."""
    items = value.items() if isinstance(value, Mapping) else ()
    return {key: tensor for key, tensor in items if isinstance(key, str) and isinstance(tensor, Tensor)}


def _holds_tensors(value: Any, depth: int = 0) -> bool:
    """Return whether a mapping, or a named mapping in it, has named tensors."""
    if not isinstance(value, Mapping) or depth > _DEEPEST:
        return False
    return bool(_flat(value)) or any(
        _holds_tensors(inner, depth + 1) for name, inner in value.items() if isinstance(name, str)
    )


@lru_cache
def _known() -> frozenset[str]:
    """Return the names of networks in checkpoints, without generic ones (X2Face's ``state_dict``)."""
    return frozenset(part for name in MODELS for part in card(name).parts) - _OWNERS


@lru_cache
def _sole() -> dict[str, tuple[str, ...]]:
    """Return the networks that are a whole model under a generic name, with the prefixes of their keys."""
    abouts = [card(name) for name in MODELS if len(card(name).networks) == 1 and card(name).marks]
    return {about.networks[0]: tuple(m.removeprefix(f"{about.networks[0]}.") for m in about.marks) for about in abouts}


@lru_cache
def _bare_networks() -> dict[str, tuple[str, ...]]:
    """Return the networks that are a whole file, with the prefixes of all their keys."""
    bare = [(card(name).bare, card(name).marks) for name in MODELS]
    return {name: tuple(mark.removeprefix(f"{name}.") for mark in marks) for name, marks in bare if name}


def _sole_network(content: Mapping[Any, Any]) -> str | None:
    keys = _plain(_flat(content), [])
    for network, marks in _sole().items():
        if all(any(key.startswith(mark) for key in keys) for mark in marks):
            return network
    for network, marks in _bare_networks().items():
        if {next((mark for mark in marks if key.startswith(mark)), None) for key in keys} == {*marks}:
            return network
    return None
