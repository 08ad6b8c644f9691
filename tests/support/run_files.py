"""What equal runs have alike."""

from __future__ import annotations

from pathlib import Path


def files(run: Path) -> dict[str, bytes]:
    """Tables, the frozen list, every picture and frame of a run, by their names in its folder."""
    kept = [run / name for name in ("samples.parquet", "summary.json", "pairs.csv")]
    kept += sorted([*run.glob("pictures/**/*.png"), *run.glob("frames/**/*.png")])
    return {file.relative_to(run).as_posix(): file.read_bytes() for file in kept}
