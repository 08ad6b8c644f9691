"""Re-identification by a detector that a package registers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support.packages import install
from support.refused import refused

from bench.detectors import body_identity
from protocols.errors import PluginError

CODE = '''
from bench.detectors.base import Detection, Detector


class Colors(Detector):
    """Mean color: an embedding of three numbers."""

    kind, name, proxy, shape, signature = "body-identity", "colors", False, (3,), "colors;v:1"

    def __init__(self, device, weights):
        self.given = device, weights

    def detect(self, frames):
        return [Detection(frame.mean((0, 1)) / 255) for frame in frames]


class Other(Colors):
    kind = "gaze"


class Bare(Detector):
    kind, signature, detect = "body-identity", "bare", None

    def __init__(self, device, weights):
        pass


def broken(**_):
    raise OSError("jammed\\nand more")


def number(**_):
    return 3
'''


def registered(monkeypatch: pytest.MonkeyPatch, folder: Path, value: str = "Colors", name: str = "thb_colors") -> None:
    install(monkeypatch, folder, name, CODE, {"detector": {body_identity.KIND: value}})


def test_it_runs_under_a_name_and_a_signature_that_names_it(monkeypatch, tmp_path) -> None:
    registered(monkeypatch, tmp_path)
    assert body_identity.missing() == []
    made = body_identity.make(None, "cpu")
    assert (made.kind, made.name, made.proxy, made.shape) == ("body-identity", "re-identification", False, (3,))
    assert made.signature.split(";")[:3] == ["re-identification", "of:colors", "v:1"]
    assert made.signature.split(";")[3].startswith("code:")
    assert made.detector.detector.given == ("cpu", None)
    [found] = made.detect(np.full((1, 4, 4, 3), 51, np.uint8))
    np.testing.assert_allclose(found.values, 0.2)


def test_without_a_package() -> None:
    [reason] = body_identity.missing()
    assert body_identity.KIND in reason and body_identity.GROUP in reason


def test_two_packages(monkeypatch, tmp_path) -> None:
    registered(monkeypatch, tmp_path / "a")
    registered(monkeypatch, tmp_path / "b", name="thb_colors_too")
    assert "thb-colors 1.0" in body_identity.missing()[0] and "thb-colors-too 1.0" in body_identity.missing()[0]
    with refused(PluginError, "broken-plugin"):
        body_identity.make(None)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("broken", r"OSError: jammed$"),
        ("number", r"\bint\b"),
        ("Other", r"\bgaze\b"),
        ("Bare", r"\bname\b"),
        ("thb_nowhere:Colors", "ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(monkeypatch, tmp_path, value, said) -> None:
    registered(monkeypatch, tmp_path, value)
    with refused(PluginError, "broken-plugin", "thb-colors 1.0: detector body-identity ") as error:
        body_identity.make(None)
    assert re.search(said, str(error.value)), error.value
