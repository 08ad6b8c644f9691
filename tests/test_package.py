"""What a wheel holds: registries take 100 MB a file, and more sample checkpoints are to come."""

from __future__ import annotations

import fnmatch
import tomllib
import zlib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LARGEST = 60e6  # bytes


def test_the_wheel_stays_small():
    """Compressed, as a wheel is."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    patterns = ["*.py", *settings["package-data"]["*"]]
    folders = [folder for pattern in settings["packages"]["find"]["include"] for folder in ROOT.glob(pattern)]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    held = [file for file in files if any(fnmatch.fnmatch(file.name, p) for p in patterns)]
    assert any(file.suffix == ".safetensors" for file in held)
    assert sum(len(zlib.compress(file.read_bytes())) for file in held) < LARGEST
