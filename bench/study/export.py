"""`bench study close`, `withdraw` and `export`: end a study, and write a folder to share its numbers."""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import json
import time
from pathlib import Path

from bench.runtime.errors import UserError
from bench.study import invitations, votes
from bench.study.folder import MANIFEST, PLAN, VOTES, load
from bench.study.store import Store
from bench.study.whole import new_folder
from protocols import files
from reports.schema.study import EXPORT_FORMAT, Export

RATERS = "raters.csv"


def close(folder: Path) -> tuple[str, int]:
    """Close the study for votes; return the time of closing and the number of votes. Raises UserError."""
    load(folder)
    store = Store(folder)
    try:
        with store.writing() as writer:
            writer.close_study(votes.iso(time.time()))
            when = writer.closed()
            assert when is not None  # stored one line above
            return when, len(writer.votes())
    finally:
        store.close()


def withdraw(folder: Path, who: str) -> tuple[str, int]:
    """Remove all answers of a rater, also from a closed study; return the rater and the number of removed answers.

    who: the rater's name, or the link or token of the invitation. Raises UserError.
    """
    load(folder)
    token = who.rstrip("/").rpartition("#")[2].rpartition("/")[2]
    found = next((one for one in invitations.read(folder).raters if who == one.rater or token == one.token), None)
    if found is None:
        raise UserError(f"{who}: neither a rater nor an invitation of this study", code="unknown-choice")
    store = Store(folder)
    try:
        with store.writing() as writer:
            return found.rater, writer.forget(found.slot)
    finally:
        store.close()


def export(folder: Path, out: Path) -> Export:
    """Write plan, votes, raters and a manifest with their hashes to `out`: no secrets, and no videos.

    Raises UserError without votes, or if `out` is in use.
    """
    study, invited = load(folder), invitations.read(folder)
    table = votes.read_votes(folder)
    store = Store(folder)
    try:
        with store.reading() as reader:
            sittings, closed = reader.sittings(), reader.closed()
    finally:
        store.close()
    names = [one.name for one in study.asked]
    stream = io.StringIO(newline="")
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(("rater", "slot", "consented", "finished", *names))
    for one in invited.raters:
        if (found := sittings.get(one.slot)) is not None:
            times = [votes.iso(at) if at is not None else "" for at in (found.consented, found.finished)]
            rows.writerow((one.rater, one.slot, *times, *((found.facts or {}).get(name, "") for name in names)))
    contents = {
        PLAN: files.content(folder / PLAN),
        VOTES: votes.to_csv(table),
        RATERS: stream.getvalue().encode("utf-8"),
    }
    facts = Export(
        format=EXPORT_FORMAT,
        study=study.name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        closed=closed,
        votes=len(table),
        files={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    )
    with new_folder(out) as partial:
        for name, content in contents.items():
            (partial / name).write_bytes(content)
        (partial / MANIFEST).write_text(json.dumps(facts.content(), indent=1), encoding="utf-8")
    return facts
