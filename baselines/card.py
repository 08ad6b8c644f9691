"""What is known of each published model: its checkpoint files, where they come from, its official configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from baselines.predictor import ModelError, MotionMode

MODELS = ("fomm", "tpsm", "mcnet")
SUFFIXES = (".pth.tar", ".pth", ".safetensors")


@dataclass(frozen=True)
class Card:
    """Contents of ``baselines/<name>/model.json``.

    files: names under which the authors publish the checkpoint. networks: top-level keys that it must have;
    optional_networks: that it may have. marks: beginnings of ``<network>.<key>`` that only this model has all of.
    config: as in the official configuration file for 256x256 VoxCeleb.
    """

    name: str
    title: str
    summary: str
    motion_modes: tuple[MotionMode, ...]
    files: tuple[str, ...]
    repository: str
    licence: str
    networks: tuple[str, ...]
    optional_networks: tuple[str, ...]
    marks: tuple[str, ...]
    config: dict[str, Any]

    @property
    def sample(self) -> Path:
        """The sample checkpoint that comes with this package; it need not exist."""
        return Path(__file__).parent / self.name / "sample.safetensors"


@lru_cache
def card(name: str) -> Card:
    """The card of one of `MODELS`."""
    text = (Path(__file__).parent / name / "model.json").read_text(encoding="utf-8")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(text).items()}
    return Card(name=name, **values)


def find_weights(card: Card, weights: Path | None) -> Path | None:
    """The model's checkpoint in the weights folder, or None.

    In ``<weights>/<model>/`` any checkpoint file will do, in ``<weights>/`` itself only the published names.
    Raises ModelError where the folder is missing or several files could be meant.
    """
    if weights is None:
        return None
    if not weights.is_dir():
        raise ModelError(f"weights folder {weights} does not exist")
    own = weights / card.name
    found = sorted(file for file in own.glob("*") if file.name.endswith(SUFFIXES)) if own.is_dir() else []
    found = found or [weights / name for name in card.files if (weights / name).is_file()]
    if len(found) > 1:
        files = ", ".join(str(file) for file in found)
        raise ModelError(f"{card.name}: several checkpoints could be meant: {files}; use {card.name}?weights=FILE")
    return found[0] if found else None


def official_files() -> list[dict[str, str]]:
    """For every model and published file name: model, file, repository, licence, folder (below the weights folder)."""
    return [
        {"model": name, "file": file, "repository": f"github.com/{card(name).repository}",
         "licence": card(name).licence, "folder": name}
        for name in MODELS
        for file in card(name).files
    ]
