"""Time votes under load: many raters at once in a study, with Locust.

    pip install locust    # not among the extras: in a separate environment, if you like
    python tools/study_load.py DIR [--raters 50] [--seconds 60] [--locust PATH]

DIR is a study of `bench study make --raters N` with at least as many raters; it is copied and stays unchanged. All
raters begin within two seconds. Each loads page and videos, waits for their duration and half a second, votes, and
continues: faster than people do. Prints the times of votes as the raters see them.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

THINK = 0.5  # seconds that a rater needs to answer
SHOWN = ("Request Count", "Failure Count", "Median Response Time", "95%", "99%", "Max Response Time", "Requests/s")

if "locust" in sys.modules:  # this file is also the raters' script
    import itertools

    from locust import FastHttpUser, constant, task
    from locust.exception import StopUser

    TOKENS = itertools.cycle(json.loads(os.environ["STUDY_TOKENS"]))

    class Rater(FastHttpUser):
        """One rater, from the link to the end."""

        wait_time = constant(0)

        def on_start(self) -> None:
            self.link = f"/r/{next(TOKENS)}/"
            self.client.get(self.link, name="page")
            for part in ("sources.js", "player.js", "study.js", "study.css"):
                self.client.get(f"/static/{part}", name="page")
            self.texts = self.client.get(f"{self.link}texts", name="texts").json()
            sent = {"agreed": True, "facts": {}}
            self.state = self.client.post(f"{self.link}consent", json=sent, name="consent").json()
            self.videos: set[str] = set()
            self.grade = 0

        @task
        def rate(self) -> None:
            now = self.state["trial"]
            if now is None:  # all answered
                raise StopUser
            began = time.monotonic()
            for one in (now, self.state["next"] or now):
                for video in set(one["videos"]) - self.videos:
                    self.client.get(self.link + video, name="video")
                    self.videos.add(video)
            time.sleep(max(0.0, began + now["seconds"] + THINK - time.monotonic()))
            self.grade += 1
            grades = {
                question["name"]: question["grades"][self.grade % len(question["grades"])]["value"]
                for question in self.texts["questions"]
            }
            sent = {"trial": now["id"], "grades": grades, "seconds": time.monotonic() - began}
            self.state = self.client.post(f"{self.link}vote", json=sent, name="vote").json()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--raters", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--locust", default="locust")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "study"
        shutil.copytree(options.study, folder, ignore=shutil.ignore_patterns("votes.sqlite*"))
        tokens = [one["token"] for one in json.loads((folder / "invitations.json").read_text())["raters"]]
        if len(tokens) < options.raters:
            raise SystemExit(f"{options.study} has {len(tokens)} raters; make it with --raters {options.raters}")
        command = [sys.executable, "-m", "bench", "study", "serve", str(folder), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            base = next(line for line in server.stdout if "organizer" in line).split("invitations: ")[1].split("/o/")[0]
            try:
                _load(options, base, tokens, Path(temporary))
            finally:
                server.send_signal(signal.SIGINT)


def _load(options: argparse.Namespace, base: str, tokens: list[str], folder: Path) -> None:
    command = [options.locust, "-f", __file__, "--headless", "--only-summary", "--host", base]
    command += ["-u", str(options.raters), "-r", str(options.raters / 2), "-t", f"{options.seconds}s"]
    environment = {**os.environ, "STUDY_TOKENS": json.dumps(tokens)}
    log = folder / "log"
    with open(log, "w") as stream:
        done = subprocess.run([*command, "--csv", str(folder / "out")], env=environment, stdout=stream, stderr=stream)
    if done.returncode:
        print(log.read_text()[-2000:], file=sys.stderr)
    with open(folder / "out_stats.csv", newline="") as stream:
        for row in csv.DictReader(stream):
            print(f"{row['Name']:12}", ", ".join(f"{name} {float(row[name]):.4g}" for name in SHOWN))


if __name__ == "__main__":
    main()
