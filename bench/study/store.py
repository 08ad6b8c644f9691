"""The answers of a study: an SQLite database in its folder. Acknowledged votes survive any crash of the program."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.runtime.errors import UserError
from bench.study.folder import DATABASE
from protocols.errors import first_line

if TYPE_CHECKING:
    from sqlalchemy import Connection

WAIT = 20  # seconds for another process that writes


@dataclass(frozen=True)
class Vote:
    """All answers to one trial. seconds: what the rater took. time: when it was stored, seconds since 1970, UTC."""

    trial: str
    slot: int
    grades: Mapping[str, int]
    seconds: float
    time: float


@dataclass(frozen=True)
class Sitting:
    """A rater's progress. consented, finished: times. facts: answers to the organizer's questions. done: trials."""

    slot: int
    consented: float | None = None
    finished: float | None = None
    facts: Mapping[str, str] | None = None
    done: int = 0


class Store:
    """The database of one study.

    One process at a time writes; this object's lock keeps threads from waiting for SQLite's slower one. A vote is on
    the disk (WAL, ``synchronous=FULL``) before `Store.writing` ends.
    """

    def __init__(self, folder: Path) -> None:
        """Open or create the database. Raises UserError."""
        try:
            from sqlalchemy import exc
        except ImportError:
            raise UserError(
                "a study's answers need packages: pip install 'talking-head-bench[study]'", code="missing-package"
            ) from None
        from bench.study import tables

        self._file = folder / DATABASE
        self._lock = threading.Lock()
        self._failures = exc.DBAPIError
        self._opened: tuple[int, int] | None = None
        with self._usable():
            self._readers, self._writers = tables.engines(self._file, WAIT)
            self._opened = self._identity()

    def close(self) -> None:
        """Close the file."""
        self._readers.dispose()
        self._writers.dispose()

    def _identity(self) -> tuple[int, int]:
        """Return the identity of the file. Raises UserError if it does not exist."""
        try:
            found = self._file.stat()
        except OSError as error:
            raise UserError(f"{self._file} is missing ({error.strerror or error})", code="bad-study") from None
        return found.st_dev, found.st_ino

    def _check_file(self) -> None:
        """Raise UserError if the file was deleted or replaced: SQLite would keep writing to the old one."""
        if self._identity() != self._opened:
            raise UserError(f"{self._file} was replaced by another file; restart this command", code="bad-study")

    @contextmanager
    def _usable(self) -> Iterator[None]:
        if self._opened is not None:
            self._check_file()
        try:
            yield
        except self._failures as error:
            raise UserError(f"{self._file} cannot be used ({first_line(error)})", code="bad-study") from None

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Run the block as one transaction. Raises UserError if the file is damaged or missing."""
        with self._usable(), self._lock, self._writers.begin() as connection:
            yield Writer(connection)
        self._check_file()  # the file may be gone, and the written rows with it

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """Run the block with a reader of the current answers. Raises UserError if the file is damaged."""
        with self._usable(), self._readers.connect() as connection:
            yield Reader(connection)


class Reader:
    """Reads what is stored."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _rows(self, text: str, **values: object) -> list[Any]:
        from sqlalchemy import text as statement

        return list(self._connection.execute(statement(text), values))

    def closed(self) -> str | None:
        """Return when the study was closed, UTC; None if it is open."""
        rows = self._rows("SELECT value FROM facts WHERE name = 'closed'")
        return rows[0].value if rows else None

    def sitting(self, slot: int) -> Sitting:
        """Return a rater's progress."""
        done = self._rows("SELECT count(DISTINCT trial) AS n FROM votes WHERE slot = :slot", slot=slot)[0].n
        rows = self._rows("SELECT * FROM sittings WHERE slot = :slot", slot=slot)
        if not rows:
            return Sitting(slot, done=done)
        return Sitting(slot, rows[0].consented, rows[0].finished, json.loads(rows[0].facts), done)

    def answered(self, slot: int) -> dict[str, dict[str, int]]:
        """Return a rater's answers: trial to question to grade."""
        found: dict[str, dict[str, int]] = {}
        for row in self._rows("SELECT trial, question, grade FROM votes WHERE slot = :slot", slot=slot):
            found.setdefault(row.trial, {})[row.question] = row.grade
        return found

    def started(self, trial: str) -> float | None:
        """Return when a rater first saw a trial."""
        rows = self._rows("SELECT time FROM starts WHERE trial = :trial", trial=trial)
        return rows[0].time if rows else None

    def votes(self) -> list[Any]:
        """Return all rows: slot, trial, question, grade, seconds, time; in the order of arrival."""
        return self._rows("SELECT slot, trial, question, grade, seconds, time FROM votes ORDER BY rowid")

    def sittings(self) -> dict[int, Sitting]:
        """Return the progress of every rater who has begun."""
        done = {
            row.slot: row.n for row in self._rows("SELECT slot, count(DISTINCT trial) AS n FROM votes GROUP BY slot")
        }
        rows = self._rows("SELECT * FROM sittings ORDER BY slot")
        return {
            row.slot: Sitting(row.slot, row.consented, row.finished, json.loads(row.facts), done.get(row.slot, 0))
            for row in rows
        }


class Writer(Reader):
    """Read and write in one transaction."""

    def consent(self, slot: int, facts: Mapping[str, str], time: float) -> None:
        """Record a rater's consent; the first time counts."""
        self._run(
            "INSERT INTO sittings (slot, consented, facts) VALUES (:slot, :time, :facts) ON CONFLICT DO NOTHING",
            slot=slot,
            time=time,
            facts=json.dumps(dict(facts)),
        )

    def start(self, slot: int, trial: str, time: float) -> None:
        """Record that a rater sees a trial; the first time counts."""
        self._run(
            "INSERT INTO starts (trial, slot, time) VALUES (:trial, :slot, :time) ON CONFLICT DO NOTHING",
            trial=trial,
            slot=slot,
            time=time,
        )

    def add(self, vote: Vote) -> None:
        """Store a vote on a trial without one."""
        for question, grade in vote.grades.items():
            self._run(
                "INSERT INTO votes (trial, question, slot, grade, seconds, time) "
                "VALUES (:trial, :question, :slot, :grade, :seconds, :time)",
                trial=vote.trial,
                question=question,
                slot=vote.slot,
                grade=grade,
                seconds=vote.seconds,
                time=vote.time,
            )

    def finish(self, slot: int, time: float) -> None:
        """Record that a rater has answered everything."""
        self._run("UPDATE sittings SET finished = :time WHERE slot = :slot AND finished IS NULL", slot=slot, time=time)

    def forget(self, slot: int) -> int:
        """Remove everything about a rater; return the number of removed answers."""
        count = sum(len(grades) for grades in self.answered(slot).values())
        for table in ("votes", "starts", "sittings"):
            self._run(f"DELETE FROM {table} WHERE slot = :slot", slot=slot)
        return count

    def close_study(self, when: str) -> None:
        """Accept no more votes; the first time counts."""
        self._run("INSERT INTO facts (name, value) VALUES ('closed', :when) ON CONFLICT DO NOTHING", when=when)

    def _run(self, text: str, **values: object) -> None:
        from sqlalchemy import text as statement

        self._connection.execute(statement(text), values)
