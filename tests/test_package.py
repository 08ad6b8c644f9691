"""What a wheel holds: registries take 100 MB a file, and more sample checkpoints are to come."""

from __future__ import annotations

import fnmatch
import tomllib
import zlib
from pathlib import Path
from typing import Any

from setuptools import find_namespace_packages

ROOT = Path(__file__).parents[1]
LARGEST = 60e6  # bytes


def settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]


def held(root: Path) -> list[Path]:
    """The files below `root` that a wheel of it holds."""
    find = settings()["packages"]["find"]
    packages = find_namespace_packages(str(root), include=find["include"], exclude=find["exclude"])
    patterns = ["*.py", *settings()["package-data"]["*"]]
    files = [file for package in packages for file in root.joinpath(*package.split(".")).iterdir() if file.is_file()]
    return [file for file in files if any(fnmatch.fnmatch(file.name, pattern) for pattern in patterns)]


def test_the_wheel_stays_small():
    """Compressed, as a wheel is."""
    files = held(ROOT)
    assert any(file.suffix == ".safetensors" for file in files) and ROOT / "bench" / "cli" / "main.py" in files
    assert sum(len(zlib.compress(file.read_bytes())) for file in files) < LARGEST


def test_the_sample_checkpoints_of_a_clone_are_not_in_the_wheel(tmp_path):
    for name in (
        "baselines/x/a.safetensors",
        "baselines/x/extra/b.safetensors",
        "baselines/x/extra/b.md",
        "bench/c.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert {file.name for file in held(tmp_path)} == {"a.safetensors", "c.py"}
    assert not [file for file in held(ROOT) if file.parent.name == "extra"]
