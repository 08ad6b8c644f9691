"""A rater without a browser, for tests of the server: asks, waits on a clock of its own, answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from bench.study import invitations, server
from reports.schema.study import Study


class Clock:
    """Seconds since 1970, that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_796_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Served:
    """A study that is served in this process."""

    folder: Path
    study: Study
    clock: Clock
    client: TestClient
    invited: invitations.Invitations

    def rater(self, slot: int = 0) -> Rater:
        return Rater(self, slot, f"/r/{self.invited.raters[slot].token}/")


@dataclass
class Rater:
    """One who has the link of a slot."""

    served: Served
    slot: int
    link: str

    def state(self) -> dict[str, Any]:
        return self.served.client.get(self.link + "state").json()

    def consent(self, **facts: str) -> Any:
        return self.served.client.post(self.link + "consent", json={"agreed": True, "facts": facts})

    def vote(self, trial: str, grade: int = 1, /, *, wait: float = 2.0, **more: Any) -> Any:
        """Answer a trial after a time, every question with one grade. more: in place of what is sent."""
        self.served.clock.now += wait
        grades = {question.name: grade for question in self.served.study.questions}
        sent = {"trial": trial, "grades": grades, "seconds": 3.0} | more
        return self.served.client.post(self.link + "vote", json=sent)

    def all(self, grade: int = 1) -> int:
        """Agree, and answer everything; returns how many trials there were."""
        assert self.consent().status_code == 200
        count = 0
        while trial := self.state()["trial"]:
            assert self.vote(trial["id"], grade).status_code == 200
            count += 1
        return count


def served(folder: Path, study: Study) -> Served:
    """Serve a study's folder."""
    clock = Clock()
    client = TestClient(server.app(folder, clock), raise_server_exceptions=True)
    return Served(folder, study, clock, client, invitations.read(folder))
