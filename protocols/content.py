"""Hashes of the files of a pair list: names alone do not identify the measured data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from protocols import interruption
from protocols.datasets import Dataset
from protocols.errors import unreadable
from protocols.pairs import FrameRef

SOME = "some "  # prefix of the hash of a folder clip, which covers only the frames in the list
_DIGITS = 16  # of a clip's hash


def content_sha256(refs: Iterable[FrameRef], datasets: Mapping[str, Dataset]) -> tuple[str, dict[str, str]]:
    """Return the SHA-256 over the frames' files, and one per clip (``dataset/clip``), its first 16 digits.

    Each file counts once, sorted by data set and path below the root. Roots are left out, so that a copy elsewhere has
    the same hashes. A clip's hash is that of its file if it is one file (a video); else it covers the frames in `refs`
    and has the prefix `SOME`. Raises DataError for a file that cannot be read.
    """
    found: dict[str, Path] = {}
    clips: dict[str, set[str]] = {}
    for ref in refs:
        dataset = datasets[ref.dataset]
        file = dataset.path(ref)
        name = f"{dataset.name}/{file.relative_to(dataset.root).as_posix()}"
        found[name] = file
        clips.setdefault(f"{ref.dataset}/{ref.clip}", set()).add(name)
    digest = hashlib.sha256()
    contents = {}
    for name in sorted(found):
        interruption.check()
        try:
            with found[name].open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise unreadable(found[name], error) from None
        contents[name] = content
        digest.update(f"{content} {name}\n".encode(errors="surrogateescape"))
    return digest.hexdigest(), {clip: _of_clip(clip, names, contents) for clip, names in sorted(clips.items())}


def _of_clip(clip: str, names: Iterable[str], contents: Mapping[str, str]) -> str:
    if clip in names:
        return contents[clip][:_DIGITS]
    lines = "".join(f"{contents[name]} {name}\n" for name in sorted(names))
    return SOME + hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()[:_DIGITS]
