"""Origin of a network's weights, from the content of the file: shapes, checksum, this program's own metadata.

The file's name does not count. Only a known checksum proves that a file is the published one; a file of random numbers
in the right shapes looks like any other, so all other files are unverified.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from baselines import checkpoints, samples
from baselines.card import NO_CHECKSUM, Card, card
from baselines.checkpoints import Checkpoint

Status = Literal["official", "sample", "unverified", "untrained"]
_SAMPLE_DATA = ("clips", "data_sha256")  # facts of a training that tell its data
_NO_SHAPES = ("frame_size",)  # entries of a configuration that do not affect any tensor's shape


TRAINED_HERE = "trained with this program"
OTHER_SIZE = "of another size than the published network"


@dataclass(frozen=True)
class Origin:
    """status: see `judge`. note: the reason, in words. published_size: whether it has the published configuration."""

    status: Status
    note: str
    published_size: bool


def judge(about: Card, checkpoint: Checkpoint | None, config: Mapping[str, Any]) -> Origin:
    """Return the origin of the weights that a card's network was filled with. config: of the built network.

    "official": the checksum is the published file's. "sample": small networks that come with this program, or were
    trained on its sample set, under any name and in any layout. "untrained": requested random weights. "unverified":
    anything else.
    """
    if checkpoint is None:
        return Origin("untrained", "random weights", True)
    published = _sizes(config) == _sizes(about.config)
    if about.checksums and checkpoint.sha256 in about.checksums.values():
        return Origin("official", "its sha256 is the published file's", published)
    facts, shipped = checkpoint.facts, _header(about.sample)
    sample_facts = known.facts if (known := _header(card("fomm").sample)) else {}
    if any(facts.get(key) and facts[key] == sample_facts.get(key) for key in _SAMPLE_DATA):
        return Origin("sample", f"trained on the sample set{_unlike_record(about, checkpoint)}", published)
    if shipped and not published and _sizes(config) == _sizes(shipped.config or {}):
        return Origin("sample", "of the size of this program's sample checkpoint", published)
    if facts.get("steps"):
        note = f"{TRAINED_HERE}, {facts['steps']} steps"
    elif published and about.files:
        note = f"of the size of the published {about.title}; {NO_CHECKSUM}"
    else:
        note = OTHER_SIZE if about.files else "no published weights exist"
    return Origin("unverified", note, published)


def started_from(facts: Mapping[str, Any]) -> str | None:
    """Return, in words, the sample checkpoint that a training started from; None if it is not a known one."""
    given = facts.get("init_from")
    for name in dict.fromkeys(recipe.start for recipe in samples.recipes().values() if recipe.start):
        if given and given == samples.recipe(name).sha256:
            return f"sample checkpoint of {name}"
        shipped = _header(card(name).sample)
        if given and shipped and given == shipped.facts.get("converted_from_sha256"):
            return f"sample checkpoint of {name} before it was rounded to float16"
    return None


def _unlike_record(about: Card, checkpoint: Checkpoint) -> str:
    """Return a note if the file differs from the recorded one: it was trained elsewhere, or written again."""
    known = samples.recipes().get(about.name)
    return "" if known and checkpoint.sha256 == known.sha256 else "; not the file on record (`bench samples list`)"


def _sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in _NO_SHAPES}


@lru_cache
def _header(file: Path) -> Checkpoint | None:
    """Return the header of a sample checkpoint; None if there is no file."""
    return checkpoints.header(file) if file.is_file() else None
