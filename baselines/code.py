"""The code of a model from outside, by the hash of each of its files: edited code is another model."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import Distribution
from pathlib import Path

from baselines.external import shell
from protocols.plugins import Plugin

SOURCES = (".py", ".sh", ".pyx", ".so", ".pyd", ".cu", ".cpp", ".c", ".h", ".json", ".yaml", ".yml", ".toml", ".cfg")
WEIGHTS = (".pt", ".pth", ".tar", ".ckpt", ".safetensors", ".onnx", ".npz", ".npy", ".bin", ".pkl")
SUFFIXES = frozenset(SOURCES + WEIGHTS)
LARGEST = 2 << 30  # bytes; of larger files the size and the time of change stand for the content
_DIGITS = 16
_INTERPRETER = re.compile(r"(python|pypy)[\d.]*|(ba|da|z)?sh|env|perl|ruby|node|julia|Rscript|java|uv|conda|docker")
_PROJECT = tuple(Path(__file__).resolve().parents[1] / name for name in ("baselines", "bench", "protocols", "reports"))


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


def of_program(arguments: Sequence[str]) -> Code:
    """The code of a command: its program, its scripts with their own modules, and all files that its arguments name.

    A file is found as an argument, behind ``=`` or in a quoted command (``bash -c '...'``), relative to the working
    folder or to a folder that is named, too; for ``-m`` a module in them or in ``PYTHONPATH``; of a folder its
    ``__main__.py``. Of Python files the modules that they import from their own folder or from ``PYTHONPATH`` count,
    of shell scripts the files and modules that they name. Installed packages do not, nor interpreters like
    ``python``, nor files called ``*.log``. What is named and not found is in `Code.not_covered`.
    """
    pieces = list(_pieces(arguments[1:]))
    folders = [Path(piece) for piece in pieces if _is(Path(piece), "dir")]
    found: dict[Path, Path] = {}  # file to the folder that its name is relative to
    program = shutil.which(arguments[0])
    interpreter = _INTERPRETER.fullmatch(Path(arguments[0]).name) is not None
    if program and not interpreter:
        _add(found, Path(program))
    for folder in (Path(), *folders):
        for piece in pieces:
            if Path(piece).suffix != ".log":
                _add(found, folder / piece)
    paths = [os.environ.get("PYTHONPATH", "")]
    paths += [piece.partition("=")[2] for piece in pieces if piece.startswith("PYTHONPATH=") and " " not in piece]
    search = [Path(folder).resolve() for path in paths for folder in path.split(os.pathsep) if folder]
    roots = [Path.cwd(), *search, *(folder.resolve() for folder in folders)]
    not_covered = [f"folder {folder}" for folder in dict.fromkeys(folders)]
    not_covered += [f"module {name}" for name in _modules(found, shell.modules(" ".join(arguments)), roots)]
    for folder in folders:
        _add(found, folder / "__main__.py")
    for argument in arguments[1:]:
        if " " in argument:
            not_covered += _mentioned(found, argument, roots, "the command")[1]
    scripts = [file for file in found if _runs(file, "sh")]
    for script in scripts:  # it grows
        with script.open("rb") as stream:
            text = stream.read(1 << 20).decode(errors="replace")
        sourced, lacking = _mentioned(found, text, [script.parent, *roots], script.name)
        scripts += [file for file in found if file not in scripts and (file in sourced or _runs(file, "sh"))]
        not_covered += lacking
    for script, own in [(file, root) for file, root in found.items() if _runs(file, "python")]:
        for root in (own, *search):
            found = dict.fromkeys(local_modules([script], root), root) | found
    not_covered += [f"module {name}" for name in _elsewhere(found, search, [program, *pieces])]
    if not found:
        not_covered.append(f"what {arguments[0]} runs")
    elif not interpreter and "/" not in arguments[0]:
        not_covered.append(f"what {arguments[0]} uses")
    return Code(*_hashed(found, list(dict.fromkeys(not_covered))))


def of_plugin(modules: Iterable[str], distribution: Distribution | None, options: Mapping[str, str]) -> Code:
    """The code of a plug-in: the packages of its modules, what its distribution installed, local modules, option files.

    modules: imported ones by name. Modules that they import from the folder of the outermost package belong to them,
    unless that is a folder of installed packages. Of an option whose value is a file's path the content counts.
    """
    found: dict[Path, Path] = {}
    for module in modules:
        found |= dict(_package(module))
    for entry in (distribution.files if distribution else None) or ():
        if Path(entry).suffix in SUFFIXES and not any(part.endswith("-info") for part in Path(entry).parts):
            _add(found, Path(str(entry.locate())), Path(str(distribution.locate_file(""))).resolve())
    for root in set(found.values()):
        if root.name not in ("site-packages", "dist-packages"):
            own = [file for file, of in found.items() if of == root and file.suffix == ".py"]
            found = dict.fromkeys(local_modules(own, root), root) | found
    for value in options.values():
        _add(found, Path(value).expanduser())
    return Code(*_hashed(found, []))


def of_registered(plugin: Plugin, modules: Iterable[str] = (), options: Mapping[str, str] | None = None) -> Code:
    """`of_plugin` for what a package registers, with the package's version. modules: further ones of it."""
    found = of_plugin((plugin.entry.module, *modules), plugin.entry.dist, options or {})
    version = {"(version)": plugin.package} if plugin.entry.dist else {}
    return Code({**found.files, **version}, found.not_covered)


def local_modules(scripts: Iterable[Path], root: Path, names: Iterable[str] = ()) -> set[Path]:
    """Files below `root` of the modules with these names, of those that the scripts import, and of theirs in turn."""
    seen = {file for name in names for file in _resolved(root, name)}
    waiting = [*scripts, *seen]
    while waiting:
        file = waiting.pop()
        for level, name in _imports(file):
            base = file.parents[min(level, len(file.parents)) - 1] if level else root
            new = set(_resolved(base, name)) - seen
            seen |= new
            waiting += new
    return seen


def _imports(file: Path) -> Iterator[tuple[int, str]]:
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


def _resolved(root: Path, name: str) -> Iterator[Path]:
    """The files that importing a dotted name runs, as far as they are below `root`; the last part may be no module."""
    parts = name.split(".")
    for n in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:n])
        for file in (place / "__init__.py", place / "__main__.py", place.with_name(f"{place.name}.py")):
            if all(parts) and _is(file, "file") and not _is_ours(file.resolve()):
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
            yield from ((file, root) for file in some if _is(file, "file"))
        return


def _pieces(arguments: Sequence[str]) -> Iterator[str]:
    """What may be a file's name in arguments."""
    for argument in arguments:
        words = [argument]
        if " " in argument:
            with suppress(ValueError):
                words += shlex.split(argument)
        for word in words:
            yield from dict.fromkeys((word, word.partition("=")[2] or word, word.removeprefix("@")))


def _mentioned(found: dict[Path, Path], text: str, bases: Sequence[Path], where: str) -> tuple[set[Path], list[str]]:
    """Add the files that shell commands name, below `bases` or folders that they name, too.

    Returns the files that are sourced, and in words what was not found.
    """
    said = shell.Commands(text)
    named = [base / way for ways in said.words.values() for way in ways for base in bases if _is(base / way, "dir")]
    places = [*bases, *dict.fromkeys(folder.resolve() for folder in named)]
    sourced: set[Path] = set()
    lacking: list[str] = []
    for word, ways in said.words.items():
        if word not in said.sourced and Path(word).suffix not in SUFFIXES:
            continue
        there = [place / way for place in places for way in ways if _is(place / way, "file")]
        for file in there:
            _add(found, file)
        if word in said.sourced:
            sourced |= {file.resolve() for file in there}
        if not there and (word in said.sourced or Path(word).suffix in SOURCES):
            lacking.append(f"{word} in {where}")
    lacking += [f"module {name} in {where}" for name in _modules(found, said.modules, places)]
    for folder in named:
        _add(found, folder / "__main__.py")
    if said.inline:
        lacking.append(f"what python -c in {where} imports")
    return sourced, sorted(set(lacking))


def _modules(found: dict[Path, Path], names: Iterable[str], roots: Sequence[Path]) -> list[str]:
    """Add the files of modules that are run with ``-m``; returns names that are in no root and not installed."""
    lacking = []
    for name in names:
        files = {file: root for root in reversed(roots) for file in local_modules([], root, [name])}
        found |= {file: root for file, root in files.items() if file not in found}
        if not files and not _installed(name, ()):
            lacking.append(name)
    return lacking


def _elsewhere(found: Mapping[Path, Path], search: Sequence[Path], programs: Iterable[str | None]) -> list[str]:
    """Names of imported modules that are neither with the code nor installed here or beside one of the programs."""
    folders = [Path(program).parent.parent for program in programs if program and _is(Path(program), "file")]
    names = set()
    roots = {*found.values(), *search}
    for file in found:
        for level, name in _imports(file) if _runs(file, "python") else ():
            if not level and not any(one in found for root in roots for one in _resolved(root, name)):
                names.add(name.partition(".")[0])
    return sorted(name for name in names if name and not _installed(name, folders))


def _installed(name: str, folders: Iterable[Path]) -> bool:
    """Whether a module is of Python, of this project or installed; not where it is only in the working folder."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "__main__" or top in (folder.name for folder in _PROJECT):
        return True
    paths = [path for path in sys.path if path and Path(path).resolve() != Path.cwd()]
    paths += [str(site) for folder in folders for site in folder.glob("lib/python*/site-packages")]
    return PathFinder.find_spec(top, paths) is not None


def _runs(file: Path, what: str) -> bool:
    """Whether a file is a script of this interpreter, by its name or its first line."""
    if file.suffix == {"sh": ".sh", "python": ".py"}[what]:
        return True
    with file.open("rb") as stream:
        first = stream.readline(200)
    return first.startswith(b"#!") and what.encode() in first


def _add(found: dict[Path, Path], file: Path, root: Path | None = None) -> None:
    if _is(file, "file") and not _is_ours(file.resolve()):
        found.setdefault(file.resolve(), root or file.resolve().parent)


def _hashed(found: Mapping[Path, Path], not_covered: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
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
    return any(file.is_relative_to(folder) for folder in _PROJECT)


def _is(path: Path, kind: str) -> bool:
    """Whether there is a ``file`` or ``dir``; an argument may be anything, too long for a name, too."""
    try:
        return path.is_file() if kind == "file" else path.is_dir()
    except (OSError, ValueError):
        return False
