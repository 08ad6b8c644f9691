"""What equal runs have alike."""

from __future__ import annotations

from pathlib import Path

TABLES = ("samples.parquet", "frames.parquet", "summary.json", "pairs.csv", "clips.csv")


def files(run: Path) -> dict[str, bytes]:
    """Tables, the frozen list, every picture and frame of a run, by their names in its folder."""
    kept = [file for name in TABLES if (file := run / name).exists()]
    kept += sorted([*run.glob("pictures/**/*.png"), *run.glob("frames/**/*.png")])
    assert run / "samples.parquet" in kept
    return {file.relative_to(run).as_posix(): file.read_bytes() for file in kept}
