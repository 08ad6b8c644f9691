"""Commands that are killed at moments of their work and given again."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.forked import Forked

STARTS = 200  # after which a run that does not get to its end is given up


@dataclass
class Command:
    """One `bench` command whose run is called x, its working folder, and where its kills fell.

    shards: how many finished batches the run has once all its models are done. code: its exit code at its end.
    """

    folder: Path
    arguments: Sequence[object]
    environment: dict[str, str]
    shards: int
    code: int = 0
    kills: list[str] = field(default_factory=list)

    @property
    def run(self) -> Path:
        return self.folder / "runs" / "x"

    def kill_after(self, seconds: float) -> float | None:
        """Kill it so long after its work began; where it ended before, how long its work took."""
        self.folder.mkdir(exist_ok=True)
        with Forked(*self.arguments, folder=self.folder, environment=self.environment) as process:
            while process.poll() is None and not self.held_by(process):
                time.sleep(0.002)
            began = time.monotonic()
            try:
                process.wait(seconds)
                took = time.monotonic() - began
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                took = None
            printed = process.end(60)
            assert "Traceback" not in printed, printed
            if process.returncode == -signal.SIGKILL:
                self.kills.append(self.where())
                return None
            assert process.returncode == self.code, printed
        return took if took is not None else seconds

    def held_by(self, process: Forked) -> bool:
        """Whether the process has come to its work; the note of one that was killed is still there before."""
        try:
            return json.loads((self.run / ".lock.json").read_text())["pid"] == process.pid
        except (OSError, ValueError):
            return False

    def where(self) -> str:
        """In which part of its work the run is, by what lies in its folder."""
        shards = len(list((self.run / "work").glob("*/*.parquet")))
        manifest = json.loads((self.run / "manifest.json").read_text()) if (self.run / "manifest.json").exists() else {}
        if manifest.get("state") == "complete":
            return "report"
        begun = shards or next((self.run / "work").glob("*/frames/*"), None)
        return "tables" if shards == self.shards else "pairs" if begun else "start"


def killed_at(n: int, command: Callable[[Path], Command], files: Callable[[Path], dict], folder: Path) -> dict:
    """Kill runs at `n` random moments; each must end with the `files` of an undisturbed one and leave nothing else.

    command: makes the command of a working folder. Returns how often each part of the work was hit.
    """
    whole = command(folder / "whole")
    took = whole.kill_after(300)
    assert took is not None
    expected = files(whole.run)
    moments = random.Random(20)
    kills: list[str] = []
    finished = starts = 0
    while len(kills) < n:
        one = command(folder / f"run{finished}")
        while (ended := one.kill_after(moments.uniform(0, took))) is None:
            starts += 1
            assert starts < STARTS, f"no end after {starts} starts"
        if not one.kills:  # undisturbed too, and the machine may have less to do than before
            took = ended
        found = files(one.run)
        assert found.keys() == expected.keys()
        assert [name for name in expected if found[name] != expected[name]] == []
        assert not list(one.run.glob("**/.*.tmp")) and not (one.run / "work").exists()
        kills += one.kills
        finished += 1
    counts = {part: kills.count(part) for part in ("start", "pairs", "tables", "report")}
    print(f"{len(kills)} kills, {finished} runs finished, {took:.1f} s undisturbed; killed in: {counts}")
    return counts
