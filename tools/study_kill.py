"""Kill a study's server at random moments, and check that it lost no acknowledged vote.

    python tools/study_kill.py DIR [--kills 30] [--raters 8] [--seed 0]

DIR is a study of `bench study make`; it is copied and stays unchanged. Raters vote as fast as the server allows,
without waiting for each other, while the server's process is killed (SIGKILL) and restarted. At the end every vote that
was answered with 200 must be in the database, as it was sent, and none twice.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from bench.study.votes import read_votes

EARLIEST, LATEST = 0.05, 2.0  # seconds between the server's first answer and its end


class Rater(threading.Thread):
    """Vote until all trials are answered or `stop` is set; remember acknowledged votes."""

    def __init__(self, base: str, token: str, slot: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.link, self.stop_, self.random = f"{base}/r/{token}/", stop, random.Random(slot)
        self.acknowledged: dict[str, dict[str, int]] = {}
        self.refused: list[str] = []

    def run(self) -> None:
        questions = self.ask("texts")["questions"]
        state = self.ask("consent", {"agreed": True, "facts": {}})
        while not self.stop_.is_set() and (trial := state["trial"]):
            grades = {one["name"]: self.random.choice(one["grades"])["value"] for one in questions}
            self.stop_.wait(trial["seconds"])
            state = self.ask("vote", {"trial": trial["id"], "grades": grades, "seconds": 1.0})
            if state is None:
                return
            self.acknowledged[trial["id"]] = grades

    def ask(self, name: str, sent: dict[str, Any] | None = None) -> Any:
        """Send the same request until there is an answer; None if the study ends first."""
        body = None if sent is None else json.dumps(sent).encode()
        while not self.stop_.is_set():
            try:
                request = urllib.request.Request(self.link + name, body, {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=20) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != 425:  # too early by the server's clock
                    self.refused.append(f"{name}: {error.code} {error.read()[:200]!r}")
                    return None
            except (OSError, ValueError, http.client.HTTPException):  # the server is down, or died while answering
                pass
            time.sleep(0.02)
        return None


def killed(study: Path, kills: int, raters: int, seed: int = 0) -> dict[str, int]:
    """Kill the server of a study `kills` times; return what happened. The study's folder receives the votes."""
    rng, stop = random.Random(seed), threading.Event()
    tokens = [one["token"] for one in json.loads((study / "invitations.json").read_text())["raters"]][:raters]
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    working = [Rater(base, token, slot, stop) for slot, token in enumerate(tokens)]
    command = [sys.executable, "-m", "bench", "study", "serve", str(study), "--port", str(port)]
    during = done = 0
    for number in range(kills + 1):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            _answering(base, server)
            if number == 0:
                for rater in working:
                    rater.start()
            if number < kills:
                before = sum(len(rater.acknowledged) for rater in working)
                time.sleep(rng.uniform(EARLIEST, LATEST))
                server.send_signal(signal.SIGKILL)
                done += 1
                during += sum(len(rater.acknowledged) for rater in working) > before
            else:
                time.sleep(1)
                stop.set()
                for rater in working:
                    rater.join(30)
                server.send_signal(signal.SIGINT)
    votes = read_votes(study)
    stored = {(row.trial, row.question): int(row.grade) for row in votes.itertuples()}
    sent = {
        (trial, question): grade
        for rater in working
        for trial, grades in rater.acknowledged.items()
        for question, grade in grades.items()
    }
    return {
        "kills": done,
        "during_votes": during,
        "acknowledged": len(sent),
        "lost": len(sent.keys() - stored.keys()),
        "changed": sum(stored[key] != grade for key, grade in sent.items() if key in stored),
        "twice": len(votes) - len(stored),
        "refused": sum(len(rater.refused) for rater in working),
    }


def _answering(base: str, server: subprocess.Popen[Any]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(base, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--raters", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "study"
        shutil.copytree(options.study, folder, ignore=shutil.ignore_patterns("votes.sqlite*"))
        for name, value in killed(folder, options.kills, options.raters, options.seed).items():
            print(f"{name}: {value}")


if __name__ == "__main__":
    main()
