"""Reasons for differences from print that will remain: the notes of a paper's tables, and limits of this project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from baselines.card import card, unavailable
from bench.tables.plan import Job
from bench.tables.steps import Step
from reports.paper.printed import BLOCKING, Table

# Kinds of notes that explain a difference; other notes are about captions, headings and wording.
KINDS = (*BLOCKING, "weights", "released", "pairs", "vanished", "disagreement", "toolkit", "scope")


@dataclass(frozen=True)
class Difference:
    """A reason for a difference from print.

    kind: of the note in the tables, or ``definition``, ``not run``, ``people``, ``trained here``, ``unverified``,
        ``proxy``, ``adaptation``. where: tables, models or columns. text: in words. source: its evidence.
    """

    kind: str
    where: tuple[str, ...]
    text: str
    source: str = ""


def differences(tables: Sequence[Table], jobs: Sequence[Job], steps: Sequence[Step]) -> list[Difference]:
    """Return all reasons, those of the tables first, each text once."""
    return [*_of_notes(tables), *_of_columns(tables, jobs), *_of_models(jobs, steps), *_of_detectors(steps)]


def _of_notes(tables: Sequence[Table]) -> Iterator[Difference]:
    where: dict[tuple[str, str, str], list[str]] = {}
    for table in tables:
        for note in (*table.notes, *table.paper.notes):
            if note.kind in KINDS:
                rows = f"{table.id} ({', '.join(note.rows)})" if note.rows else table.id
                where.setdefault((note.kind, note.text, note.source), []).append(rows)
    for kind, text, source in sorted(where, key=lambda key: KINDS.index(key[0])):
        yield Difference(kind, tuple(where[kind, text, source]), text, source)


def _of_columns(tables: Sequence[Table], jobs: Sequence[Job]) -> Iterator[Difference]:
    """Yield columns with an unknown or unavailable definition, and those that need raters."""
    texts: dict[tuple[str, str], list[str]] = {}
    for column in (column for table in tables for column in table.columns):
        if len(column.definitions) != 1 and not column.unfilled:
            for note in column.notes:
                texts.setdefault(("definition", note.text), []).append(column.head)
    for head, reason in (entry for job in jobs for entry in job.unfilled.items()):
        texts.setdefault(("people", reason), []).append(head)
    for (kind, text), heads in texts.items():
        yield Difference(kind, tuple(dict.fromkeys(heads)), text)


def _of_models(jobs: Sequence[Job], steps: Sequence[Step]) -> Iterator[Difference]:
    skipped = dict.fromkeys(name for job in jobs for name in job.skipped if name in unavailable())
    for reason in dict.fromkeys(unavailable()[name]["reason"] for name in skipped):
        names = tuple(name for name in skipped if unavailable()[name]["reason"] == reason)
        yield Difference("not run", names, f"{reason}; to fill the row, score its finished frames or videos")
    if trained := tuple(step.name for step in steps if step.kind == "training"):
        text = "nobody publishes weights; a network trained here is not the authors'"
        yield Difference("trained here", trained, text)
    published = dict.fromkeys(step.wanted_for for step in steps if step.kind == "checkpoint")
    if unverified := tuple(name for name in published if not card(name).checksums):
        text = "no checksum of the authors' file is known, so a run cannot verify that a file is theirs"
        yield Difference("unverified", unverified, text)
    if adapting := tuple(job.protocol.name for job in jobs if job.protocol.adapt):
        text = (
            "each speaker needs its own adaptation (train --adapt), but a run takes one pair of "
            "checkpoints for all of them"
        )
        yield Difference("adaptation", adapting, text)


def _of_detectors(steps: Sequence[Step]) -> Iterator[Difference]:
    missing = tuple(step.name for step in steps if step.kind in ("package", "weights") and not step.found)
    if missing:
        text = "until these are installed, proxies with their own names are measured instead"
        yield Difference("proxy", missing, text)
