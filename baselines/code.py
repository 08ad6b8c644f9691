"""The code of a custom model as hashes of its files: edited code is another model."""

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
LARGEST = 2 << 30  # bytes; of larger files, size and time of change are used instead of the content
_DIGITS = 16
PROJECT = tuple(Path(__file__).resolve().parents[1] / name for name in ("baselines", "bench", "protocols", "reports"))


@dataclass(frozen=True)
class Code:
    """files: name to hash. not_covered: in words, what may affect the frames but is not in the hashes."""

    files: Mapping[str, str]
    not_covered: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Return the SHA-256 over the names and hashes of all files."""
        lines = (f"{name}\0{self.files[name]}\n" for name in sorted(self.files))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def of_plugin(modules: Iterable[str], distribution: Distribution | None, options: Mapping[str, str]) -> Code:
    """Return the code of a plug-in: packages of its modules, its distribution's files, local modules, option files.

    modules: names of imported modules. What they import from the folder of the outermost package is included, unless
    that is a folder of installed packages. If the value of an option is a file's path, that file is included.
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
    """Return the code of a class in a file, as in `of_plugin`. modules: the class's module, maybe not the file's own.

    A file in a folder of this program is included, with the modules beside it; other modules of this program are not.
    """
    place = file.resolve()
    found = dict.fromkeys((place, *beside(place)), place.parent) | _of_modules(modules, None, options)
    return Code(*hashed(found, ["other modules of this program"] if _is_ours(place) else []))


def beside(file: Path) -> set[Path]:
    """Return the files of modules in a file's folder that it imports, directly or not, within functions too."""
    place = file.resolve()
    return local_modules([place], place.parent, ours=_is_ours(place)) - {place}


def of_registered(plugin: Plugin, modules: Iterable[str] = (), options: Mapping[str, str] | None = None) -> Code:
    """Return the code of what a package registers, with the package's version. modules: further ones of it."""
    found = of_plugin((plugin.entry.module, *modules), plugin.entry.dist, options or {})
    version = {"(version)": plugin.package} if plugin.entry.dist else {}
    return Code({**found.files, **version}, found.not_covered)


def local_modules(scripts: Iterable[Path], root: Path, names: Iterable[str] = (), *, ours: bool = False) -> set[Path]:
    """Return files below `root`: of modules with these names and of those that the scripts import, directly or not.

    ours: whether to include modules of this program.
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
    """Yield level and dotted name of a file's imports; ``from a import b`` gives ``a.b``, which may be no module."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):  # another version of Python
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.level, f"{node.module or ''}.{alias.name}".strip(".*")) for alias in node.names)


def files_of(root: Path, name: str, ours: bool = False) -> Iterator[Path]:
    """Yield the files below `root` that importing a dotted name runs; the last part may be no module."""
    parts = name.split(".")
    for n in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:n])
        for file in (place / "__init__.py", place / "__main__.py", place.with_name(f"{place.name}.py")):
            if all(parts) and exists_as(file, "file") and (ours or not _is_ours(file.resolve())):
                yield file.resolve()


def _package(module: str) -> Iterator[tuple[Path, Path]]:
    """Yield the files of the outermost regular package of an imported module, or the module's own, with their root."""
    parts = module.split(".")
    for n in range(1, len(parts) + 1):
        place = Path(getattr(sys.modules.get(".".join(parts[:n])), "__file__", None) or "").resolve()
        if place.is_dir():  # no file: a namespace package, which others share, or a built-in module
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
    """Add a file, with the folder that its name is relative to, if it exists and is not part of this program."""
    if exists_as(file, "file") and not _is_ours(file.resolve()):
        found.setdefault(file.resolve(), root or file.resolve().parent)


def hashed(found: Mapping[Path, Path], not_covered: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return hashes by names that do not depend on where the code is; for equal names the second has its full path."""
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
    """Return whether there is a ``file`` or ``dir``; False also for text that cannot be a path."""
    try:
        return path.is_file() if kind == "file" else path.is_dir()
    except (OSError, ValueError):
        return False
