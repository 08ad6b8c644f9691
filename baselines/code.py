"""The code of a model from outside, by the hash of each of its files: edited code is another model."""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

from protocols.plugins import Plugin

SOURCES = (".py", ".sh", ".pyx", ".so", ".pyd", ".cu", ".cpp", ".c", ".h", ".json", ".yaml", ".yml", ".toml", ".cfg")
WEIGHTS = (".pt", ".pth", ".tar", ".ckpt", ".safetensors", ".onnx", ".npz", ".npy", ".bin", ".pkl")
SUFFIXES = frozenset(SOURCES + WEIGHTS)
LARGEST = 2 << 30  # bytes; of larger files the size and the time of change stand for the content
_DIGITS = 16
PROJECT = tuple(Path(__file__).resolve().parents[1] / name for name in ("baselines", "bench", "protocols", "reports"))


@dataclass(frozen=True)
class Code:
    """files: name to hash. not_covered: in words, what may move frames and is in no hash."""

    files: Mapping[str, str]
    not_covered: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Over the names and hashes of all files."""
        lines = (f"{name}\0{self.files[name]}\n" for name in sorted(self.files))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def of_plugin(modules: Iterable[str], distribution: Distribution | None, options: Mapping[str, str]) -> Code:
    """The code of a plug-in: the packages of its modules, what its distribution installed, local modules, option files.

    modules: imported ones by name. Modules that they import from the folder of the outermost package belong to them,
    unless that is a folder of installed packages. Of an option whose value is a file's path the content counts.
    """
    return Code(*hashed(_of_modules(modules, distribution, options), []))


def _of_modules(
    modules: Iterable[str], distribution: Distribution | None, options: Mapping[str, str]
) -> dict[Path, Path]:
    found: dict[Path, Path] = {}
    for module in modules:
        found |= dict(_package(module))
    if distribution:
        for entry in distribution.files or ():
            if Path(entry).suffix in SUFFIXES and not any(part.endswith("-info") for part in Path(entry).parts):
                add(found, Path(str(entry.locate())), Path(str(distribution.locate_file(""))).resolve())
    for root in set(found.values()):
        if root.name not in ("site-packages", "dist-packages"):
            own = [file for file, of in found.items() if of == root and file.suffix == ".py"]
            found = dict.fromkeys(local_modules(own, root), root) | found
    for value in options.values():
        add(found, Path(value).expanduser())
    return found


def of_file(file: Path, modules: Iterable[str], options: Mapping[str, str]) -> Code:
    """`of_plugin` for a class in a file. modules: that of the class, which may be another than the file's.

    A file in a folder of this program counts as well, with the modules beside it; this program's others do not.
    """
    place = file.resolve()
    found = dict.fromkeys((place, *beside(place)), place.parent) | _of_modules(modules, None, options)
    return Code(*hashed(found, ["other modules of this program"] if _is_ours(place) else []))


def beside(file: Path) -> set[Path]:
    """The files of the modules in a file's folder that it imports, within functions too, and of those that they do."""
    place = file.resolve()
    return local_modules([place], place.parent, ours=_is_ours(place)) - {place}


def of_registered(plugin: Plugin, modules: Iterable[str] = (), options: Mapping[str, str] | None = None) -> Code:
    """`of_plugin` for what a package registers, with the package's version. modules: further ones of it."""
    found = of_plugin((plugin.entry.module, *modules), plugin.entry.dist, options or {})
    version = {"(version)": plugin.package} if plugin.entry.dist else {}
    return Code({**found.files, **version}, found.not_covered)


def local_modules(scripts: Iterable[Path], root: Path, names: Iterable[str] = (), *, ours: bool = False) -> set[Path]:
    """Files below `root` of the modules with these names, of those that the scripts import, and of theirs in turn.

    ours: whether this program's own count.
    """
    seen = {file for name in names for file in files_of(root, name, ours)}
    waiting = [*scripts, *seen]
    while waiting:
        file = waiting.pop()
        for level, name in imports_of(file):
            base = file.parents[min(level, len(file.parents)) - 1] if level else root
            new = set(files_of(base, name, ours)) - seen
            seen |= new
            waiting += new
    return seen


def imports_of(file: Path) -> Iterator[tuple[int, str]]:
    """Level and dotted name of what a file imports; a member of a module may be a module, too."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):  # of another Python, or none
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.level, f"{node.module or ''}.{alias.name}".strip(".*")) for alias in node.names)


def files_of(root: Path, name: str, ours: bool = False) -> Iterator[Path]:
    """The files that importing a dotted name runs, as far as they are below `root`; the last part may be no module."""
    parts = name.split(".")
    for n in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:n])
        for file in (place / "__init__.py", place / "__main__.py", place.with_name(f"{place.name}.py")):
            if all(parts) and exists_as(file, "file") and (ours or not _is_ours(file.resolve())):
                yield file.resolve()


def _package(module: str) -> Iterator[tuple[Path, Path]]:
    """All files of the outermost regular package of an imported module, or the module's own, with their root."""
    parts = module.split(".")
    for n in range(1, len(parts) + 1):
        place = Path(getattr(sys.modules.get(".".join(parts[:n])), "__file__", None) or "").resolve()
        if place.is_dir():  # none: a namespace package, which others share, or a built-in module
            continue
        if _is_ours(place) or parts[0] in sys.stdlib_module_names:
            return
        whole = place.name == "__init__.py"
        root = place.parents[n if whole else n - 1]
        yield place, root
        for folder, folders, files in os.walk(place.parent) if whole else ():
            folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
            some = (Path(folder, name).resolve() for name in files if Path(name).suffix in SUFFIXES)
            yield from ((file, root) for file in some if exists_as(file, "file"))
        return


def add(found: dict[Path, Path], file: Path, root: Path | None = None) -> None:
    """Add a file, if there is one and it is none of this program's, and the folder that its name is relative to."""
    if exists_as(file, "file") and not _is_ours(file.resolve()):
        found.setdefault(file.resolve(), root or file.resolve().parent)


def hashed(found: Mapping[Path, Path], not_covered: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Hashes by names that do not depend on where the code is; two files of one name keep their paths."""
    hashes: dict[str, str] = {}
    notes = list(not_covered)
    for file in sorted(found):
        name = str(file.relative_to(found[file])) if file.is_relative_to(found[file]) else str(file)
        name = name if name not in hashes else str(file)
        status = file.stat()
        if status.st_size > LARGEST:
            hashes[name] = f"{status.st_size} bytes of {status.st_mtime_ns}"
            notes.append(f"content of {name}; its size and time of change are")
            continue
        with file.open("rb") as stream:
            hashes[name] = hashlib.file_digest(stream, "sha256").hexdigest()[:_DIGITS]
    return hashes, tuple(notes)


def _is_ours(file: Path) -> bool:
    return any(file.is_relative_to(folder) for folder in PROJECT)


def exists_as(path: Path, kind: str) -> bool:
    """Whether there is a ``file`` or ``dir``; an argument may be anything, too long for a name, too."""
    try:
        return path.is_file() if kind == "file" else path.is_dir()
    except (OSError, ValueError):
        return False
