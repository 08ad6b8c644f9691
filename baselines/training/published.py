"""What is published of each model's training, from ``published.toml``, and where this program does something else."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from baselines.card import MODELS, card, merged, systems
from baselines.errors import ModelError

_NAME = "published.toml"
_BASE = "fomm"  # whose values hold where nothing else is known


@dataclass(frozen=True)
class Deviation:
    """One difference from what is published.

    model: of the table that it stands in; its variants have it, too. setting: a name of the file (``weights.<loss>``
    for a weight), or words. printed, here: a value of it, or words. where: the place in the paper. why: the reason.
    """

    model: str
    setting: str
    printed: Any
    here: Any
    where: str
    why: str


def printed(model: str, part: str = "networks") -> dict[str, Any]:
    """The published values by name, for the networks or, with part ``avd``, for the AVD network alone."""
    return _values(model, part, deviating=False)


def of(model: str, part: str = "networks") -> dict[str, Any]:
    """As `printed`, with the values that the recipe ``published`` has instead. FOMM's for an unknown model."""
    return _values(model, part, deviating=True)


def deviations() -> list[Deviation]:
    """All of them, those of each model, then those of all models."""
    found = []
    for model, table in _tables().items():
        values = _values(model, "networks", deviating=False) if model != "all" else {}
        for entry in table.get("deviations", ()):
            setting = entry["setting"]
            known = entry["printed"] if "printed" in entry else _get(values, setting)
            found.append(Deviation(model, setting, known, _plain(entry["here"]), entry["where"], entry["why"]))
    return found


def tables(model: str, part: str = "networks") -> list[str]:
    """Names of the file's tables that hold for a model, the most general one first."""
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
    """The tables of every model's folder, then those of all models."""
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
    """TOML has no word for nothing."""
    return None if value == "none" else value
