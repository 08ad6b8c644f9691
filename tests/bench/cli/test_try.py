"""`bench try`: what it prints of a model that works, and one line for each way to break the interface."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

CODE = """
import torch
from baselines.predictor import Predictor

class Mine(Predictor):
    def __init__(self, *, device, weights=None, how="good"):
        self.how = how

    def predict(self, batch, mode):
        made = (batch.source + batch.driving) / 2
        return {
            "good": lambda: made,
            "half": lambda: made.half(),
            "bytes": lambda: (made * 255).byte(),
            "scale": lambda: made * 255,
            "sides": lambda: made.permute(0, 2, 3, 1),
            "list": lambda: [made],
            "raises": lambda: made[99],
            "batch": lambda: made * (0.9 if len(made) > 1 else 1),
            "chance": lambda: torch.rand_like(made),
            "lost": lambda: torch.where(torch.arange(len(made))[:, None, None, None] == 1, torch.nan, made),
            "black": lambda: made * 0,
        }[self.how]()
"""


@pytest.fixture
def attempt(bench, tmp_path):
    (tmp_path / "mine.py").write_text(CODE)
    return lambda how, *more: bench("try", f"ours=mine.py:Mine?how={how}", *more)


@pytest.mark.parametrize("how", ["good", "half"])
def test_a_model_that_works(attempt, how):
    code, text = attempt(how, "--out", "seen.png")
    assert code == 0, text
    assert f"(2, 3, 256, 256), {'float16' if how == 'half' else 'float32'}, values from 0" in text
    assert re.search(r"\b\d+\.\d ms\b", text) and re.search(r"\bmode absolute\b", text), text
    assert "MiB" in text and "seen.png" in text
    picture = np.asarray(Image.open("seen.png")).astype(float)
    assert picture.shape == (512, 768, 3)
    source, driving, made = np.split(picture, 3, axis=1)
    assert np.abs((source + driving) / 2 - made).max() <= 1 and np.abs(source - driving).max() > 10


@pytest.mark.parametrize(
    ("how", "error", "value"),
    [
        ("bytes", "bad-frames", "torch.uint8"),
        ("scale", "bad-frames", "255"),
        ("sides", "bad-frames", "permute(0, 3, 1, 2)"),
        ("list", "bad-frames", "list"),
        ("raises", "broken-plugin", "IndexError"),
        ("batch", "bad-frames", "batch.seeds"),
        ("chance", "bad-frames", "batch.seeds"),
    ],
)
def test_what_breaks_the_interface(attempt, how, error, value):
    ended = code, text = attempt(how)
    assert code == 2 and ended.error == error, text
    assert value in text and "error: ours" in text and "Traceback" not in text


@pytest.mark.parametrize(("how", "failed"), [("lost", 1), ("black", 2)])
def test_pairs_without_a_frame(attempt, how, failed):
    code, text = attempt(how)
    assert code == 1 and len(re.findall(r"\bpair \d{4}\b", text)) == failed and "try-ours.png" in text, text


def test_other_data_and_another_mode(attempt, bench, tmp_path):
    for clip in ("a", "b"):
        (tmp_path / "frames" / clip).mkdir(parents=True)
        for number in range(3):
            level = np.full((64, 64, 3), 50 + 40 * number, np.uint8)
            Image.fromarray(level).save(tmp_path / "frames" / clip / f"{number}.png")
    code, text = attempt("good", "--data", f"mine={tmp_path / 'frames'}")
    assert code == 0 and "own-sameid" in text, text
    ended = attempt("good", "--mode", "relative")
    assert ended[0] == 2 and ended.error == "unknown-mode" and "ours" in ended[1]
    code, text = bench("try", "fomm", "--mode", "relative")
    assert code == 0 and re.search(r"\bmode relative\b", text), text


def test_a_file_goes_wherever_a_model_goes(bench, tmp_path):
    (tmp_path / "mine.py").write_text(CODE)
    spec, sample = "ours=mine.py:Mine?how=good", ("--data", "sample")
    asked = ("run", "--protocol", "vox1-sameid", "--models", spec, *sample, "--metrics", "l1", "--limit", "2")
    code, text = bench(*asked, "--no-bounds", "--name", "x")
    assert code == 0, text
    (tmp_path / "mine.py").write_text(CODE + "# edited")
    ended = bench(*asked, "--no-bounds", "--name", "x")
    assert ended[0] == 2 and ended.error == "other-run" and "ours (mine.py)" in ended[1]
    code, text = bench("speed", "--models", spec, "--limit", "1", "--rounds", "1", "--parts", "models")
    assert code == 0 and "mine.py:Mine" in text, text
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save("face.png")
    code, text = bench("animate", "--model", spec, "--source", "face.png", "--driving", "face.png", "--out", "x.mp4")
    assert code == 0 and (tmp_path / "x.mp4").is_file(), text
    ended = code, text = bench("inspect", "--model", spec, "--out", "seen")
    assert code == 2 and ended.error == "no-network"


TALKING = """
import torch
from baselines.talking import TalkingPredictor

class Louder(TalkingPredictor):
    name = "louder"

    def __init__(self, *, device, weights=None, how="good"):
        self.how = how

    def talk(self, talk):
        for number, frame in enumerate(talk.template()):
            assert talk.sound.available() and round(talk.rate, 3) == 25
            if self.how == "raises" and number:
                raise ValueError("deaf")
            yield frame / 2 if self.how != "chance" else frame * torch.rand(())
"""


@pytest.mark.slow
def test_a_model_driven_by_sound_is_given_a_clip(bench, tmp_path):
    (tmp_path / "louder.py").write_text(TALKING)
    code, text = bench("try", "louder.py:Louder", "--out", "seen.png")
    assert code == 0, text
    assert "hdtf-adapt15, 2 pairs" in text and re.search(r"\b\d+\.\d ms\b", text), text
    template, truth, made = np.split(np.asarray(Image.open("seen.png")).astype(float), 3, axis=1)
    assert np.abs(template / 2 - made).max() <= 1 and np.abs(template - truth).max() > 10
    ended = bench("try", "louder.py:Louder?how=raises")
    assert ended[0] == 2 and ended.error == "broken-plugin" and "ValueError: deaf" in ended[1]
    ended = bench("try", "louder.py:Louder?how=chance")
    assert ended[0] == 2 and ended.error == "bad-frames"
    ended = bench("try", "louder.py:Louder", "--protocol", "vox1-sameid")
    assert ended[0] == 2 and ended.error == "wrong-protocol" and "hdtf-adapt15" in ended[1]
