"""`bench score` on videos of real faces that something is wrong with: a reason in the row, and numbers of the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import finished_videos as made
from support.score_bench import make

pytestmark = pytest.mark.slow
N = 10


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys):
    return make(tmp_path, monkeypatch, capsys)


def faces(sample_set: Path, clip: str, n: int = N) -> list[np.ndarray]:
    """The first frames of a clip of the sample set, there and back again as often as it takes."""
    files = sorted((sample_set / clip).glob("*.png"))[:30]
    order = [*range(len(files)), *range(len(files) - 2, 0, -1)]
    return [np.asarray(Image.open(files[order[k % len(order)]]).convert("RGB")) for k in range(n)]


def test_faces_that_are_lost_late_several_or_cut(bench, sample_set):
    one, other = faces(sample_set, "w_tilt"), faces(sample_set, "w_cry")
    blank = [np.full_like(one[0], 120)] * N
    clips = {
        "lost": [*one[:3], *blank[3:7], *one[7:]],
        "late": [*blank[:3], *one[3:]],
        "never": blank,
        "shots": [*one[:5], *other[:5]],
        "still": one[:1],
    }
    for name, pictures in clips.items():
        made.write(bench.root / "real" / f"{name}.mkv", pictures)
        made.write(bench.root / "mine" / f"{name}.mkv", made.blurred(pictures, 0.7))
    names = "akd,lmd,id-source,id-consecutive,jitter,blinks"
    code, told = bench.score("real", "mine", "--detectors", "embedded", metrics=names)
    rows = bench.rows().loc["mine"]
    assert code == 0 and (rows["frames_failed"] == 0).all(), told
    counted = ("akd-dlib", "lmd", "id-source", "id-consecutive", "jitter")
    n = {clip: [rows.loc[clip, f"{name}.n"] for name in counted] for clip in clips}
    lost = {clip: [rows.loc[clip, f"{name}.failed"] for name in counted] for clip in clips}
    assert (n["lost"], lost["lost"]) == ([6, 6, 6, 4, 2], [4, 4, 4, 5, 6])
    assert (n["late"], lost["late"]) == ([7, 7, 0, 6, 5], [3, 3, 10, 3, 3])
    assert n["shots"] == [10, 10, 10, 9, 8] and n["never"] == [0] * 5 and n["still"] == [1, 1, 1, 0, 0]
    for clip in clips:  # a clip has a value where frames counted, and else a reason
        for name in (*counted, "blinks"):
            known, reason = np.isfinite(rows.loc[clip, name]), rows.loc[clip, f"{name}.reason"]
            assert known == (rows.loc[clip, f"{name}.n"] > 0) and known != isinstance(reason, str), (clip, name)
    assert rows.loc["shots", "id-source"] < rows.loc["lost", "id-source"]


def test_sound_that_is_silent_short_long_or_damaged(bench, sample_set):
    pictures = faces(sample_set, "w_tilt", 150)
    voice = (np.random.default_rng(0).normal(0, 3000, (1, 16000 * 9))).clip(-32768, 32767).astype(np.int16)
    sounds = {"whole": voice[:, :96000], "long": voice, "short": voice[:, :16000], "silent": 0 * voice, "mute": None}
    for name, sound in sounds.items():
        made.write(bench.root / "mine" / f"{name}.mkv", pictures, sound=sound)
    made.write(bench.root / "mine" / "broken.mkv", pictures)
    (bench.root / "mine" / "broken.wav").write_bytes(b"no sound in here")
    code, told = bench.score("--no-truth", "mine", metrics="lip-loudness-corr,flicker,warping-error,cpbd")
    rows = bench.rows().loc["mine"]
    assert code == 0, told
    values, reasons = rows["lip-loudness-corr"], rows["lip-loudness-corr.reason"]
    assert np.isfinite(values[["whole", "long"]]).all() and values["whole"] == pytest.approx(values["long"], abs=0.02)
    assert values[["short", "silent", "mute", "broken"]].isna().all()
    assert "1.0 s" in reasons["short"] and "silent" in reasons["silent"] and reasons["mute"] == "no sound"
    assert "broken.wav" in reasons["broken"]
    assert np.isfinite(rows["cpbd"]).all()
