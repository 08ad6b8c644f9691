"""Pair lists: the tasks of models, without paths, with a hash of their content."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from protocols import frozen_file
from protocols.errors import DataError
from protocols.frozen_file import Head
from protocols.words import counted

FORMAT = "talking-head-bench pairs 1"
COLUMNS = ("id", "source", "driving", "target", "anchor", "source_identity", "driving_identity", "alpha", "beta")
WHOLE_CLIP = "*"
LARGEST_FACTOR = 10.0  # of the augmentation; the paper's factors are between 0.7 and 1.3
_SAFE_ID = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{,199}")
_LONGEST = 250  # characters of a name; file systems have room for 255 bytes


def safe_id(text: str) -> bool:
    """Return whether an id is allowed; it is also used as a file name."""
    return _SAFE_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class FrameRef:
    """One frame by name. As text: ``dataset/clip/frame``.

    dataset: ``vox1``. clip: ``test/id10280#NXj...mp4``; its parts are folder names. frame: file name without suffix
    (``0000013``), number of the frame in a video, or ``*`` for the whole clip in a list that is not yet expanded.
    Raises DataError for names that could lead out of a data root (``..``, absolute paths, backslashes) and for
    impossible file names.
    """

    dataset: str
    clip: str
    frame: str

    def __post_init__(self) -> None:
        for part in (self.dataset, *self.clip.split("/"), self.frame):
            if part in ("", ".", "..") or "/" in part or "\\" in part or not part.isprintable():
                name = f"{self.dataset}/{self.clip}/{self.frame}"[:_LONGEST]
                shown = name if name.isprintable() else repr(name)
                raise DataError(f"{shown}: not a name of a frame ({part[:_LONGEST]!r} in it)", code="bad-name")
            if len(part) > _LONGEST:
                raise DataError(
                    f"{part[:40]}...: a name of {len(part)} characters, more than {_LONGEST}", code="bad-name"
                )
        if len(self.clip) > 8 * _LONGEST:
            raise DataError(
                f"{self.clip[:40]}...: a path of {len(self.clip)} characters, more than {8 * _LONGEST}", code="bad-name"
            )

    def __str__(self) -> str:
        return f"{self.dataset}/{self.clip}/{self.frame}"

    @classmethod
    @lru_cache(maxsize=4096)  # lists name a frame many times
    def parse(cls, text: str) -> FrameRef:
        """Return the frame of a text, the inverse of ``str``."""
        dataset, _, rest = text.partition("/")
        clip, _, frame = rest.rpartition("/")
        return cls(dataset, clip, frame)


@dataclass(frozen=True, slots=True)
class Pair:
    """One task: animate `source` with the motion of `driving`.

    id: unique in its list, safe as a file name. target: the true result, if it exists. anchor: reference frame of
    relative motion. alpha, beta: factors of the driving frame's height and width in the expression-preserving
    augmentation, 1 for none; rounded to 6 decimals. clip, time: its clip in a `ClipList` and its time there, in
    seconds; not part of its row.
    """

    id: str
    source: FrameRef
    driving: FrameRef
    target: FrameRef | None
    anchor: FrameRef | None
    source_identity: str
    driving_identity: str
    alpha: float = 1.0
    beta: float = 1.0
    clip: str = ""
    time: float = 0.0

    def __post_init__(self) -> None:
        if not safe_id(self.id):
            raise DataError(
                f"pair id {self.id[:40]!r}: up to 200 letters, digits and ._+- only, no leading dot", code="bad-name"
            )
        for identity in (self.source_identity, self.driving_identity):
            if len(identity) > _LONGEST:
                raise DataError(
                    f"pair {self.id}: an identity of {len(identity)} characters, more than {_LONGEST}", code="bad-name"
                )
        for name in ("alpha", "beta"):
            value = round(float(getattr(self, name)), 6)
            if not (math.isfinite(value) and value > 0):
                raise DataError(f"pair {self.id}: {name} is {value}, must be a positive number", code="bad-number")
            if value > LARGEST_FACTOR:
                raise DataError(f"pair {self.id}: {name} is {value:g}, more than {LARGEST_FACTOR:g}", code="bad-number")
            object.__setattr__(self, name, 1.0 if value == 1 else value)  # one object for nearly all pairs

    def refs(self) -> list[FrameRef]:
        """Return the frames of the pair."""
        return [ref for ref in (self.source, self.driving, self.target, self.anchor) if ref is not None]

    def row(self) -> list[str]:
        """Return the pair as text in the order of `COLUMNS`."""
        frames = ("" if ref is None else str(ref) for ref in (self.source, self.driving, self.target, self.anchor))
        return [self.id, *frames, self.source_identity, self.driving_identity, f"{self.alpha:.6f}", f"{self.beta:.6f}"]

    @classmethod
    def from_row(cls, row: Sequence[str]) -> Pair:
        """Return the pair of a `row`. Raises DataError."""
        if len(row) != len(COLUMNS):
            raise DataError(f"{len(row)} columns, expected {len(COLUMNS)}", code="bad-row")
        identifier, *frames, source_identity, driving_identity, alpha, beta = row
        source, driving, target, anchor = (FrameRef.parse(text) if text else None for text in frames)
        if source is None or driving is None:
            raise DataError(f"pair {identifier} lacks its source or driving frame", code="bad-row")
        try:
            high, wide = float(alpha), float(beta)
        except ValueError:
            raise DataError(f"pair {identifier}: alpha and beta must be numbers", code="bad-number") from None
        whose, by = sys.intern(source_identity), sys.intern(driving_identity)  # a list names few people many times
        return cls(identifier, source, driving, target, anchor, whose, by, high, wide)


@dataclass(frozen=True)
class PairList:
    """Pairs in order. `sha256` covers only the pairs, not name, version or provenance."""

    name: str
    version: int
    pairs: tuple[Pair, ...]
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.pairs:
            raise DataError(f"pair list {self.name} is empty", code="no-pairs")
        seen: set[str] = set()
        for pair in self.pairs:
            if pair.id in seen:
                raise DataError(f"pair list {self.name}: id {pair.id} occurs twice", code="duplicate-pair")
            seen.add(pair.id)

    def __len__(self) -> int:
        return len(self.pairs)

    @cached_property
    def sha256(self) -> str:
        """Return the SHA-256 over the rows, each as a JSON array on one line."""
        return frozen_file.rows_sha256(pair.row() for pair in self.pairs)

    def head(self, n: int) -> PairList:
        """Return the first `n` pairs."""
        if n < 1:
            raise DataError(f"at least one pair is needed, not {n}", code="no-pairs")
        if n >= len(self.pairs):
            return self
        return replace(self, pairs=self.pairs[:n], provenance={**self.provenance, "first": n, "of": self.sha256})

    def available(self, missing: Collection[FrameRef]) -> PairList:
        """Return the pairs without a frame in `missing`, marked as part of this list. Raises DataError if empty."""
        kept = tuple(pair for pair in self.pairs if not any(ref in missing for ref in pair.refs()))
        if not kept:
            raise DataError(
                f"no pair of {self.name} has all its frames; missing: {counted(len(missing), 'frame')}",
                code="no-pairs",
            )
        if len(kept) == len(self.pairs):
            return self
        note = {"n": len(kept), "of_n": len(self.pairs), "of": self.sha256}
        return replace(self, pairs=kept, provenance={**self.provenance, "at_hand": note})

    def counts(self) -> dict[str, int]:
        """Return the number of pairs, clips and identities (of source and driving frames)."""
        clips = {(ref.dataset, ref.clip) for pair in self.pairs for ref in (pair.source, pair.driving)}
        identities = {name for pair in self.pairs for name in (pair.source_identity, pair.driving_identity)}
        return {"pairs": len(self.pairs), "clips": len(clips), "identities": len(identities)}

    def datasets(self) -> list[str]:
        """Return the names of the frames' data sets."""
        return list(dict.fromkeys(ref.dataset for pair in self.pairs for ref in pair.refs()))

    def refs(self) -> list[FrameRef]:
        """Return all frames, each once, in order of first use."""
        return list(dict.fromkeys(ref for pair in self.pairs for ref in pair.refs()))

    def write(self, path: Path) -> None:
        """Write the frozen list: a CSV file below a comment line of JSON.

        Raises DataError if it cannot be written, and OSError if the disk is full.
        """
        head = Head(self.name, self.version, len(self), self.sha256, self.provenance)
        frozen_file.write(path, FORMAT, COLUMNS, head, (pair.row() for pair in self.pairs))

    @classmethod
    def read(cls, path: Path) -> PairList:
        """Read a frozen list. Raises DataError if it is not one, or if its content does not match its hash."""
        head, rows = frozen_file.read(path, {FORMAT: COLUMNS}, "pair list", code="not-a-pair-list")
        return frozen_file.unchanged(path, head, lambda: cls(head.name, head.version, _pairs(rows), head.provenance))


def _pairs(rows: Iterable[Sequence[str]]) -> tuple[Pair, ...]:
    """Return the pairs of a frozen list's rows, without holding all rows at once."""
    return tuple(frozen_file.parsed(rows, Pair.from_row))
