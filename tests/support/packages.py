"""Little installed packages on disk: a module and its metadata in a folder that is put on the path."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from protocols.plugins import GROUPS


def install(
    monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, code: str, entries: Mapping[str, Mapping[str, str]]
) -> Path:
    """Write the package `name` 1.0 with the module `name` into a folder that is put on the path; return its module.

    entries: entry points by kind (`plugins.GROUPS`): name to an attribute of the module, or to ``module:attribute``.
    """
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    module = folder / f"{name}.py"
    module.write_text(code)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"{name}.py,,\n{info.name}/METADATA,,\n{info.name}/entry_points.txt,,\n")
    lines = []
    for kind, points in entries.items():
        lines.append(f"[{GROUPS[kind]}]")
        lines += [f"{point} = {value if ':' in value else f'{name}:{value}'}" for point, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    # Python takes kept bytecode for that of a file of the same second and size, however a test has edited it since.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return module
