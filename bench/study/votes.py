"""The votes of a study as a table, from its database or from an exported folder."""

from __future__ import annotations

import datetime
import hashlib
import io
from pathlib import Path
from typing import get_args

import pandas as pd

from bench.runtime.errors import UserError
from bench.study import invitations
from bench.study.folder import DATABASE, INVITATIONS, MANIFEST, PLAN, VOTES, load
from bench.study.store import Store
from protocols import files
from protocols.errors import first_line
from reports.schema.base import Damaged
from reports.schema.study import TRUTH, Study, Trial, TrialKind, parse_export

COLUMNS = {  # of ``votes.csv``, with their types
    "rater": "str",
    "slot": "int64",
    "trial": "str",
    "kind": "str",
    "stimulus": "str",
    "other": "str",
    "model": "str",
    "other_model": "str",
    "clip": "str",
    "identity": "str",
    "question": "str",
    "grade": "int64",
    "expected": "str",
    "repeats": "str",
    "seconds": "float64",
    "time": "str",
}


def read_votes(folder: Path) -> pd.DataFrame:
    """Return all votes, a row per trial and question, with the columns of ``votes.csv`` (docs/user-study.md).

    Read from the database of a served or collected study, else from ``votes.csv``. Raises UserError, also for votes
    that do not fit this plan.
    """
    study = load(folder)
    if (folder / DATABASE).exists():
        store = Store(folder)
        try:
            table = of_store(store, study, {one.slot: one.rater for one in invitations.read(folder).raters})
            return planned(table, study, folder / DATABASE)
        finally:
            store.close()
    file = folder / VOTES
    _check(folder)
    try:
        content = files.content(file)
    except OSError as error:
        raise UserError(f"{folder} has no votes yet ({error.strerror or error})", code="no-votes") from None
    return planned(of_csv(content, file), study, file)


def _check(folder: Path) -> None:
    """Raise UserError where an exported study's files do not match its manifest."""
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
        raise UserError(f"{file} is not a table of votes ({first_line(error)})", code="bad-study") from None


def of_store(store: Store, study: Study, names: dict[int, str]) -> pd.DataFrame:
    """Return the table of a database. names: of raters, by slot. Raises UserError for votes not in the plan."""
    with store.reading() as reader:
        rows = reader.votes()
    facts = _facts(study)
    table = []
    for row in rows:
        if row.trial not in facts or row.slot not in names:
            raise UserError(
                f"{DATABASE}: an answer with a trial or rater not in {PLAN} or {INVITATIONS}", code="bad-study"
            )
        table.append(
            {
                "rater": names[row.slot],
                "trial": row.trial,
                **facts[row.trial],
                "question": row.question,
                "grade": row.grade,
                "seconds": row.seconds,
                "time": iso(row.time),
            }
        )
    return pd.DataFrame(table, columns=list(COLUMNS)).astype(COLUMNS)


def planned(table: pd.DataFrame, study: Study, file: Path) -> pd.DataFrame:
    """Return the table if all votes belong to the study's plan. Raises UserError for the first that does not."""
    facts, kinds = _facts(study), get_args(TrialKind)
    grades = {question.name: {grade.value for grade in question.grades} for question in study.questions}
    models, clips = {*study.models, TRUTH}, {clip.id for clip in study.clips}
    names: dict[int, str] = {}
    slots: dict[str, int] = {}
    seen: set[tuple[str, str, str]] = set()
    for number, row in enumerate(table.to_dict("records"), 1):
        trial, question, rater, slot = row["trial"], row["question"], row["rater"], row["slot"]
        wrong = None
        if facts and trial not in facts:
            wrong = f"trial {trial} is not in the plan"
        elif differs := [name for name, value in facts.get(trial, {}).items() if row[name] != value]:
            wrong = f"the plan has another {differs[0]} for trial {trial}"
        elif row["kind"] not in kinds:
            wrong = f"unknown kind {row['kind']!r}"
        elif row["model"] not in models or row["other_model"] not in {*models, ""} or row["clip"] not in clips:
            wrong = "model or clip is not in the plan"
        elif row["grade"] not in grades.get(question, ()):
            wrong = f"{row['grade']} is not a grade of the question {question!r}"
        elif names.setdefault(slot, rater) != rater or slots.setdefault(rater, slot) != slot:
            wrong = f"rater {rater} and slot {slot} also belong to others"
        elif (rater, trial, question) in seen:
            wrong = f"trial {trial} is answered twice"
        if wrong:
            raise UserError(f"{file}, vote {number}: {wrong}", code="bad-votes")
        seen.add((rater, trial, question))
    return table


def _facts(study: Study) -> dict[str, dict[str, str | int]]:
    """Return the table's columns of each trial, by its id."""
    videos, people = study.by_id(), {clip.id: clip.identity for clip in study.clips}

    def facts(trial: Trial, slot: int) -> dict[str, str | int]:
        first, second = (videos[one] for one in (trial.stimuli * 2)[:2])
        other = second if len(trial.stimuli) > 1 else None
        return {
            "slot": slot,
            "kind": trial.kind,
            "stimulus": first.id,
            "other": other.id if other else "",
            "model": first.model,
            "other_model": other.model if other else "",
            "clip": trial.clip,
            "identity": people[trial.clip],
            "expected": trial.expected.text() if trial.expected else "",
            "repeats": trial.repeats or "",
        }

    return {trial.id: facts(trial, rater.slot) for rater in study.raters for trial in rater.trials}


def to_csv(table: pd.DataFrame) -> bytes:
    """Return the bytes of ``votes.csv``."""
    return table.to_csv(index=False, lineterminator="\n").encode("utf-8")


def iso(time: float) -> str:
    """Return seconds since 1970 as UTC, to the millisecond."""
    return datetime.datetime.fromtimestamp(time, datetime.UTC).isoformat(timespec="milliseconds")
