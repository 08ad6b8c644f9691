"""How a data set's files were read, for the manifest and the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from protocols.notices import Notice

# Remarks for the user, by a fact's name and the beginning of its value.
_REMARKS = (
    ("matrix", "bt601 (untagged)", "no color tags; read as BT.601, like FFmpeg"),
    ("primaries", "bt2020", "BT.2020 colors, not converted to BT.709, like FFmpeg; they look paler"),
    ("pixels", "", "pixels that are not square; resampled to square ones"),
    ("clock", "restarts", "restarting time stamps; frames are assumed to be evenly spaced"),
    ("clock", "none", "no time stamps; frames are assumed to be evenly spaced"),
    ("seeking", "slow", "few key frames; frames requested out of order are slow"),
    ("damage", "", "undecodable packets; frames are numbered without them"),
    ("transparency", "", "an alpha channel; transparent parts are shown on white"),
    ("colors", "CMYK", "CMYK colors; converted without a profile"),
    ("moving", "", "several pictures in one file; only the first is read"),
)
_STORED_REMARKS = (
    ("orientation", "", "an EXIF orientation; read as stored, not turned"),
    ("transparency", "", "an alpha channel; the colors under transparent parts are read as stored"),
    ("colors", "CMYK", "CMYK colors; converted without a profile"),
)


class Reading:
    """Facts of the files that were read, each counted once.

    stored: whether pictures are read as stored, without rotation and blending, as in benchmark data sets.
    """

    def __init__(self, stored: bool = False):
        self.stored = stored
        self._files: dict[str, set[str]] = {}
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._first: dict[tuple[str, str, str], str] = {}

    def add(self, kind: str, name: str, facts: Mapping[str, str]) -> None:
        """Add a file. kind: ``videos`` or ``pictures``. facts: of the file; plain files have few or none."""
        known = self._files.setdefault(kind, set())
        if name in known:
            return
        known.add(name)
        for key, value in facts.items():
            self._counts[kind, key, value] += 1
            self._first.setdefault((kind, key, value), name)

    def summary(self) -> dict[str, Any]:
        """Return by kind the number of files, and for every fact the number of files with each value."""
        made: dict[str, Any] = {kind: {"files": len(names)} for kind, names in self._files.items()}
        if "pictures" in made:
            made["pictures"]["read"] = "as stored" if self.stored else "upright, transparency shown on white"
        for kind, key, value in sorted(self._counts):
            made[kind].setdefault(key, {})[value] = self._counts[kind, key, value]
        return made

    def notices(self) -> list[Notice]:
        """Return a line for each remarkable fact, with the number of files and the first name. Its code is the fact."""
        lines = []
        for kind, names in self._files.items():
            for wanted, beginning, remark in _STORED_REMARKS if self.stored and kind == "pictures" else _REMARKS:
                found = [
                    entry for entry in self._counts if entry[:2] == (kind, wanted) and entry[2].startswith(beginning)
                ]
                if found:
                    count = sum(self._counts[entry] for entry in found)
                    first, verb = self._first[found[0]], "has" if count == 1 else "have"
                    some = f"{count} of {len(names)} {kind} {verb} {remark} (the first: {first})"
                    lines.append(Notice(some if len(names) > 1 else f"{first} has {remark}", wanted))
        return lines


def remarks(name: str, facts: Mapping[str, str]) -> list[str]:
    """Return the lines on one video."""
    reading = Reading()
    reading.add("videos", name, facts)
    return list(reading.notices())
