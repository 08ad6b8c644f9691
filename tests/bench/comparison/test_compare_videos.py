"""`compare` of finished videos says where more than their pixels differ."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support import finished_videos as made
from support.score_bench import NUMBERS, make

from bench.comparison.videos import AS_ASKED
from reports.schema.manifest import parse_manifest


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys):
    return make(tmp_path, monkeypatch, capsys)


def notices(bench, *arguments: str) -> dict[str, str]:
    """What a comparison says, by its first word."""
    code, told = bench("compare", *arguments, "--resamples", 100, "--json", "c.json")
    assert code == 0, told
    found = json.loads((bench.root / "c.json").read_text(encoding="utf-8"))
    return {line.partition(":")[0]: line for line in (*found["notices"], *found["changes"])}


def test_a_video_that_ends_early_in_one_run_only(bench):
    bench.folder("copy")
    made.write(bench.folder("short") / "ben.mkv", made.frames(NUMBERS["ben"])[:5])
    bench.score("truth", "copy", "--labels", "mine", name="a")
    bench.score("truth", "short", "--labels", "mine", name="b")
    said = notices(bench, "runs/a", "runs/b")
    assert "ben (8 and 5)" in said["frames"] and "1 of 2 clips" in said["frames"] and "anna" not in said["frames"]
    assert "0.200 s" in said["length"]
    assert not {"frames", "length", "rate", "sound"} & set(notices(bench, "runs/a", "runs/a"))
    unlike = parse_manifest((bench.root / "runs" / "b" / "manifest.json").read_bytes()).clips.unlike
    assert set(unlike["mine"]) == {"length"} and set(unlike["mine"]["length"]) == {"ben"}


def test_rates_and_sound_of_two_models_of_a_run(bench):
    bench.folder("fast", lambda pictures: [one for one in pictures for _ in range(2)], rate=50)
    for clip, numbers in NUMBERS.items():
        made.write(bench.root / "loud" / f"{clip}.mkv", made.frames(numbers), sound=np.ones((1, 5120), np.int16))
    bench.score("truth", "fast", "loud", name="a")
    said = notices(bench, "runs/a", "--models", "fast,loud")
    assert "2 of 2 clips" in said["rate"] and "50 frames" in said["rate"] and "25" in said["rate"]
    assert f"({AS_ASKED}; has" in said["sound"] and "2 of 2 clips" in said["sound"] and "frames" not in said
    bench.score("truth", "loud", "--sound", "generated", name="g")
    assert notices(bench, "runs/a", "runs/g")["sound"].split() == ["sound:", "truth", "and", "generated"]
