"""`bench score` through the command line, in a folder of its own with small true videos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reports.schema.manifest import Complete, parse_manifest
from support import finished_videos as made
from support.command_line import call
from support.refused import Ended

CHEAP = "psnr,sharpness,flicker"
NUMBERS = {"anna": range(8), "ben": range(8, 16)}


@dataclass
class Bench:
    """The command line in a folder of its own, with true videos ``truth/anna.mkv`` and ``truth/ben.mkv``."""

    root: Path
    ask: object

    def __call__(self, command: str, *arguments: object, name: str = "r") -> Ended:
        extra = ("--out", self.root / "runs", "--name", name) if command in ("score", "run") else ()
        return self.ask(command, *arguments, *extra)

    def score(self, *arguments: object, metrics: str = CHEAP, name: str = "r") -> Ended:
        return self("score", *arguments, "--metrics", metrics, "--no-bounds", "--workers", 0, name=name)

    def rows(self, name: str = "r") -> pd.DataFrame:
        return pd.read_parquet(self.root / "runs" / name / "samples.parquet").set_index(["model", "pair"])

    def frames(self, name: str = "r") -> pd.DataFrame:
        return pd.read_parquet(self.root / "runs" / name / "frames.parquet")

    def manifest(self, name: str = "r") -> Complete:
        return parse_manifest((self.root / "runs" / name / "manifest.json").read_bytes())

    def folder(self, name: str, change=lambda pictures: pictures, ending: str = "", rate: int = made.RATE) -> Path:
        for clip, numbers in NUMBERS.items():
            made.write(self.root / name / f"{clip}{ending}.mkv", change(made.frames(numbers)), rate)
        return self.root / name


def make(tmp_path: Path, monkeypatch, capsys) -> Bench:
    """One with its true videos, in the current folder."""
    asked = Bench(tmp_path, lambda *arguments: call(monkeypatch, capsys, *arguments))
    asked.folder("truth")
    monkeypatch.chdir(tmp_path)
    return asked
