"""Published facts of each model's training, from ``published.toml``, and this program's deviations from them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from baselines.card import MODELS, card, merged, systems
from baselines.errors import ModelError

_NAME = "published.toml"
_BASE = "fomm"  # its values are the defaults


@dataclass(frozen=True)
class Deviation:
    """One deviation from the published training.

    model: of its table; its variants have the deviation, too. setting: a key of the file (``weights.<loss>`` for a
    weight), or words. printed, here: its value in the paper and here, or words. where: the place in the paper. why: the
    reason.
    """

    model: str
    setting: str
    printed: Any
    here: Any
    where: str
    why: str


def printed(model: str, part: str = "networks") -> dict[str, Any]:
    """Return the published values by name, for the networks or, with part ``avd``, only for the AVD network."""
    return _values(model, part, deviating=False)


def of(model: str, part: str = "networks") -> dict[str, Any]:
    """Return `printed` with the deviating values of the recipe ``published``; FOMM's for an unknown model."""
    return _values(model, part, deviating=True)


def deviations() -> list[Deviation]:
    """Return all deviations: of each model, then of all models together."""
    found = []
    for model, table in _tables().items():
        values = _values(model, "networks", deviating=False) if model != "all" else {}
        for entry in table.get("deviations", ()):
            setting = entry["setting"]
            known = entry["printed"] if "printed" in entry else _get(values, setting)
            found.append(Deviation(model, setting, known, _plain(entry["here"]), entry["where"], entry["why"]))
    return found


def tables(model: str, part: str = "networks") -> list[str]:
    """Return the names of the tables that apply to a model, the most general one first."""
    known = _tables()
    while model not in known and model in MODELS and card(model).of:
        model = card(model).of or _BASE
    chain = [model if model in known else _BASE]
    while parent := known[chain[0]].get("of"):
        chain.insert(0, parent)
    if part == "avd":
        chain += [name for base in chain if (name := f"{base}:avd") in known]
    return chain


@cache
def _tables() -> dict[str, dict[str, Any]]:
    """Return the tables of every model's folder, then those for all models."""
    tables: dict[str, dict[str, Any]] = {}
    for file in (*(card(name).folder / _NAME for name in systems()), Path(__file__).with_name(_NAME)):
        try:
            tables |= tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        except tomllib.TOMLDecodeError as error:
            raise ModelError(f"{file}: cannot be read as TOML: {error}", code="bad-model-card") from None
    return tables


def _values(model: str, part: str, deviating: bool) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in tables(model, part):
        table = _tables()[name]
        values |= {key: value for key, value in table.items() if key not in ("of", "deviations")}
        for entry in table.get("deviations", ()) if deviating else ():
            if "printed" not in entry:
                *groups, key = entry["setting"].split(".")
                change: dict[str, Any] = {key: entry["here"]}
                values = merged(values, {groups[0]: change} if groups else change)
    return {key: _plain(value) for key, value in values.items()}


def _get(values: dict[str, Any], setting: str) -> Any:
    for key in setting.split("."):
        values = values[key]
    return values


def _plain(value: Any) -> Any:
    """Return a value with None for TOML's replacement of it."""
    return None if value == "none" else value
