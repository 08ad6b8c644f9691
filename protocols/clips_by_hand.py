"""Clip lists written by hand: CSV with the columns of a frozen list, only ``source`` and ``driving`` required.

A cell names a clip, or for the source also a frame or a photograph, by its path below the data root, as in
`protocols.by_hand`. start, end, template, template_end (seconds) and rate (frames per second) may be empty; a line with
a template is driven by sound (`Clip`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from protocols import files
from protocols.by_hand import NAMED, NEEDED, Finder, check_header, read_rows
from protocols.clip_sampling import ids_of
from protocols.clips import COLUMNS, TEMPLATE_COLUMNS, Clip, ClipList
from protocols.datasets import Dataset
from protocols.errors import DataError
from protocols.pairs import WHOLE_CLIP, FrameRef


def read(path: Path, names: Sequence[str], opened: Callable[[str], Dataset]) -> ClipList:
    """Return the list in its frozen form, with every clip found in the data.

    names: allowed data sets; with one, cells need not begin with its name. opened: opens a data set by name.
    Defaults of empty or absent cells: ids come from the clips' names; the target is the driving clip if the source is
    of it; identities are the data set's. Raises DataError with file and lines.
    """
    content = files.content(path)
    rows = read_rows(path)
    if not rows:
        raise DataError(f"{path}: empty", code="no-pairs")
    (_, header), *rows = rows
    check_header(path, header, (*COLUMNS, *TEMPLATE_COLUMNS))
    if not names:
        raise DataError(f"{path}: a list written by hand needs --data NAME=PATH", code="missing-data")
    find = Finder(names, opened)
    cells = [(line, dict(zip(header, row))) for line, row in rows]
    ids = ids_of([f"{one.get('source', '')}--{one.get('driving', '')}" for _, one in cells])
    clips: list[Clip] = []
    wrong: list[str] = []
    kinds: set[str] = set()
    for (line, one), row, identifier in zip(cells, rows, ids):
        try:
            if len(row[1]) != len(header):
                raise DataError(f"{len(row[1])} columns, expected {len(header)}", code="bad-row")
            clips.append(_clip(one, identifier, find))
        except DataError as error:
            wrong.append(f"line {line}: {error}")
            kinds.add(error.code)
    if wrong:
        more = f" ... and {len(wrong) - NAMED} more lines" if len(wrong) > NAMED else ""
        raise DataError(f"{path}, {'; '.join(wrong[:NAMED])}{more}", code=kinds.pop() if len(kinds) == 1 else "bad-row")
    provenance = {"file": path.name, "file_sha256": hashlib.sha256(content).hexdigest(), "written": "by hand"}
    return ClipList(path.stem, 1, tuple(clips), provenance)


def _clip(cells: Mapping[str, str], identifier: str, find: Finder) -> Clip:
    for name in NEEDED:
        if not cells.get(name):
            raise DataError(f"no {name}", code="missing-value")
    source = find("source", cells["source"])
    driving, target, sound = (_whole(name, cells.get(name), find) for name in ("driving", "target", "sound"))
    assert driving is not None  # a required column
    if target is None and (source.dataset, source.clip) == (driving.dataset, driving.clip):
        target = driving
    numbers: dict[str, float | None] = {}
    for name in ("start", "end", "rate", *TEMPLATE_COLUMNS):
        try:
            numbers[name] = float(cells[name]) if cells.get(name) else None
        except ValueError:
            raise DataError(f"{name} {cells[name]!r} is not a number", code="bad-number") from None
    whose, by = (
        cells.get(f"{role}_identity") or find.dataset(ref.dataset).identity(ref.clip)
        for role, ref in (("source", source), ("driving", driving))
    )
    start = numbers.pop("start") or 0.0
    if numbers["template"] is not None and len(find.frames_of(source)) == 1:
        source = replace(source, frame=WHOLE_CLIP)  # a photograph, named by its path
    return Clip(cells.get("id") or identifier, source, driving, target, sound, whose, by, start, **numbers)


def _whole(what: str, path: str | None, find: Finder) -> FrameRef | None:
    if not path:
        return None
    ref = find(what, path)
    if ref.frame != WHOLE_CLIP:
        raise DataError(f"{what} {path!r} is a single frame, not a clip", code="wrong-frames")
    return ref
