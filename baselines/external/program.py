"""The code of an external program: its scripts, their modules, and the files in its command."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path

from baselines.code import PROJECT, SOURCES, SUFFIXES, Code, add, exists_as, files_of, hashed, imports_of, local_modules
from baselines.external import shell

_INTERPRETER = re.compile(r"(python|pypy)[\d.]*|(ba|da|z)?sh|env|perl|ruby|node|julia|Rscript|java|uv|conda|docker")
RUNS, USES = "what {} runs", "what {} uses"  # notes on what no hash covers


def of_program(arguments: Sequence[str]) -> Code:
    """Return the code of a command: its program, its scripts with their own modules, and all files in its arguments.

    A file may be an argument, after ``=`` or in a quoted command (``bash -c '...'``), relative to the working folder or
    to a folder in the arguments. ``-m`` means a module there or in ``PYTHONPATH``, a folder its ``__main__.py``. Python
    files include the modules that they import from their own folder or from ``PYTHONPATH``; shell scripts include the
    files and modules in them. Installed packages, interpreters like ``python`` and ``*.log`` files are left out.
    `Code.not_covered` has the names that were not found.
    """
    pieces = list(_pieces(arguments[1:]))
    folders = [Path(piece) for piece in pieces if exists_as(Path(piece), "dir")]
    found: dict[Path, Path] = {}  # file to the folder of its relative name
    program = shutil.which(arguments[0])
    interpreter = _INTERPRETER.fullmatch(Path(arguments[0]).name) is not None
    if program and not interpreter:
        add(found, Path(program))
    for folder in (Path(), *folders):
        for piece in pieces:
            if Path(piece).suffix != ".log":
                add(found, folder / piece)
    paths = [os.environ.get("PYTHONPATH", "")]
    paths += [piece.partition("=")[2] for piece in pieces if piece.startswith("PYTHONPATH=") and " " not in piece]
    search = [Path(folder).resolve() for path in paths for folder in path.split(os.pathsep) if folder]
    roots = [Path.cwd(), *search, *(folder.resolve() for folder in folders)]
    not_covered = [f"folder {folder}" for folder in dict.fromkeys(folders)]
    not_covered += [f"module {name}" for name in _modules(found, shell.modules(" ".join(arguments)), roots)]
    for folder in folders:
        add(found, folder / "__main__.py")
    for argument in arguments[1:]:
        if " " in argument:
            not_covered += _mentioned(found, argument, roots, "the command")[1]
    scripts = [file for file in found if _runs(file, "sh")]
    for script in scripts:  # grows in the loop
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
        not_covered.append(RUNS.format(arguments[0]))
    elif not interpreter and "/" not in arguments[0]:
        not_covered.append(USES.format(arguments[0]))
    return Code(*hashed(found, list(dict.fromkeys(not_covered))))


def _pieces(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the parts of arguments that may be file names."""
    for argument in arguments:
        words = [argument]
        if " " in argument:
            with suppress(ValueError):
                words += shlex.split(argument)
        for word in words:
            yield from dict.fromkeys((word, word.partition("=")[2] or word, word.removeprefix("@")))


def _mentioned(found: dict[Path, Path], text: str, bases: Sequence[Path], where: str) -> tuple[set[Path], list[str]]:
    """Add the files in shell commands, relative to `bases` or to folders in the commands.

    Return the sourced files, and in words what was not found.
    """
    said = shell.Commands(text)
    named = [
        base / way for ways in said.words.values() for way in ways for base in bases if exists_as(base / way, "dir")
    ]
    places = [*bases, *dict.fromkeys(folder.resolve() for folder in named)]
    sourced: set[Path] = set()
    lacking: list[str] = []
    for word, ways in said.words.items():
        if word not in said.sourced and Path(word).suffix not in SUFFIXES:
            continue
        there = [place / way for place in places for way in ways if exists_as(place / way, "file")]
        for file in there:
            add(found, file)
        if word in said.sourced:
            sourced |= {file.resolve() for file in there}
        if not there and (word in said.sourced or Path(word).suffix in SOURCES):
            lacking.append(f"{word} in {where}")
    lacking += [f"module {name} in {where}" for name in _modules(found, said.modules, places)]
    for folder in named:
        add(found, folder / "__main__.py")
    if said.inline:
        lacking.append(f"what python -c in {where} imports")
    return sourced, sorted(set(lacking))


def _modules(found: dict[Path, Path], names: Iterable[str], roots: Sequence[Path]) -> list[str]:
    """Add the files of modules that are run with ``-m``; return names that are in no root and not installed."""
    lacking = []
    for name in names:
        files = {file: root for root in reversed(roots) for file in local_modules([], root, [name])}
        found |= {file: root for file, root in files.items() if file not in found}
        if not files and not _installed(name, ()):
            lacking.append(name)
    return lacking


def _elsewhere(found: Mapping[Path, Path], search: Sequence[Path], programs: Iterable[str | None]) -> list[str]:
    """Return imported modules that are neither in the code nor installed here or beside one of the programs."""
    folders = [Path(program).parent.parent for program in programs if program and exists_as(Path(program), "file")]
    names = set()
    roots = {*found.values(), *search}
    for file in found:
        for level, name in imports_of(file) if _runs(file, "python") else ():
            if not level and not any(one in found for root in roots for one in files_of(root, name)):
                names.add(name.partition(".")[0])
    return sorted(name for name in names if name and not _installed(name, folders))


def _installed(name: str, folders: Iterable[Path]) -> bool:
    """Return whether a module is Python's, this project's or installed; being in the working folder does not count."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "__main__" or top in (folder.name for folder in PROJECT):
        return True
    paths = [path for path in sys.path if path and Path(path).resolve() != Path.cwd()]
    paths += [str(site) for folder in folders for site in folder.glob("lib/python*/site-packages")]
    return PathFinder.find_spec(top, paths) is not None


def _runs(file: Path, what: str) -> bool:
    """Return whether a file is a script of this interpreter, by its name or its first line."""
    if file.suffix == {"sh": ".sh", "python": ".py"}[what]:
        return True
    with file.open("rb") as stream:
        first = stream.readline(200)
    return first.startswith(b"#!") and what.encode() in first
