"""Which list the frames of a folder were made for: ``pairs.json`` beside them, or the list itself, ``pairs.csv``.

Ids like ``0003`` are positions: every drawn list has them, and frames of another list would measure as very bad ones.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from baselines.external.frames_folder import MAPPING, FramesFolder, is_frozen_list
from bench.run.engine import Model
from bench.run.same_frames import contents, cuts
from bench.runtime.errors import UserError
from protocols import files
from protocols.errors import DataError
from protocols.folder import some
from protocols.pairs import Pair, PairList
from reports.schema.base import Damaged, parse
from reports.schema.frames import FORMAT, FRAMES, FramesList, Inputs, ListFacts

if TYPE_CHECKING:
    from protocols.resolve import Resolved

NAME = "pairs.json"
_POSITION = re.compile(r"\d+(-\w+)*")  # of a pair in its list; behind the dash a frame's number or a variant
_DIGITS = 16


def content(pairs: PairList, **facts: object) -> FramesList:
    """What ``pairs.json`` holds: the list's name and hash, and by id a hash of what each pair asks.

    facts: of the run that made the frames (protocol, model, mode, run, and those of `inputs`).
    """
    about = ListFacts(name=pairs.name, sha256=pairs.sha256, n=len(pairs))
    asked = {pair.id: _asks(pair) for pair in pairs.pairs}
    return FramesList.model_validate({"format": FORMAT, "list": about, **facts, "pairs": asked})


def inputs(resolved: Resolved) -> Inputs:
    """What else decides the frames that a model is shown."""
    size = "{1}x{0}".format(*resolved.shape)
    return Inputs(frame_size=size, crop=resolved.crop, clips_sha256=resolved.clips_sha256)


def check(model: Model, pairs: PairList, shown: Inputs | None = None) -> list[str]:
    """What is to be said of a folder's frames.

    shown: `inputs` of the run that reads them. Raises UserError where they were made for other pairs of these ids, or
    from frames of another size, crop or content.
    """
    predictor = model.predictor
    if not isinstance(predictor, FramesFolder):
        return []
    made_for, notices = _read(predictor.folder)
    if made_for is None:
        return notices + _unmarked(model.label, predictor, pairs)
    known = made_for.pairs
    other = [pair.id for pair in pairs.pairs if pair.id in known and not _alike(known[pair.id], _asks(pair))]
    name, sha256 = made_for.list.name, made_for.list.sha256
    if other:
        raise UserError(
            f"frames:{predictor.folder} were made for the list {name} ({sha256[:12]}), and this run has "
            f"{pairs.name} ({pairs.sha256[:12]}): {len(other)} of its {len(pairs)} pairs ask something else there "
            f"under the same id, {other[0]} is the first. Give --pairs, --seed and --protocol as when they were made",
            code="wrong-frames",
        )
    mine = [pair for pair in pairs.pairs if pair.id in known and pair.id in predictor.files]
    notices += _check_inputs(model.label, predictor.folder, made_for, shown, mine, sha256 == pairs.sha256)
    strange = [pair.id for pair in pairs.pairs if pair.id not in known and pair.id in predictor.files]
    if strange:
        notices.append(
            f"frames of {model.label}: {len(strange)} of {len(pairs)} pairs have a frame but are not in the list "
            f"{name} that the frames were made for, {strange[0]} is the first"
        )
    if (made_for.mode or model.mode) != model.mode:
        notices.append(
            f"frames of {model.label} were made in the motion mode {made_for.mode}; this run is in {model.mode}"
        )
    return notices


def mark(folder: Path, pairs: PairList) -> tuple[Path, int]:
    """Write ``pairs.json`` into a folder of frames; returns the file, and how many pairs have a frame.

    Raises UserError where the folder is marked for another list already, or cannot be written.
    """
    frames = FramesFolder(folder)
    before, _ = _read(frames.folder)
    if before is not None and before.list.sha256 != pairs.sha256:
        raise UserError(
            f"{folder} is marked for the list {before.list.name} ({before.list.sha256[:12]}) already, by "
            f"{NAME} or {MAPPING}; remove that file first",
            code="other-list",
        )
    file = frames.folder / NAME
    try:
        file.write_text(json.dumps(content(pairs).content(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror or error})", code="unwritable-file") from None
    found = (frames.files.get(pair.id) for pair in pairs.pairs)
    return file, sum(image is not None and image.is_file() for image in found)


def _check_inputs(
    label: str, folder: Path, made: FramesList, now: Inputs | None, pairs: list[Pair], same_list: bool
) -> list[str]:
    """The same of what the models were shown; folders that do not say it (earlier releases, `mark`) are passed over."""
    if made.frame_size is None or made.crop is None or made.clips_sha256 is None or now is None:
        return []
    size, other_size = made.frame_size, now.frame_size
    clips = {f"{ref.dataset}/{ref.clip}" for p in pairs for ref in (p.source, p.driving, p.anchor) if ref}
    cut, _ = cuts(made.crop, now.crop, clips)
    read = ((), ()) if same_list else ((), ("others",))  # a folder's hash is of the frames that the list names
    other, unknown = contents(made.clips_sha256, now.clips_sha256, dict.fromkeys(clips, read))
    why = [f"frames of {size}, those here are {other_size}"] if size != other_size else []
    why += [f"clips that were cut differently: {some(cut)}"] if cut else []
    why += [f"clips whose files hold something else here: {some(other)}"] if other else []
    if pairs and why:
        raise UserError(
            f"frames:{folder} were made from {'; '.join(why)}. Give --size, --crop and --data as then",
            code="wrong-frames",
        )
    if not unknown:
        return []
    return [
        f"frames of {label}: whether the frames of {len(unknown)} clips are those that they were made from cannot be "
        f"told, the lists differ: {some(unknown)}"
    ]


def _read(folder: Path) -> tuple[FramesList | None, list[str]]:
    """What the folder says of its list, and what is wrong with it."""
    file, frozen = folder / NAME, folder / MAPPING
    if file.is_file():
        try:
            return parse(FRAMES, files.content(file)), []
        except (OSError, Damaged):
            return None, [f"{file} does not say which list the frames are of (not in the format {FORMAT!r})"]
    if is_frozen_list(frozen):
        try:
            return content(PairList.read(frozen)), []
        except DataError as error:
            raise UserError(str(error), code=error.code) from None
    return None, []


def _unmarked(label: str, predictor: FramesFolder, pairs: PairList) -> list[str]:
    ids = [pair.id for pair in pairs.pairs if pair.id in predictor.files and _POSITION.fullmatch(pair.id)]
    if not ids:
        return []
    which = f"the frame {ids[0]} is" if len(ids) == 1 else f"the frames {ids[0]} to {ids[-1]} are"
    return [
        f"frames of {label}: nothing in {predictor.folder} says which pair list they were made for; {which} taken for "
        f"those of {pairs.name} ({pairs.sha256[:12]}), though another list has the same ids "
        "(`pairs mark LIST DIR` says which)"
    ]


def _asks(pair: Pair) -> str:
    """A hash of what decides a pair's frame, and behind a colon one of its anchor, which only relative modes need."""
    parts = [str(pair.source), str(pair.driving), f"{pair.alpha:.6f}", f"{pair.beta:.6f}"]
    return _hash(*parts) + (f":{_hash(str(pair.anchor))}" if pair.anchor else "")


def _alike(one: object, other: str) -> bool:
    """Whether two pairs ask the same; an anchor counts where both have one."""
    (ours, _, anchor), (theirs, _, their_anchor) = str(one).partition(":"), other.partition(":")
    return ours == theirs and (not anchor or not their_anchor or anchor == their_anchor)


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_DIGITS]
