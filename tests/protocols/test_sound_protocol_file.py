"""Custom protocols that sound drives: people and seconds to adapt to in a TOML file."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.refused import refused

from protocols import catalogue
from protocols.errors import DataError
from protocols.resolve import resolve

TEXT = """
name = "mine"
version = 1
summary = "five seconds to adapt to"
strategy = "adaptation"
reference = "same-identity"
metrics = ["l1"]
people = 3
adapt = 5
"""


def get(tmp_path: Path, text: str):
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    return catalogue.get(str(tmp_path / "mine.toml"))


def test_a_protocol_of_ones_own_is_asked_on_the_sound_set(tmp_path: Path, cache: Path, sound_set_folder: Path) -> None:
    protocol = get(tmp_path, TEXT)
    assert (protocol.people, protocol.adapt, protocol.driven_by, protocol.custom) == (3, 5.0, "sound", True)
    found = resolve(protocol, {}, cache, sample=True)
    assert found.clips is not None and found.clips.clips[0].driven_by == "sound"
    (notice,) = [notice for notice in found.notices if notice.code == "short-adaptation"]
    assert "3.8 s" in notice and "5 s" in notice


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("adapt = 5", "", "bad-value"),
        ("adapt = 5", "adapt = 0", "bad-value"),
        ("adapt = 5", 'adapt = "5"', "bad-value"),
        ("people = 3", "people = 0", "bad-value"),
        ('"adaptation"', '"long-video"', "bad-value"),
        ('"adaptation"\n', '"reconstruction"\n', "unused-option"),
        ("adapt = 5", 'adapt = 5\nmode = "relative"', "unused-option"),
        ("adapt = 5", "adapt = 5\nseconds = 3", "unused-option"),
        ('"same-identity"', '"cross-identity"', "unused-option"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, old: str, new: str, code: str) -> None:
    assert old in TEXT
    with refused(DataError, code, "mine.toml"):
        get(tmp_path, TEXT.replace(old, new))
