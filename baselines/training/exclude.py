"""Exclude the clips of pair lists from a training, so that test videos stay unseen."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from baselines.predictor import ModelError
from baselines.training import clips
from protocols import by_hand, catalogue
from protocols.custom_dataset import open_dataset
from protocols.errors import DataError
from protocols.folder import VIDEOS
from protocols.pairs import PairList
from protocols.published import RULES, frozen_name, read_pairs
from protocols.rendezvous import rendezvous_pairs

log = logging.getLogger(__name__)


def excluded(lists: Sequence[str], root: Path, chosen: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the names, sorted, of the training clips in `root` that a pair list names in any role.

    lists: files, frozen or in the published form, or ``frozen:NAME``; a rule (`protocols.RULES`) is applied to the data
    set that `root` is a split of. chosen: names of the clips to train on; None: all.
    Clips are compared by the last part of their names, without a video's suffix: ``train/<clip>`` in a list is the
    folder ``<clip>`` or the file ``<clip>.mp4``. Raises ModelError if a list cannot be read, or names no such clip.
    """
    names = clips.names(root, chosen)
    left_out: set[str] = set()
    for given in lists:
        try:
            pairs = _read(given, root)
        except DataError as error:
            raise ModelError(f"exclude_pairs: {error}", code=error.code) from None
        listed = {bare(ref.clip) for pair in pairs.pairs for ref in pair.refs()}
        found = {name for name in names if bare(name) in listed}
        if not found:
            raise ModelError(
                f"exclude_pairs {given}: none of its {len(listed)} clips is among the {len(names)} clips of {root} "
                f"(it names {pairs.pairs[0].source.clip}, the folder has {', '.join(names[:1]) or 'none'})",
                code="wrong-pairs",
            )
        missing = len(listed - {bare(name) for name in found})
        rest = f"; {missing} of the list's {len(listed)} clips are not in the folder" if missing else ""
        log.info("exclude_pairs %s: %d of %d training clips excluded%s", given, len(found), len(names), rest)
        left_out |= found
    if left_out and left_out == set(names):
        raise ModelError(f"exclude_pairs: no training clip is left in {root}", code="too-few-clips")
    return tuple(sorted(left_out))


def bare(clip: str) -> str:
    """Return the last part of a clip's name, without a video's suffix."""
    name = clip.rpartition("/")[2]
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in VIDEOS else name


def _read(given: str, root: Path) -> PairList:
    name = frozen_name(Path(given))
    if name not in RULES:
        file = Path(given).expanduser()
        if name is None and by_hand.is_one(file):
            raise DataError(
                f"{given} is written by hand: make a frozen list of it first: "
                f"python -m bench pairs import {given} --data NAME=PATH --out LIST.csv",
                code="missing-data",
            )
        return read_pairs(file)
    protocol = catalogue.get(name)
    folder = Path(os.path.abspath(root))
    if folder.name not in ("train", "test"):
        raise DataError(
            f"{given} is a rule for the whole data set: train on its folder `train`, or make the "
            f"list first: python -m bench pairs make --frozen {name} --data {protocol.dataset}=PATH --out {name}.csv",
            code="pair-list-is-a-rule",
        )
    return rendezvous_pairs(open_dataset(protocol.dataset, folder.parent), protocol)
