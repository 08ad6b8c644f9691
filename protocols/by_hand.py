"""Pair lists written by hand: CSV with the columns of a frozen list, only two of them required.

A cell names a frame or a whole clip by its path below the data root: ``anna/talk.mp4`` is the video,
``anna/talk.mp4/13`` its frame 13 (counted from 0), ``photos/ben.jpg`` a picture, ``clips/ben`` a folder of frames and
``clips/ben/0000013.png`` (or ``clips/ben/13``) one of them. The data set's name may precede it, and must if there are
several: ``mine/anna/talk.mp4/13``. Only ``/`` has a meaning, so names may contain ``#``, ``:`` or spaces.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from protocols import files
from protocols.datasets import Dataset
from protocols.errors import DataError, unreadable
from protocols.expand import expanded
from protocols.pairs import COLUMNS, WHOLE_CLIP, FrameRef, Pair, PairList
from protocols.published import HEADERS, neutral

NEEDED = ("source", "driving")
NAMED = 5  # lines with mistakes in a message


def is_one(path: Path, names: Collection[str] = ()) -> bool:
    """Return whether a file is a list written by hand. Raises DataError if it cannot be read.

    names: data sets of the command line. If the header is also that of a published list, the first path decides, unless
    it has the form of a data set that is not in `names`.
    """
    rows = read_rows(path)
    if not rows:
        return False
    header = rows[0][1]
    if tuple(header) == COLUMNS:  # a frozen list without its head, so without the hash that detects changes
        raise DataError(
            f"{path}: a frozen pair list without its first line (its name and hash, after a #)", code="not-a-pair-list"
        )
    if tuple(header) in HEADERS and len(rows) > 1:
        try:
            dataset = neutral(rows[1][1][0]).dataset
            return bool(names) and dataset not in names and set(header) <= set(COLUMNS)
        except DataError:
            return set(header) <= set(COLUMNS)
    return bool(set(NEEDED) & set(header))


def read(path: Path, names: Sequence[str], opened: Callable[[str], Dataset]) -> PairList:
    """Return the list in its frozen form: every frame is found in the data, whole clips become frames (`expanded`).

    names: allowed data sets; with one, cells need not begin with its name. opened: opens a data set by name.
    Defaults of empty or absent cells: ids are the positions from 0; the target is the driving frame if source and
    driving frame are of one clip; identities are the data set's. Raises DataError with file and lines.
    """
    content = files.content(path)
    (_, header), *rows = read_rows(path)
    check_header(path, header)
    if not names:
        raise DataError(f"{path}: a list written by hand needs --data NAME=PATH", code="missing-data")
    find = Finder(names, opened)
    pairs: list[Pair] = []
    wrong: list[str] = []
    kinds: set[str] = set()
    width = max(4, len(str(len(rows) - 1)))
    for number, (line, row) in enumerate(rows):
        try:
            if len(row) != len(header):
                raise DataError(f"{len(row)} columns, expected {len(header)}", code="bad-row")
            pairs.append(_pair(dict(zip(header, row)), f"{number:0{width}d}", find))
        except DataError as error:
            wrong.append(f"line {line}: {error}")
            kinds.add(error.code)
    if wrong:
        more = f" ... and {len(wrong) - NAMED} more lines" if len(wrong) > NAMED else ""
        kind = kinds.pop() if len(kinds) == 1 else "bad-row"
        raise DataError(f"{path}, {'; '.join(wrong[:NAMED])}{more}", code=kind)
    provenance = {"file": path.name, "file_sha256": hashlib.sha256(content).hexdigest(), "written": "by hand"}
    try:
        return expanded(PairList(path.stem, 1, tuple(pairs), provenance), find.frames_of)
    except DataError as error:
        raise DataError(f"{path}: {error}", code=error.code) from None


class Finder:
    """Find paths in the data sets; list the frames of each clip once."""

    def __init__(self, names: Sequence[str], opened: Callable[[str], Dataset]):
        self._names, self.dataset = names, opened
        self._advice = NAMED  # finding similar names is slow, so only for as many mistakes
        self._frames: dict[tuple[str, str], list[str]] = {}

    def frames_of(self, ref: FrameRef) -> list[str]:
        key = (ref.dataset, ref.clip)
        if key not in self._frames:
            self._frames[key] = self.dataset(ref.dataset).frames(ref.clip)
        return self._frames[key]

    def __call__(self, what: str, path: str) -> FrameRef:
        """Return the frame or clip (``*``) that a cell names. Raises DataError if there is none, or several."""
        if path.startswith("/"):
            raise DataError(f"{what} {path!r} is absolute: give the path below the data root", code="absolute-path")
        path = path.rstrip("/")
        first, _, rest = path.partition("/")
        places = [(first.lower(), rest)] if rest and first.lower() in self._names else []
        if len(self._names) == 1:
            places.append((self._names[0], path))
        if not places:
            raise DataError(
                f"{what} {path!r} does not begin with a data set's name ({', '.join(self._names)})",
                code="unknown-dataset",
            )
        found = [ref for name, below in places if (ref := self._below(name, below))]
        if len(set(found)) > 1:
            ways = f"{found[0]} (write {rest!r}) or {found[1]} (write {f'{first}/{path}'!r})"
            raise DataError(f"{what} {path!r} may be {ways}", code="ambiguous-frame")
        if not found:
            raise DataError(f"{what} {path!r}: {self._why(*places[-1])}", code="unknown-frame")
        return found[0]

    def _below(self, name: str, path: str) -> FrameRef | None:
        whole = FrameRef(name, path, WHOLE_CLIP)
        if frames := self.frames_of(whole):
            return FrameRef(name, path, frames[0]) if len(frames) == 1 else whole
        clip, slash, frame = path.rpartition("/")
        if not slash or not (frames := self.frames_of(FrameRef(name, clip, WHOLE_CLIP))):
            return None
        if frame == WHOLE_CLIP:
            return FrameRef(name, clip, WHOLE_CLIP)
        chosen = frame if frame in frames else None
        stem = frame.rpartition(".")[0]
        if chosen is None and stem in frames and self.dataset(name).path(FrameRef(name, clip, stem)).name == frame:
            chosen = stem
        if chosen is None and frame.isascii() and frame.isdigit():
            same = [other for other in frames if other.isascii() and other.isdigit() and int(other) == int(frame)]
            chosen = same[0] if len(same) == 1 else None
        return FrameRef(name, clip, chosen) if chosen else None

    def _why(self, name: str, path: str) -> str:
        """Return why a path leads to nothing, with the closest name."""
        dataset = self.dataset(name)
        clip, slash, frame = path.rpartition("/")
        frames = self.frames_of(FrameRef(name, clip, WHOLE_CLIP)) if slash else []
        if frames:
            return f"no frame {frame} in {name}/{clip}, which has {len(frames)}, from {frames[0]} to {frames[-1]}"
        self._advice -= 1
        near = difflib.get_close_matches(path, dataset.clips(), n=1, cutoff=0.5) if self._advice >= 0 else []
        return f"no clip or frame of {name} in {dataset.root}" + (f"; did you mean {near[0]}?" if near else "")


def _pair(cells: Mapping[str, str], identifier: str, find: Finder) -> Pair:
    frames = {name: find(name, cells[name]) for name in ("source", "driving", "target", "anchor") if cells.get(name)}
    for name in NEEDED:
        if name not in frames:
            raise DataError(f"no {name}", code="missing-value")
    source, driving = frames["source"], frames["driving"]
    target = frames.get("target")
    if (
        target is None
        and driving.frame != WHOLE_CLIP
        and (source.dataset, source.clip) == (driving.dataset, driving.clip)
    ):
        target = driving
    factors = []
    for name in ("alpha", "beta"):
        try:
            factors.append(float(cells.get(name) or 1))
        except ValueError:
            raise DataError(f"{name} {cells[name]!r} is not a number", code="bad-number") from None
    whose, by = (
        cells.get(f"{role}_identity") or find.dataset(ref.dataset).identity(ref.clip)
        for role, ref in (("source", source), ("driving", driving))
    )
    alpha, beta = factors
    return Pair(cells.get("id") or identifier, source, driving, target, frames.get("anchor"), whose, by, alpha, beta)


def check_header(path: Path, header: Sequence[str], columns: Sequence[str] = COLUMNS) -> None:
    """Raise DataError for a header with duplicate, missing or unknown columns."""
    known = ", ".join(columns)
    if twice := [name for name in dict.fromkeys(header) if header.count(name) > 1]:
        raise DataError(f"{path}, line 1: duplicate column {twice[0]}", code="duplicate-column")
    if lacking := [name for name in NEEDED if name not in header]:
        raise DataError(
            f"{path}, line 1: no column {lacking[0]}; required are source and driving, known are {known}",
            code="missing-column",
        )
    if unknown := [name for name in header if name not in columns]:
        raise DataError(f"{path}, line 1: unknown column {unknown[0]!r}; known are {known}", code="unknown-column")


def read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return (line, cells) of a CSV file, with stripped cells and without empty lines. Raises DataError."""
    try:
        text = files.content(path).decode("utf-8-sig")
        reader = csv.reader(text.splitlines(), strict=True)
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except OSError as error:
        raise unreadable(path, error) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file ({error})", code="not-csv") from None
    rows = [(line, row) for line, row in rows if any(row)]
    if rows and len(rows[0][1]) == 1 and ({";", "\t"} & set(rows[0][1][0])):
        raise DataError(f"{path}, line {rows[0][0]}: columns must be separated by commas", code="not-csv")
    return rows
