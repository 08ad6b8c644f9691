"""Lists of clips that sound drives, on the command line: made, shown, and given to the papers' tables."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.finished_videos import frames, write
from support.refused import refused

from bench.runtime.config import Config
from bench.runtime.errors import UserError
from bench.tables.plan import plan
from protocols.clips import ClipList
from reports.paper.tables import published


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """One person in a video of 15 s."""
    write(tmp_path / "obama" / "speech.mkv", frames(range(375)), sound=np.zeros((1, 16000), np.int16))
    return tmp_path / "obama"


def make(bench, videos: Path, *more: object) -> tuple[int, str]:
    out = videos.parent / "list.csv"
    return bench("clips", "make", "--protocol", "obama-selfdriven", "--data", f"obama={videos}", "--out", out, *more)


@pytest.mark.parametrize(("reading", "template"), [("held-out-template", 0.0), ("own-template", 13.5)])
def test_a_list_is_made_and_shown(bench, videos: Path, reading: str, template: float) -> None:
    code, text = make(bench, videos, "--reading", reading)
    assert code == 0, text
    (clip,) = ClipList.read(videos.parent / "list.csv").clips
    assert (clip.start, clip.end, clip.template) == (13.5, 15.0, template)
    code, text = bench("clips", "show", videos.parent / "list.csv")
    assert code == 0 and re.search(rf"\btemplate .*?\b{template:g} s\b", text), text


def test_what_has_nothing_to_choose_is_refused(bench, videos: Path) -> None:
    ended = make(bench, videos, "--seconds", 3)
    assert ended[0] == 2 and ended.error == "unused-option"
    ended = make(bench, videos, "--reading", "mine")
    assert ended[0] == 2 and ended.error == "unknown-reading"


def test_a_list_of_clips_finds_its_protocol_by_data_and_what_drives(bench, videos: Path, tmp_path: Path) -> None:
    make(bench, videos)
    settings = Config(data={"obama": videos}, sample=False, weights=None, cache=tmp_path)
    found = {
        job.protocol.name: job.pairs for job in plan(published(["memface"]), settings, pairs=[tmp_path / "list.csv"])
    }
    assert found["obama-selfdriven"] == tmp_path / "list.csv"
    assert {pairs for name, pairs in found.items() if name != "obama-selfdriven"} == {None}
    with refused(UserError, "wrong-pairs", "vox1-sameid"):
        plan(published(["mcnet-1a"]), replace(settings, data={}), pairs=[tmp_path / "list.csv"])
