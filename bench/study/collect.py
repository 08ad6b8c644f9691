"""`bench study collect`: read answer files from raters, verify them, and store the answers in the study's database."""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.runtime.errors import UserError
from bench.study import invitations, page
from bench.study.folder import load
from bench.study.invitations import Invitation
from bench.study.sitting import Refused, Rules
from bench.study.store import Store, Vote
from protocols import files
from reports.schema.base import first_wrong

LARGEST = 8 << 20  # bytes of an answer file


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Envelope(_Sent):
    """An answer file. payload: the signed text. signature: HMAC-SHA256 of it, with the invitation's token."""

    format: Literal["talking-head-bench answers 1"]
    payload: str
    signature: str


class Answer(_Sent):
    """The answer to one trial. time: UTC, by the rater's clock."""

    trial: str
    grades: dict[str, int]
    seconds: float
    time: str


class Answers(_Sent):
    """The signed content. study: see `bench.study.page.digest`."""

    study: str
    slot: int
    consented: str | None
    facts: dict[str, str]
    votes: list[Answer]


def collect(folder: Path, sent: Sequence[Path]) -> list[tuple[str, int, int]]:
    """Store the answers of files; return, per file, the rater, new votes and all votes.

    A file is stored entirely or not at all; a file that was stored before changes nothing. Raises UserError.
    """
    rules, invited = Rules(load(folder)), invitations.read(folder)
    digest = page.digest(folder)
    store = Store(folder)
    try:
        done = []
        for file in sent:
            invitation, answers = _read(file, invited.raters)
            if answers.study != digest:
                raise UserError(f"{file}: answers of another study or another plan of it", code="bad-answers")
            done.append((invitation.rater, _store(store, rules, file, answers), len(answers.votes)))
        return done
    finally:
        store.close()


def _read(file: Path, raters: Sequence[Invitation]) -> tuple[Invitation, Answers]:
    try:
        envelope = Envelope.model_validate_json(files.content(file, LARGEST))
        answers = Answers.model_validate_json(envelope.payload)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror or error})", code="unreadable-file") from None
    except ValidationError as error:
        raise UserError(f"{file}: not an answer file ({first_wrong(error)})", code="bad-answers") from None
    if not 0 <= answers.slot < len(raters):
        raise UserError(f"{file}: from a rater who is not in the plan", code="bad-answers")
    invitation = raters[answers.slot]
    expected = hmac.new(invitation.token.encode(), envelope.payload.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), envelope.signature.encode()):
        raise UserError(
            f"{file}: not signed with this rater's invitation, or changed after signing", code="bad-answers"
        )
    return invitation, answers


def _store(store: Store, rules: Rules, file: Path, answers: Answers) -> int:
    """Store one file's answers; return the number of new ones."""
    if answers.consented is None:
        raise UserError(f"{file}: the rater did not consent", code="bad-answers")
    new, before = 0, _seconds(file, answers.consented)
    try:
        with store.writing() as writer:
            if any(one.trial not in writer.answered(answers.slot) for one in answers.votes):
                rules.consent(writer, answers.slot, answers.facts, before)
            for one in answers.votes:
                now = _seconds(file, one.time)
                new += rules.vote(writer, Vote(one.trial, answers.slot, one.grades, one.seconds, now), before)
                before = now
    except Refused as error:
        if error.reason == "closed":
            raise UserError(f"{file}: the study is closed", code="study-closed") from None
        raise UserError(f"{file}: {error}", code="bad-answers") from None
    return new


def _seconds(file: Path, time: str) -> float:
    try:
        parsed = datetime.datetime.fromisoformat(time)
        if parsed.tzinfo is None:
            raise ValueError("no time zone")
        return parsed.timestamp()
    except (ValueError, OverflowError):
        raise UserError(f"{file}: {time!r} is not a time", code="bad-answers") from None
