"""Pair lists in the authors' published CSV form, with absolute paths of their machines."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from protocols import files
from protocols.datasets import LAYOUTS, SplitFolders
from protocols.errors import DataError, unreadable
from protocols.pairs import WHOLE_CLIP, FrameRef, PairList
from protocols.sampling import pair_of

FROZEN = Path(__file__).parent / "data" / "frozen"  # this project's lists on the real data sets
FROZEN_PREFIX = "frozen:"
RULES = ("vox1-seenid", "vox2-sameid")  # protocols whose list is a rule (`protocols.rendezvous`)
HEADERS = {("source", "driving"), *(("source", "driving", third) for third in ("frame", "best_frame", "anchor"))}
BY_HAND = "; a list written by hand needs --data NAME=PATH (run or pairs import)"

# The end of a path identifies the data set. One published column lacks the slash before an HDTF frame.
_FRONT = r"(?:.*/)?"
_SPLIT = r"(?:.*/(?P<split>test|train)/|.*/)?"
_IMAGE = r"\.(?:png|jpg)"
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("celebv", re.compile(rf"{_FRONT}(?P<clip>[^/]+)/Image/(?P<frame>[^/]+){_IMAGE}")),
    ("hdtf", re.compile(rf"{_FRONT}(?P<clip>[A-Z]+_[^/#]+_\d{{3}}\.mp4)/?(?P<frame>\d{{6}}){_IMAGE}")),
    ("vox1", re.compile(rf"{_SPLIT}(?P<clip>id1\d{{4}}#[^/]+\.mp4)/(?P<frame>\d{{7}}){_IMAGE}")),
    ("vox2", re.compile(rf"{_SPLIT}(?P<clip>id0\d{{4}}#[^/]+\.mp4)/(?P<frame>\d{{7}}){_IMAGE}")),
    ("ted", re.compile(rf"{_SPLIT}(?P<clip>[^/#]+#\d+#\d+\.mp4)/(?P<frame>\d{{7}}){_IMAGE}")),
    # whole clips, as in FOMM's list for animation
    ("vox1", re.compile(r"(?P<clip>id1\d{4}#[^/]+\.mp4)")),
    ("vox2", re.compile(r"(?P<clip>id0\d{4}#[^/]+\.mp4)")),
)


@cache
def known_lists() -> tuple[dict[str, Any], ...]:
    """Return the known published lists: name, file and content hash, data set, reference, number of pairs."""
    file = Path(__file__).parent / "data" / "published_lists.json"
    return tuple(json.loads(file.read_text(encoding="utf-8")))


def recognize(sha256: str) -> dict[str, Any] | None:
    """Return the published list with this hash of its file or its pairs; None if there is none."""
    return next((entry for entry in known_lists() if sha256 in (entry["file_sha256"], entry["sha256"])), None)


@cache
def frozen_names() -> tuple[str, ...]:
    """Return the protocols with a frozen list of this project on the real data."""
    return tuple(sorted(file.stem for file in FROZEN.glob("*.csv")))


def frozen_name(path: Path) -> str | None:
    """Return NAME of ``frozen:NAME``; None for a file. Raises DataError for an unknown name."""
    if not str(path).startswith(FROZEN_PREFIX):
        return None
    name = str(path).removeprefix(FROZEN_PREFIX)
    if name not in (known := sorted((*frozen_names(), *RULES))):
        raise DataError(f"no built-in list {name!r}; known are {', '.join(known)}", code="unknown-pair-list")
    return name


def read_pairs(path: Path) -> PairList:
    """Return a pair list from a file: frozen, or in the published CSV form. Raises DataError for anything else.

    ``frozen:NAME`` instead of a file is this project's frozen list of that name (tools/freeze_lists.py).
    """
    if name := frozen_name(path):
        if name in RULES:
            raise DataError(
                f"{path} is a rule; make the list from your copy of the data: python -m bench pairs make --frozen "
                f"{name} --data {name.partition('-')[0]}=PATH --out {name}.csv",
                code="pair-list-is-a-rule",
            )
        path = FROZEN / f"{name}.csv"
    try:
        frozen = files.content(path).startswith(b"#")
    except OSError as error:
        raise unreadable(path, error) from None
    return PairList.read(path) if frozen else import_published(path)


def import_published(path: Path) -> PairList:
    """Read a CSV file of ``source,driving[,frame|best_frame|anchor]`` with paths in any of the known layouts.

    The end of a path identifies data set, clip and frame; its beginning is ignored. The third column is the anchor if
    it is a path, and is ignored if it is empty or a number. Entries that name clips without frames become whole clips
    (`expand.expanded` turns them into frames). Ids are the positions in the file, from 0.
    The provenance has the file's SHA-256 and, for a known list, its name under ``published``.
    Raises DataError, with the line, for an unknown form.
    """
    try:
        content = files.content(path)
        rows = list(csv.reader(content.decode("utf-8-sig").splitlines(), strict=True))
    except OSError as error:
        raise unreadable(path, error) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file ({error})", code="not-csv") from None
    if not rows or tuple(rows[0]) not in HEADERS:
        raise DataError(
            f"{path}: the first line is not source,driving with frame, best_frame or anchor after it{BY_HAND}",
            code="not-a-pair-list",
        )
    pairs = []
    width = max(4, len(str(len(rows) - 2)))
    for line, row in enumerate(rows[1:], start=2):
        if len(row) not in (2, 3):
            raise DataError(f"{path}, line {line}: {len(row)} columns, expected 2 or 3", code="bad-row")
        try:
            source, driving = neutral(row[0]), neutral(row[1])
            anchor = None if len(row) == 2 or re.fullmatch(r"[\d.]*", row[2].strip()) else neutral(row[2])
            pairs.append(
                pair_of(f"{line - 2:0{width}d}", source, driving, _identity(source), _identity(driving), anchor)
            )
        except DataError as error:
            raise DataError(f"{path}, line {line}: {error}", code=error.code) from None
    sha256 = hashlib.sha256(content).hexdigest()
    known = recognize(sha256)
    provenance = {"file": path.name, "file_sha256": sha256, "published": known["name"] if known else None}
    return PairList(known["name"] if known else path.stem, 1, tuple(pairs), provenance)


def neutral(path: str) -> FrameRef:
    """Convert a path of the authors to a `FrameRef`. Raises DataError if its end has none of the known forms."""
    for dataset, form in _FORMS:
        if match := form.fullmatch(path.strip()):
            parts = match.groupdict()
            clip = parts["clip"]
            if issubclass(LAYOUTS[dataset], SplitFolders):
                clip = f"{parts.get('split') or 'test'}/{clip}"
            return FrameRef(dataset, clip, parts.get("frame") or WHOLE_CLIP)
    raise DataError(
        f"{path!r} does not match any known data set ({', '.join(LAYOUTS)}){BY_HAND}", code="unknown-dataset"
    )


def _identity(ref: FrameRef) -> str:
    return LAYOUTS[ref.dataset](ref.dataset, Path()).identity(ref.clip)
