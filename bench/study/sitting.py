"""The rules for raters: the next trial, and accepted answers. Used by the server and `study collect`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bench.study.store import Reader, Vote, Writer
from reports.schema.study import Rater, Study, Trial

PLAYED = 0.9  # least share of a video's seconds that pass before a vote
LONGEST = 86400.0  # largest number of seconds that a trial may take
TEXT = 200  # characters of an answer to an organizer's question


class Refused(Exception):
    """An action that a rater may not do. reason: a code: ``closed``, ``not-yet``, ``changed``, ..."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Rules:
    """The rules of one study."""

    study: Study

    def rater(self, slot: int) -> Rater:
        """Return a rater's trials."""
        return self.study.raters[slot]

    def trial(self, slot: int, trial: str) -> Trial:
        """Return a rater's trial. Raises Refused for another rater's trial or an unknown one."""
        for one in self.rater(slot).trials:
            if one.id == trial:
                return one
        raise Refused("unknown-trial", "this is not one of your trials")

    def current(self, reader: Reader, slot: int) -> int:
        """Return the number of the first unanswered trial, or the number of trials if all are answered."""
        answered = reader.answered(slot)
        trials = self.rater(slot).trials
        return next((number for number, trial in enumerate(trials) if trial.id not in answered), len(trials))

    def seconds(self, trial: Trial) -> float:
        """Return the length of its videos."""
        return next(clip.seconds for clip in self.study.clips if clip.id == trial.clip)

    def check_grades(self, grades: Mapping[str, int]) -> None:
        """Raise Refused unless every question has one of its grades."""
        known = {question.name: {grade.value for grade in question.grades} for question in self.study.questions}
        if grades.keys() != known.keys() or any(grades[name] not in known[name] for name in known):
            raise Refused("bad-grade", "every question needs one of its grades")

    def check_facts(self, facts: Mapping[str, str]) -> None:
        """Raise Refused for answers to anything but the organizer's questions."""
        known = {question.name for question in self.study.asked}
        if not facts.keys() <= known or any(len(text) > TEXT or not text.isprintable() for text in facts.values()):
            raise Refused("bad-answer", f"answer the question in one line of at most {TEXT} characters")

    def consent(self, writer: Writer, slot: int, facts: Mapping[str, str], now: float) -> None:
        """Record a rater's consent. Raises Refused."""
        if writer.closed():
            raise Refused("closed", "the study is closed")
        self.check_facts(facts)
        writer.consent(slot, facts, now)

    def vote(self, writer: Writer, vote: Vote, started: float | None) -> bool:
        """Store a vote; return whether it is new. The same one again changes nothing.

        started: when the rater first saw the trial, on the clock of the vote's time.
        Raises Refused unless it is this rater's turn, and if it differs from an earlier answer.
        """
        trial = self.trial(vote.slot, vote.trial)
        self.check_grades(vote.grades)
        if not (math.isfinite(vote.seconds) and 0 <= vote.seconds <= LONGEST):
            raise Refused("bad-time", "a trial cannot take this time")
        earlier = writer.answered(vote.slot).get(vote.trial)
        if earlier is not None:
            if earlier != dict(vote.grades):
                raise Refused("changed", "this was answered already, and answers cannot be changed")
            return False
        if writer.closed():
            raise Refused("closed", "the study is closed")
        if writer.sitting(vote.slot).consented is None:
            raise Refused("no-consent", "nothing is stored before you agree")
        trials = self.rater(vote.slot).trials
        number = self.current(writer, vote.slot)
        if trials[number].id != trial.id:
            raise Refused("not-yet", "another trial is next")
        if started is None or vote.time - started < PLAYED * self.seconds(trial):
            raise Refused("too-early", "the video has not been played to its end")
        writer.add(vote)
        if number + 1 == len(trials):
            writer.finish(vote.slot, vote.time)
        return True
