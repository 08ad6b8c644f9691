"""What names a model on the command line: ``fomm``, ``fomm?yaw=20``, ``frames:DIR``, ``cmd:COMMAND``, ``LABEL=SPEC``.

The only reader and writer of such text. It imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from baselines.errors import ModelError

Kind = Literal["model", "frames", "videos", "cmd", "file"]

OUTSIDE: tuple[Kind, ...] = ("frames", "videos", "cmd")  # kinds that are written as a prefix; they take no options
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
    finished videos, "cmd" for an outside program, "file" for a class in a Python file.
    target: the name, folder, command, or ``path/to/file.py:Class``.
    options: of a model or a class in a file, in the order given. label: what the row is called; None for the spec's own
    text. Raises ModelError for parts that `parse` would not give back.
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
        """Read ``[LABEL=]SPEC``. Raises ModelError, which names the part that is wrong."""
        label, equals, rest = text.partition("=")
        if not equals or not _LABEL.fullmatch(label):
            label, rest = "", text
        kind, colon, target = rest.partition(":")
        if colon and kind in OUTSIDE:
            return cls(kind, target, label=label or None)
        if label and not rest:
            raise _wrong(f"{text}: no model behind the label {label}")
        target, _, query = rest.partition("?")
        options = _options(text, target, query)
        return cls("file" if _FILE.fullmatch(target) else "model", target, options, label or None)

    @property
    def name(self) -> str:
        """What the model's row is called: the label, or the spec itself."""
        return self.label or self.unlabeled

    @property
    def unlabeled(self) -> str:
        """The spec without its label."""
        if self.kind in OUTSIDE:
            return f"{self.kind}:{self.target}"
        query = "&".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.target}?{query}" if query else self.target

    def __str__(self) -> str:
        return self.unlabeled if self.label is None else f"{self.label}={self.unlabeled}"

    def with_options(self, options: Mapping[str, str]) -> ModelSpec:
        """Return the spec with more options. Raises ModelError for one that it has, and for a kind that takes none."""
        if twice := self.options.keys() & options.keys():
            raise _wrong(f"{self}: option {min(twice)} is given twice")
        return replace(self, options={**self.options, **options})


def split_names(text: str) -> list[str]:
    """Split comma-separated specs; a comma inside ``cmd:...`` belongs to the command, which therefore comes last."""
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
    """Raise ModelError for a name or file that reads as something else."""
    label, equals, _ = target.partition("=")
    if not target:
        raise _wrong("the name of a model is empty")
    if kind == "file" and equals and _LABEL.fullmatch(label):
        raise _wrong(f"{target}: {label} reads as a label; write ./{target}")
    if kind == "model" and equals:
        raise _wrong(f"{target}: {label!r} is no label: {_LABELS}")
    prefix, colon, _ = target.partition(":")
    as_file = _FILE.fullmatch(target) is not None
    if "?" in target or (colon and prefix in OUTSIDE) or as_file != (kind == "file"):
        raise _wrong(f"{target}: no {'class in a file' if kind == 'file' else 'name of a model'}")


def _check_options(spec: ModelSpec) -> None:
    for name, value in spec.options.items():
        if not name.isidentifier():
            raise _wrong(f"{spec}: {name!r} is no name of an option; {_how(spec.target)}")
        if "&" in value:
            raise _wrong(f"{spec}: the value of option {name} has an & in it, which begins the next option")
