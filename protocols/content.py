"""What the files of a pair list hold, as one hash: names alone do not say which data a run measured."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from protocols.datasets import Dataset
from protocols.errors import DataError
from protocols.pairs import FrameRef


def content_sha256(refs: Iterable[FrameRef], datasets: Mapping[str, Dataset]) -> str:
    """SHA-256 over the files that hold the frames, each once, by data set and path below the root, not by their order.

    Roots are left out, so that a copy elsewhere has the same hash. Raises DataError for a file that cannot be read.
    """
    found = {}
    for ref in refs:
        dataset = datasets[ref.dataset]
        file = dataset.path(ref)
        found[f"{dataset.name}/{file.relative_to(dataset.root).as_posix()}"] = file
    digest = hashlib.sha256()
    for name in sorted(found):
        try:
            with found[name].open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{found[name]}: cannot be read ({error.strerror or error})") from None
        digest.update(f"{content} {name}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
