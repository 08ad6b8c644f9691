"""Find the list that a folder's frames were made for: ``pairs.json`` next to them, or the list itself, ``pairs.csv``.

Ids such as ``0003`` are positions, which every drawn list has: frames of another list would score very badly.
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
    """Return the content of ``pairs.json``: the list's name and hash, and by id a hash of each pair's inputs.

    facts: of the run that made the frames (protocol, model, mode, run, and those of `inputs`).
    """
    about = ListFacts(name=pairs.name, sha256=pairs.sha256, n=len(pairs))
    hashes = {pair.id: _input_hash(pair) for pair in pairs.pairs}
    return FramesList.model_validate({"format": FORMAT, "list": about, **facts, "pairs": hashes})


def inputs(resolved: Resolved) -> Inputs:
    """Return what else decides a model's input frames."""
    size = "{1}x{0}".format(*resolved.shape)
    return Inputs(frame_size=size, crop=resolved.crop, clips_sha256=resolved.clips_sha256)


def check(model: Model, pairs: PairList, shown: Inputs | None = None) -> list[str]:
    """Return notices on a folder's frames.

    shown: `inputs` of the run that reads them. Raises UserError if they were made for other pairs with these ids, or
    from frames of another size, crop or content.
    """
    predictor = model.predictor
    if not isinstance(predictor, FramesFolder):
        return []
    made_for, notices = _read(predictor.folder)
    if made_for is None:
        return notices + _unmarked(model.label, predictor, pairs)
    known = made_for.pairs
    other = [
        pair.id for pair in pairs.pairs if pair.id in known and not _same_inputs(known[pair.id], _input_hash(pair))
    ]
    name, sha256 = made_for.list.name, made_for.list.sha256
    if other:
        raise UserError(
            f"frames:{predictor.folder} were made for the list {name} ({sha256[:12]}), and this run has "
            f"{pairs.name} ({pairs.sha256[:12]}): {len(other)} of its {len(pairs)} pairs have other inputs "
            f"there, {other[0]} first. Give --pairs, --seed and --protocol as when the frames were made",
            code="wrong-frames",
        )
    mine = [pair for pair in pairs.pairs if pair.id in known and pair.id in predictor.files]
    notices += _check_inputs(model.label, predictor.folder, made_for, shown, mine, sha256 == pairs.sha256)
    unlisted = [pair.id for pair in pairs.pairs if pair.id not in known and pair.id in predictor.files]
    if unlisted:
        notices.append(
            f"frames of {model.label}: {len(unlisted)} of {len(pairs)} pairs have a frame but are not in the "
            f"frames' list {name}, {unlisted[0]} first"
        )
    if (made_for.mode or model.mode) != model.mode:
        notices.append(
            f"frames of {model.label} were made in the motion mode {made_for.mode}; this run is in {model.mode}"
        )
    return notices


def mark(folder: Path, pairs: PairList) -> tuple[Path, int]:
    """Write ``pairs.json`` into a folder of frames; return the file and the number of pairs with a frame.

    Raises UserError if the folder is marked for another list, or cannot be written.
    """
    frames = FramesFolder(folder)
    before, _ = _read(frames.folder)
    if before is not None and before.list.sha256 != pairs.sha256:
        raise UserError(
            f"{folder} is already marked for the list {before.list.name} ({before.list.sha256[:12]}), by "
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
    """Check the models' inputs as `check` does; folders without them (earlier releases, `mark`) are skipped."""
    if made.frame_size is None or made.crop is None or made.clips_sha256 is None or now is None:
        return []
    size, other_size = made.frame_size, now.frame_size
    clips = {f"{ref.dataset}/{ref.clip}" for p in pairs for ref in (p.source, p.driving, p.anchor) if ref}
    cut, _ = cuts(made.crop, now.crop, clips)
    read = ((), ()) if same_list else ((), ("others",))  # a folder's hash is of the frames that the list names
    other, unknown = contents(made.clips_sha256, now.clips_sha256, dict.fromkeys(clips, read))
    why = [f"frames of {size}, those here are {other_size}"] if size != other_size else []
    why += [f"clips that were cropped differently: {some(cut)}"] if cut else []
    why += [f"clips with other files: {some(other)}"] if other else []
    if pairs and why:
        raise UserError(
            f"frames:{folder} were made from {'; '.join(why)}. Give --size, --crop and --data as then",
            code="wrong-frames",
        )
    if not unknown:
        return []
    return [
        f"frames of {label}: UNKNOWN whether they were made from the same input frames in {len(unknown)} clips, since "
        f"the lists differ: {some(unknown)}"
    ]


def _read(folder: Path) -> tuple[FramesList | None, list[str]]:
    """Return what the folder says about its list, and notices."""
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
        f"frames of {label}: nothing in {predictor.folder} names their pair list; {which} taken for those of "
        f"{pairs.name} ({pairs.sha256[:12]}), though other lists have the same ids (`pairs mark LIST DIR` names it)"
    ]


def _input_hash(pair: Pair) -> str:
    """Return a hash of a pair's inputs and, after a colon, one of its anchor, which only relative modes need."""
    parts = [str(pair.source), str(pair.driving), f"{pair.alpha:.6f}", f"{pair.beta:.6f}"]
    return _hash(*parts) + (f":{_hash(str(pair.anchor))}" if pair.anchor else "")


def _same_inputs(one: object, other: str) -> bool:
    """Return whether two pairs have the same inputs; anchors count if both have one."""
    (ours, _, anchor), (theirs, _, their_anchor) = str(one).partition(":"), other.partition(":")
    return ours == theirs and (not anchor or not their_anchor or anchor == their_anchor)


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_DIGITS]
