"""Reading files of torch.save: what is inert is left, nothing runs, what is no checkpoint is called what it is."""

from __future__ import annotations

import argparse
import collections
import datetime
import enum
import functools
import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from support.refused import refused

from baselines.errors import ModelError
from baselines.unpickling import inert_class, read_safely

RAN: list[object] = []


class Recipe(dict):
    """A dictionary with attributes, as configuration libraries have them."""


class Sizes(list):
    pass


class Kind(enum.Enum):
    LARGE = 1


class Stateful:
    """Everything that Python calls when it makes an object notes that it was called."""

    def __new__(cls, *arguments):
        RAN.append(cls)
        return super().__new__(cls)

    def __setstate__(self, state):
        RAN.append(state)

    def __getstate__(self):
        return {"a": 1}


def note(*arguments):
    """What a planted file would call."""
    RAN.append(arguments)
    return {}


class Calls:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


INERT = {
    "epoch": (np.float64(3), "numpy._core.multiarray.scalar"),
    "history": (np.zeros(3), "numpy._core.multiarray._reconstruct"),
    "args": (argparse.Namespace(lr=1), "argparse.Namespace"),
    "folder": (Path("x"), "pathlib.PosixPath"),
    "day": (datetime.date(2020, 1, 1), "datetime.date"),
    "kind": (Kind.LARGE, f"{__name__}.Kind"),
    "loss": (np.mean, "numpy.mean"),
    "part": (functools.partial(int), "functools.partial"),
}


@pytest.mark.parametrize("zipped", [True, False])
def test_what_is_inert_is_left_and_what_stands_beside_it_is_read(zipped, tmp_path):
    content = {"generator": collections.OrderedDict(a=torch.arange(3.0)), "step": 7, "names": ["x", ("y", None)]}
    filled = {"recipe": Recipe(a=torch.ones(2)), "sizes": Sizes([1]), "best": collections.defaultdict(list, a=[1])}
    inert = {name: value for name, (value, _) in INERT.items()}
    torch.save(content | filled | inert, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    before = set(torch.serialization.get_safe_globals())
    read = read_safely(tmp_path / "x.pth")
    assert torch.equal(read["generator"]["a"], torch.arange(3.0)) and read["step"] == 7
    assert read["names"] == ["x", ("y", None)]
    assert torch.equal(read["recipe"]["a"], torch.ones(2)) and read["sizes"] == [1] and read["best"] == {"a": [1]}
    assert {type(read[name]) for name in filled} <= {collections.OrderedDict, list}
    assert {name: inert_class(read[name]) for name in inert} == {name: kind for name, (_, kind) in INERT.items()}
    assert set(torch.serialization.get_safe_globals()) == before  # nothing stays allowed


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("where", ["function", "object", "nested", "argument", "subclass"])
def test_no_code_of_a_file_runs(where, zipped, tmp_path):
    planted = {
        "function": Calls(note, "a"),
        "object": Stateful(),
        "nested": Calls(functools.partial, note, Calls(note, "b")),
        "argument": [Calls(note, Stateful()), (Calls(note),)],
        "subclass": Recipe(a=Calls(note)),
    }[where]
    file = tmp_path / "planted.pth"
    torch.save({"a": torch.ones(1), "planted": planted}, file, _use_new_zipfile_serialization=zipped)
    RAN.clear()
    assert torch.equal(read_safely(file)["a"], torch.ones(1))
    assert RAN == []
    torch.load(file, weights_only=False)
    assert RAN != [], "the payload works: only the reader kept it from running"


@pytest.mark.parametrize("function", [os.system, os.mkdir, eval, exec, open, __import__, pickle.loads, io.open])
def test_what_wants_to_act_is_refused(function, tmp_path):
    mark = tmp_path / "mark"
    torch.save({"a": torch.ones(1), "b": Calls(function, str(mark))}, tmp_path / "x.pth")
    with refused(ModelError, "unsafe-file", "x.pth") as error:
        read_safely(tmp_path / "x.pth")
    assert "\n" not in str(error.value) and not mark.exists()


def test_a_whole_module_is_no_checkpoint(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "x.pth")
    with refused(ModelError, "not-a-checkpoint", "torch.nn.modules.linear.Linear", "state_dict()"):
        read_safely(tmp_path / "x.pth")


def archive(kind: str) -> bytes:
    """A zip or tar archive with one text file in it."""
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as made:
            made.writestr("vox/readme.txt", "x")
    else:
        with tarfile.open(fileobj=stream, mode="w:gz" if kind == "gzip" else "w", format=tarfile.USTAR_FORMAT) as made:
            made.addfile(tarfile.TarInfo("readme.txt"))
    return stream.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 728766467\n"
OTHERS = {
    "web page": (b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>", "a browser"),
    "page after a line": (b"\xef\xbb\xbf\n<html lang='en'>quota</html>", "a web page"),
    "pointer": (POINTER, "728,766,467 bytes"),
    "text": (b'{"error": "not found"}\n', "a text file"),
    "zip": (archive("zip"), "a zip archive of other files"),
    "tar": (archive("tar"), "a tar archive"),
    "gzip": (archive("gzip"), "a gzip archive"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_checkpoint_is_called_what_it_is(name, tmp_path):
    content, said = OTHERS[name]
    file = tmp_path / "vox-cpk.pth.tar"
    file.write_bytes(content)
    with refused(ModelError, "not-a-checkpoint", said) as error:
        read_safely(file)
    assert "\n" not in str(error.value)


def test_a_torchscript_program_is_called_what_it_is(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), tmp_path / "x.pth")
    with refused(ModelError, "not-a-checkpoint", "TorchScript"):
        read_safely(tmp_path / "x.pth")
