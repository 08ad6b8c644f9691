"""Read files of ``torch.save`` without executing code in them; recognize files that are not checkpoints."""

from __future__ import annotations

import re
import threading
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from baselines.errors import ModelError
from protocols.errors import first_line

_HEAD = 1024  # bytes that identify a type of file
_MOST_NAMES = 64  # of classes in one file; configurations have a handful
_ARCHIVES = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7-zip", b"Rar!": "RAR"}
_PAGE = re.compile(rb"\s*(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|script|meta|title|\?xml)\b", re.IGNORECASE)
_TEXT = bytes(range(32, 127)) + b"\t\r\n"
# A file that names these wants to run something. It could not (see `Inert`), but it is not a checkpoint.
_ACTS = {"os", "posix", "nt", "sys", "subprocess", "shutil", "socket", "pty", "runpy", "importlib", "ctypes", "code"}
_ACTS |= {"pickle", "_pickle", "io", "_io", "builtins"}
_DATA = {f"builtins.{kind.__name__}" for kind in (object, list, dict, tuple, frozenset, str, bytes, int, float, bool)}
_DATA |= {"builtins.slice", "builtins.range", "builtins.getattr"}  # the last is for nested classes
_lock = threading.Lock()


class Inert:
    """Replacement for every object in a file that is not a tensor, number, text or container of them.

    torch's restricted unpickler never imports a name that it finds in a file: it looks the name up in a table. While a
    file is read, the table maps the file's unknown names to subclasses of this class, which accept all arguments and
    all state and ignore them. So only code of torch and of this module runs.
    """

    name = ""  # ``module.class``, from the file

    def __new__(cls, *arguments: Any) -> Any:
        return object.__new__(cls)

    def __init__(self, *arguments: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def inert_class(value: Any) -> str | None:
    """Return the name of the class that an `Inert` value replaces, or is an object of; None for other values."""
    kind = value if isinstance(value, type) else type(value)
    return kind.name if issubclass(kind, Inert) else None


def _stand_in(name: str, holds: type | None) -> type:
    """Make a subclass of `Inert`. holds: ``OrderedDict`` or ``list`` if the file fills the object like one."""
    made = {} if holds is None else {"__new__": lambda cls, *arguments: holds()}
    return type(f"Inert:{name}", (Inert,), {"name": name, **made})


def read_safely(path: Path, device: str = "cpu") -> Mapping[Any, Any]:
    """Return the mapping in a file of ``torch.save``, its tensors on `device`, without executing code in the file.

    Objects of classes that torch does not know (a configuration, a path, a NumPy number) become `Inert`.
    Raises ModelError for a file that is damaged, is something else, or wants to run code.
    """
    if what := what_it_is(path):
        raise ModelError(f"{path} is {what}, not a checkpoint", code="not-a-checkpoint")
    try:
        if zipfile.is_zipfile(path):  # torch itself does not verify the checksums
            with zipfile.ZipFile(path) as archive:
                if record := archive.testzip():
                    raise ValueError(f"the checksum of {record} does not fit")
        content = _load(path, device)
    except ModelError:
        raise
    except Exception as error:  # torch raises many kinds of errors for files that are no checkpoints
        raise ModelError(
            f"{path} is truncated, damaged or not a checkpoint: {_reason(error)}", code="unreadable-checkpoint"
        ) from None
    if kind := inert_class(content):
        raise ModelError(
            f"{path} has a whole object of class {kind}, which cannot be read without its code; save its "
            "state_dict() with torch.save",
            code="not-a-checkpoint",
        )
    if not isinstance(content, Mapping):
        raise ModelError(
            f"{path} has a {type(content).__name__}, not the named networks of a checkpoint",
            code="not-a-checkpoint",
        )
    return content


def _load(path: Path, device: str) -> Any:
    """Call `torch.load`; each time it stops at an unknown name, map that to `Inert` and try again."""
    stand_ins: dict[str, type] = {}
    while True:
        try:
            with _lock, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about the pickle's version
                allowed = torch.serialization.safe_globals([(kind, name) for name, kind in stand_ins.items()])
                with allowed, open(path, "rb") as stream:  # given the name, torch might take it for safetensors
                    return torch.load(stream, map_location=device, weights_only=True)
        except Exception as error:
            name, holds = _stopped_at(str(error))
            if name is None or len(stand_ins) > _MOST_NAMES or (name in stand_ins and holds is None):
                raise
            if name.partition(".")[0] in _ACTS and name not in _DATA:
                raise ModelError(
                    f"{path} refused: loading it would run code ({name}); a checkpoint has only tensors",
                    code="unsafe-file",
                ) from None
            stand_ins[name] = _stand_in(name, holds)


def _stopped_at(message: str) -> tuple[str | None, type | None]:
    """Return the name that torch stopped at, and the container that the file fills it like, if that was the reason."""
    if filled := re.search(
        r"Can only (SETITEM|APPEND|EXTEND)\w* [^<]*<class '[\w.]*\.?Inert:([\w.]+)'>", message, re.I
    ):
        return filled[2], OrderedDict if filled[1].upper() == "SETITEM" else list
    if blocked := re.search(r"GLOBAL ([\w.]+) whose module", message):
        return blocked[1], None
    if unknown := re.search(r"GLOBAL ([\w.]+) was not an allowed global", message):
        return unknown[1] if "." in unknown[1] else f"builtins.{unknown[1]}", None
    return None, None


def what_it_is(path: Path) -> str | None:
    """Return what a file is, and what to do, in words, if it cannot be a checkpoint; None if it may be one."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return None
    if head.startswith(b"version https://git-lfs"):
        size = re.search(rb"^size (\d{1,18})$", head, re.MULTILINE)
        of = f" of {int(size[1]):,} bytes" if size else ""
        return (
            f"a git-lfs pointer to a file{of}: run `git lfs pull` in its repository, or "
            "download the file itself from the repository's page"
        )
    if _PAGE.match(head):
        return (
            "a web page that was saved in place of the file: open its address in a browser, confirm or log in as the "
            "page asks, and download the file itself"
        )
    if archive := next((name for magic, name in _ARCHIVES.items() if head.startswith(magic)), None):
        return f"a {archive} archive: unpack it"
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it"
    if head.startswith(b"\x89HDF"):
        return "an HDF5 file (of Keras, for example), not a PyTorch file"
    if head.startswith(b"PK") and (what := _other_archive(path)):
        return what
    if len(head) > 1 and head[0] != 0x80 and not head.translate(None, _TEXT):
        return "a text file"
    return None


def _other_archive(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None  # truncated, which `read_safely` reports
    if any("/code/" in name for name in names):
        return "a TorchScript program: save its state_dict() with torch.save"
    return None if any(name.endswith("data.pkl") for name in names) else "a zip archive of other files: unpack it"


def _reason(error: Exception) -> str:
    """Return the reason in one line, without torch's advice to load the file with code execution allowed."""
    text = str(error)
    if "Weights only load failed" not in text:
        return one_line(error)
    if "Unsupported operand" in text:
        return "not in the format of torch.save, or pickled with another protocol than its own, 2"
    return "not in the format of torch.save"


def one_line(error: Exception) -> str:
    """Shorten an error of torch to its first line, without the hint at torch's own bug tracker."""
    return first_line(error).partition(" This is an internal")[0].strip()
