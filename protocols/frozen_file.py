"""Frozen lists as files: a CSV file under a comment line of JSON with the list's name and the hash of its rows."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from protocols import files
from protocols.errors import DataError, unreadable

LONGEST = 250  # characters of a name; file systems have room for 255 bytes
_HEAD = 2  # lines above the first row


@dataclass(frozen=True)
class Head:
    """The first line of a list. sha256: of its rows."""

    name: str
    version: int
    n: int
    sha256: str
    provenance: dict[str, Any]


class Hashed(Protocol):
    """A list with the hash of its rows."""

    @property
    def sha256(self) -> str: ...


List = TypeVar("List", bound=Hashed)
Row = TypeVar("Row")


def rows_sha256(rows: Iterable[Sequence[str]]) -> str:
    """Return the SHA-256 over the rows, each as a JSON array on one line."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()


def write(path: Path, form: str, columns: Sequence[str], head: Head, rows: Iterable[Sequence[str]]) -> None:
    """Write a list, completely or not at all.

    Raises DataError if it cannot be written, and OSError if the disk is full.
    """
    meta = {"format": form, "name": head.name, "version": head.version, "n": head.n, "sha256": head.sha256}
    text = io.StringIO()
    text.write("# " + json.dumps(meta | {"provenance": head.provenance}, ensure_ascii=False) + "\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    try:
        with files.replacing(path) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8", newline="")
    except OSError as error:
        if files.disk_full(error):
            raise
        raise DataError(f"{path}: cannot be written ({error.strerror or error})", code="unwritable-file") from None


def read(path: Path, forms: Mapping[str, Sequence[str]], what: str, *, code: str) -> tuple[Head, Iterator[list[str]]]:
    """Return head and rows of a list.

    forms: allowed formats, with the columns of each. what: its kind in words ("pair list").

    Raises DataError; its code is `code` if the file is not such a list.
    """
    try:
        first, _, body = files.text(path).partition("\n")
        meta = json.loads(first.removeprefix("#"))
        name, version, sha256, provenance = (meta[key] for key in ("name", "version", "sha256", "provenance"))
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{path}: not a frozen {what} (no line of JSON over its columns)", code=code) from None
    found, _, body = body.partition("\n")
    form = meta.get("format")
    if form not in forms or found.rstrip("\r") != ",".join(forms[form]):
        known = " or ".join(map(repr, forms))
        raise DataError(f"{path}: not a frozen {what} of the format {known}", code=code)
    if wrong := _wrong_head(name, version, provenance):
        raise DataError(f"{path}: {wrong}", code=code)
    rows = csv.reader(io.StringIO(body, newline=""), strict=True)
    return Head(name, version, meta.get("n", 0), sha256, provenance), rows


def parsed(rows: Iterable[Sequence[str]], parse: Callable[[Sequence[str]], Row]) -> Iterator[Row]:
    """Return the parsed rows. Raises DataError with the line."""
    number = _HEAD
    try:
        for number, row in enumerate(rows, start=_HEAD + 1):  # noqa: B007 (an error names it)
            yield parse(row)
    except (DataError, csv.Error) as error:
        line = number if isinstance(error, DataError) else number + 1  # the csv module fails at the next line
        raise DataError(f"line {line}: {error}", code=getattr(error, "code", "bad-row")) from None


def unchanged(path: Path, head: Head, make: Callable[[], List]) -> List:
    """Return the list that `make` returns. Raises DataError if it fails, or if the hash does not match the head."""
    try:
        made = make()
    except DataError as error:
        raise DataError(
            f"{path}, {error}" if str(error).startswith("line ") else f"{path}: {error}", code=error.code
        ) from None
    if made.sha256 != head.sha256:
        raise DataError(
            f"{path}: changed after it was frozen (its hash is {made.sha256}, its head has {head.sha256})",
            code="changed-file",
        )
    return made


def _wrong_head(name: object, version: object, provenance: object) -> str | None:
    """Return why the head of a frozen list is unusable; None if it is usable. No hash covers it."""
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST:
        return f"its name is not a text of up to {LONGEST} characters"
    if not isinstance(version, int):
        return "its version is not a whole number"
    if not isinstance(provenance, dict) or not _plain(provenance):
        return "its provenance is not a JSON object of texts and finite numbers with few levels"
    part = provenance.get("at_hand", {"n": 0, "of_n": 0})
    if not isinstance(part, dict) or not {"n", "of_n"} <= part.keys():
        return "at_hand in its provenance lacks n and of_n"
    return None


def _plain(value: object, levels: int = 20) -> bool:
    if isinstance(value, (dict, list)):
        inner = value.values() if isinstance(value, dict) else value
        return levels > 0 and all(_plain(entry, levels - 1) for entry in inner)
    return not isinstance(value, float) or math.isfinite(value)
