"""Model specs of the command line: ``fomm``, ``fomm?yaw=20``, ``frames:DIR``, ``cmd:COMMAND``, ``LABEL=SPEC``.

Only this module reads and writes them. It does not import torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from baselines.errors import ModelError

Kind = Literal["model", "frames", "videos", "cmd", "file"]

OUTSIDE: tuple[Kind, ...] = ("frames", "videos", "cmd")  # kinds written as a prefix; they take no options
_LABEL = re.compile(r"[-_+]*[^\W_][\w+-]*")
_LABELS = "one label, of letters, digits, -, _ and +"
_NEEDS = {
    "frames": "folder, as in frames:DIR",
    "videos": "folder, as in videos:DIR",
    "cmd": "command, as in 'cmd:python animate.py {pairs} {out}'",
}
_FILE = re.compile(r".+\.py:[^\W\d]\w*", re.DOTALL)  # path/to/file.py:Class


@dataclass(frozen=True)
class ModelSpec:
    """One model to load, and the label of its row.

    kind: "model" for a name from `bench list models`, "frames" for a folder of frames, "videos" for a folder of
    finished videos, "cmd" for an external program, "file" for a class in a Python file.
    target: the name, folder, command, or ``path/to/file.py:Class``.
    options: of a model or a class in a file, in the given order. label: name of the row; None for the spec's own text.
    Raises ModelError for values that `parse` could not read back.
    """

    kind: Kind
    target: str
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    label: str | None = None

    def __post_init__(self) -> None:
        if self.label is not None and not _LABEL.fullmatch(self.label):
            raise _wrong(f"label {self.label!r}: {_LABELS}")
        if self.kind in OUTSIDE:
            _check_outside(self)
        else:
            _check_target(self.kind, self.target)
            _check_options(self)

    @classmethod
    def parse(cls, text: str) -> ModelSpec:
        """Parse ``[LABEL=]SPEC``. Raises ModelError that names the wrong part."""
        label, equals, rest = text.partition("=")
        if not equals or not _LABEL.fullmatch(label):
            label, rest = "", text
        kind, colon, target = rest.partition(":")
        if colon and kind in OUTSIDE:
            return cls(kind, target, label=label or None)
        if label and not rest:
            raise _wrong(f"{text}: no model after the label {label}")
        target, _, query = rest.partition("?")
        options = _options(text, target, query)
        return cls("file" if _FILE.fullmatch(target) else "model", target, options, label or None)

    @property
    def name(self) -> str:
        """Return the name of the model's row: the label, or the spec itself."""
        return self.label or self.unlabeled

    @property
    def unlabeled(self) -> str:
        """Return the spec without its label."""
        if self.kind in OUTSIDE:
            return f"{self.kind}:{self.target}"
        query = "&".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.target}?{query}" if query else self.target

    def __str__(self) -> str:
        return self.unlabeled if self.label is None else f"{self.label}={self.unlabeled}"

    def with_options(self, options: Mapping[str, str]) -> ModelSpec:
        """Return the spec with more options. Raises ModelError for a repeated one or a kind without options."""
        if twice := self.options.keys() & options.keys():
            raise _wrong(f"{self}: option {min(twice)} is given twice")
        return replace(self, options={**self.options, **options})


def split_names(text: str) -> list[str]:
    """Split comma-separated specs. A ``cmd:...`` must be last: commas after it belong to the command."""
    head, marker, command = text.partition("cmd:")
    label = head.rpartition(",")[2] if marker else ""
    names = [name.strip() for name in head.removesuffix(label).split(",") if name.strip()]
    return [*names, label.lstrip() + marker + command] if marker else names


def _options(text: str, target: str, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, equals, value = part.partition("=")
        if not part:
            raise _wrong(f"{text}: an option is empty; {_how(target)}")
        if not name or not equals:
            raise _wrong(f"{text}: option {part!r} has no {'value' if name else 'name'}; {_how(target)}")
        if name in options:
            raise _wrong(f"{text}: option {name} is given twice")
        options[name] = value
    return options


def _wrong(message: str) -> ModelError:
    return ModelError(message, code="bad-model-spec")


def _how(target: str) -> str:
    return f"options are written {target}?name=value&name=value"


def _check_outside(spec: ModelSpec) -> None:
    if spec.options:
        raise _wrong(f"{spec}: takes no options")
    if not spec.target.strip():
        raise _wrong(f"{spec.kind}: needs a {_NEEDS[spec.kind]}")


def _check_target(kind: Kind, target: str) -> None:
    """Raise ModelError for a name or file that would be parsed as something else."""
    label, equals, _ = target.partition("=")
    if not target:
        raise _wrong("the name of a model is empty")
    if kind == "file" and equals and _LABEL.fullmatch(label):
        raise _wrong(f"{target}: {label} reads as a label; write ./{target}")
    if kind == "model" and equals:
        raise _wrong(f"{target}: {label!r} is not a label: {_LABELS}")
    prefix, colon, _ = target.partition(":")
    as_file = _FILE.fullmatch(target) is not None
    if "?" in target or (colon and prefix in OUTSIDE) or as_file != (kind == "file"):
        raise _wrong(f"{target}: not {'a class in a file' if kind == 'file' else 'the name of a model'}")


def _check_options(spec: ModelSpec) -> None:
    for name, value in spec.options.items():
        if not name.isidentifier():
            raise _wrong(f"{spec}: {name!r} is not the name of an option; {_how(spec.target)}")
        if "&" in value:
            raise _wrong(f"{spec}: the value of option {name} contains &, which starts the next option")
