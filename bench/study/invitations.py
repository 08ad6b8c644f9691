"""The secrets of a study: the links of raters and of the organizer."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.runtime.errors import UserError
from bench.study.folder import INVITATIONS
from protocols import files

BYTES = 24  # of a token: 192 random bits


@dataclass(frozen=True)
class Invitation:
    """The invitation of a rater. rater: an anonymous name, used in all tables. token: the secret of the link."""

    slot: int
    rater: str
    token: str

    @property
    def public(self) -> str:
        """Return the id of the invitation on a static page, which does not reveal the token."""
        return hashlib.sha256(self.token.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Invitations:
    """The invitations of a study. organizer: the token of the organizer's page."""

    organizer: str
    raters: tuple[Invitation, ...]

    def find(self, token: str) -> Invitation | None:
        """Return the invitation of a token, compared in constant time; None if there is none."""
        found = None
        for one in self.raters:
            if secrets.compare_digest(one.token.encode(), token.encode()):
                found = one
        return found

    def organizes(self, token: str) -> bool:
        """Return whether a token is the organizer's."""
        return secrets.compare_digest(self.organizer.encode(), token.encode())


def make(raters: int) -> Invitations:
    """Draw new tokens."""
    drawn = tuple(Invitation(slot, f"r{secrets.token_hex(5)}", secrets.token_urlsafe(BYTES)) for slot in range(raters))
    return Invitations(secrets.token_urlsafe(BYTES), drawn)


def write(folder: Path, invitations: Invitations) -> None:
    """Write the invitations to a file that only the current user can read."""
    facts = {
        "organizer": invitations.organizer,
        "raters": [{"slot": one.slot, "rater": one.rater, "token": one.token} for one in invitations.raters],
    }
    with files.replacing(folder / INVITATIONS) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(facts, stream, indent=1)


def read(folder: Path) -> Invitations:
    """Read the invitations. Raises UserError."""
    file = folder / INVITATIONS
    try:
        facts: Any = json.loads(files.content(file))
        raters = tuple(Invitation(int(one["slot"]), str(one["rater"]), str(one["token"])) for one in facts["raters"])
        return Invitations(str(facts["organizer"]), raters)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror or error})", code="no-study") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} has no invitations ({error})", code="bad-study") from None
