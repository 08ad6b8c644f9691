"""`bench study close` and `export`: the end of a study, and a folder that others get the same numbers from."""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import json
import time
from pathlib import Path

from bench.study import invitations, votes
from bench.study.folder import MANIFEST, PLAN, VOTES, load
from bench.study.store import Store
from bench.study.whole import new_folder
from protocols import files
from reports.schema.study import EXPORT_FORMAT, Export

RATERS = "raters.csv"


def close(folder: Path) -> tuple[str, int]:
    """Take no more votes from now on; returns when it was closed, and how many votes there are. Raises UserError."""
    load(folder)
    store = Store(folder)
    try:
        with store.writing() as writer:
            writer.close_study(votes.iso(time.time()))
            when = writer.closed()
            assert when is not None  # it was stored a line above
            return when, len(writer.votes())
    finally:
        store.close()


def export(folder: Path, out: Path) -> Export:
    """Write plan, votes, raters and a manifest with their hashes to `out`: no secrets, and no videos.

    Raises UserError where there are no votes, or `out` is in use.
    """
    study, invited = load(folder), invitations.read(folder)
    table = votes.read_votes(folder)
    store = Store(folder)
    try:
        with store.reading() as reader:
            sittings, closed = reader.sittings(), reader.closed()
    finally:
        store.close()
    asked = [one.name for one in study.asked]
    stream = io.StringIO(newline="")
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(("rater", "slot", "consented", "finished", *asked))
    for one in invited.raters:
        if (found := sittings.get(one.slot)) is not None:
            times = [votes.iso(at) if at is not None else "" for at in (found.consented, found.finished)]
            rows.writerow((one.rater, one.slot, *times, *((found.facts or {}).get(name, "") for name in asked)))
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
