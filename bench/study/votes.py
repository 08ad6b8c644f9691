"""The votes of a study as a table, wherever they are: in its database, or in a folder that was exported."""

from __future__ import annotations

import datetime
import hashlib
import io
from pathlib import Path

import pandas as pd

from bench.runtime.errors import UserError
from bench.study import invitations
from bench.study.folder import DATABASE, MANIFEST, VOTES, load
from bench.study.store import Store
from protocols import files
from protocols.errors import first_line
from reports.schema.base import Damaged
from reports.schema.study import Study, parse_export

COLUMNS = {
    **dict.fromkeys(("rater",), "str"),
    "slot": "int64",
    **dict.fromkeys(("trial", "kind", "stimulus", "other", "model", "other_model", "clip", "identity"), "str"),
    "question": "str",
    "grade": "int64",
    **dict.fromkeys(("expected", "repeats"), "str"),
    "seconds": "float64",
    "time": "str",
}


def read_votes(folder: Path) -> pd.DataFrame:
    """Return all votes, a row a trial and question, with the columns of ``votes.csv`` (docs/user-study.md).

    From the database of a study that is served or collected, else from ``votes.csv``. Raises UserError.
    """
    study = load(folder)
    if (folder / DATABASE).exists():
        store = Store(folder)
        try:
            return of_store(store, study, {one.slot: one.rater for one in invitations.read(folder).raters})
        finally:
            store.close()
    file = folder / VOTES
    _check(folder)
    try:
        content = files.content(file)
    except OSError as error:
        raise UserError(f"{folder} holds no votes yet ({error.strerror or error})", code="no-votes") from None
    return of_csv(content, file)


def _check(folder: Path) -> None:
    """Raise UserError where an exported study's files are not those of its manifest."""
    if not (folder / MANIFEST).exists():
        return
    try:
        manifest = parse_export(files.content(folder / MANIFEST))
        hashes = {name: hashlib.sha256(files.content(folder / name)).hexdigest() for name in manifest.files}
    except (OSError, Damaged) as error:
        raise UserError(f"{folder}: no exported study ({error})", code="bad-study") from None
    for name, expected in manifest.files.items():
        if hashes[name] != expected:
            raise UserError(f"{folder / name} is damaged or was changed after the export", code="changed-file")


def of_csv(content: bytes, file: Path) -> pd.DataFrame:
    """Return the table of a ``votes.csv``. Raises UserError."""
    try:
        table = pd.read_csv(io.BytesIO(content), dtype=COLUMNS, keep_default_na=False)
        return table[list(COLUMNS)]
    except (ValueError, KeyError) as error:
        raise UserError(f"{file} is no table of votes ({first_line(error)})", code="bad-study") from None


def of_store(store: Store, study: Study, names: dict[int, str]) -> pd.DataFrame:
    """Return the table of a database. names: of raters, by slot."""
    with store.reading() as reader:
        rows = reader.votes()
    trials = {trial.id: trial for rater in study.raters for trial in rater.trials}
    videos, people = study.by_id(), {clip.id: clip.identity for clip in study.clips}
    table = []
    for row in rows:
        trial = trials[row.trial]
        shown = [*trial.stimuli, ""][:2]
        models = [videos[one].model if one else "" for one in shown]
        table.append(
            {
                "rater": names[row.slot],
                "slot": row.slot,
                "trial": trial.id,
                "kind": trial.kind,
                "stimulus": shown[0],
                "other": shown[1],
                "model": models[0],
                "other_model": models[1],
                "clip": trial.clip,
                "identity": people[trial.clip],
                "question": row.question,
                "grade": row.grade,
                "expected": trial.expected.text() if trial.expected else "",
                "repeats": trial.repeats or "",
                "seconds": row.seconds,
                "time": iso(row.time),
            }
        )
    return pd.DataFrame(table, columns=list(COLUMNS)).astype(COLUMNS)


def to_csv(table: pd.DataFrame) -> bytes:
    """Return the bytes of ``votes.csv``."""
    return table.to_csv(index=False, lineterminator="\n").encode("utf-8")


def iso(time: float) -> str:
    """Return seconds since 1970 as UTC, to the millisecond."""
    return datetime.datetime.fromtimestamp(time, datetime.UTC).isoformat(timespec="milliseconds")
