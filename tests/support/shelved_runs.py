"""A folder of runs for tests of the viewer: two that ask the same, one that asks something else."""

from __future__ import annotations

from pathlib import Path

from bench.rundir.directory import RunDirectory
from reports.schema.manifest import Complete
from support import fake_run, manifests

METRICS = ("ssim", "psnr", "l1")
ODD = "x <b>&\"' %2e"  # a model's name, as anybody may give one


def add(run: Path, *models: str, **facts: object) -> Path:
    """Write a finished run of 24 pairs that says which frames it read. facts: of its manifest."""
    fake_run.make(run, models=(*models, "copy-source"), pairs=24, side=8, metrics=METRICS, failures=False)
    change(run, **{"data_sha256": "d" * 64, **facts})
    return run


def change(run: Path, **facts: object) -> None:
    """Put other facts into a run's manifest, sealed."""
    manifest: Complete = manifests.manifest_of(run)
    RunDirectory(run).write_manifest(manifest.but(**facts))


def folder(root: Path) -> Path:
    """The folder: ``one`` and ``two`` share list and frames, ``other`` has another list."""
    add(root / "one", "mcnet", "tpsm", created="2026-11-20T07:00:00+00:00")
    add(root / "two", "mcnet", ODD, created="2026-11-21T07:00:00+00:00")
    other = manifests.PAIRS.but(n=24, sha256="cd" * 32)
    add(root / "other", "mcnet", "tpsm", pairs=other, created="2026-11-19T07:00:00+00:00")
    return root
