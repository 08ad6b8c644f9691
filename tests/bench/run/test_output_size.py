"""Models that make frames of another size than they are given: never brought to another size in silence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from support.command_line import call_unwrapped
from support.layouts_on_disk import frames
from support.liveportrait_files import official_folder
from support.small_networks import batch

from baselines.frame_size import FILTER, resized
from baselines.predictor import ModelError, Predictor
from bench.run.generated import generate

DOUBLED = '''
import torch
from torch.nn import functional as F
from baselines.predictor import Predictor


class Doubled(Predictor):
    """The driving frame, enlarged by repeating pixels: brought back it is the frame itself but for the filter."""

    name, output_size = "doubled", 512

    def __init__(self, *, device, weights):
        pass

    def predict(self, batch, mode):
        return F.interpolate(batch.driving, (512, 512), mode="nearest")


class Wrong(Doubled):
    output_size = None


class Nothing(Doubled):
    output_size = "large"
'''


class Large(Predictor):
    name, output_size = "large", 32

    def predict(self, batch, mode):
        return torch.nn.functional.interpolate(batch.driving, (self.side, self.side), mode="bicubic").clamp(0, 1)

    side = 32


def test_frames_are_brought_to_the_driving_frames_size_or_kept() -> None:
    pairs = batch(2, 16)
    made = Large().predict(pairs, "absolute")
    brought = generate(Large(), pairs, "absolute", "large")
    kept = generate(Large(), pairs, "absolute", "large", as_made=True)
    assert [frame.shape for frame in brought + kept] == [(16, 16, 3)] * 2 + [(32, 32, 3)] * 2
    expected = (255 * resized(made, 16)).round().permute(0, 2, 3, 1)
    assert all(abs(frame - one.numpy()).max() <= 1 for frame, one in zip(brought, expected))


def test_another_size_than_the_stated_one_is_refused() -> None:
    model = Large()
    model.side = 24
    with pytest.raises(ModelError, match=r"\(2, 3, 24, 24\), expected \(2, 3, 32, 32\)"):
        generate(model, batch(2, 16), "absolute", "large")


@pytest.fixture
def run(monkeypatch, capsys, tmp_path: Path):
    (tmp_path / "doubled.py").write_text(DOUBLED)

    def call(models: str, *more: object) -> tuple[int, str, Path]:
        given = ("--limit", 2, "--metrics", "l1", "--device", "cpu")
        given += () if "--protocol" in more else ("--protocol", "vox1-sameid", "--data", "sample")
        code, text = call_unwrapped(
            monkeypatch, capsys, "run", "--models", models, *given, "--out", tmp_path, "--name", "r", *more
        )
        return code, text, tmp_path / "r"

    return call


def entry(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text("utf-8"))["models"][0]


def mean(folder: Path, model: str) -> float:
    rows = json.loads((folder / "summary.json").read_text("utf-8"))["rows"]
    return next(row["mean"] for row in rows if row["model"] == model and row["metric"] == "l1")


def test_a_run_measures_at_its_size_and_names_the_filter(run, sample_set: Path, tmp_path: Path) -> None:
    code, text, folder = run(f"ours={tmp_path / 'doubled.py'}:Doubled")
    assert code == 0 and FILTER in text.replace("\n", " ")
    about = entry(folder)
    assert (about["output_frame_size"], about["output_filter"]) == (512, FILTER)
    assert FILTER in (folder / "report.html").read_text("utf-8")
    assert 0 < mean(folder, "ours") < 0.01  # the filter's blur is all that differs


@pytest.mark.parametrize(("side", "enlarged"), [(512, False), (256, True)])
def test_a_run_of_that_size_filters_nothing(side: int, enlarged: bool, run, tmp_path: Path) -> None:
    frames(tmp_path / "data" / "clip", 3, size=side)
    own = ("--protocol", "own-sameid", "--data", f"mine={tmp_path / 'data'}", "--crop", "none", "--size", "512")
    code, text, folder = run(f"ours={tmp_path / 'doubled.py'}:Doubled", *own)
    assert code == 0 and FILTER not in text and ("enlarged" in text) == enlarged, text
    about = entry(folder)
    assert about["output_frame_size"] == 512 and "output_filter" not in about
    assert mean(folder, "ours") == 0


@pytest.mark.parametrize("name", ["Wrong", "Nothing"])
def test_a_model_that_does_not_say_it_is_refused(name: str, run, sample_set: Path, tmp_path: Path) -> None:
    code, text, _ = run(f"ours={tmp_path / 'doubled.py'}:{name}")
    assert code == 2 and ("512" in text or "output_size" in text) and "Traceback" not in text


def test_liveportrait_is_run(run, sample_set: Path, tmp_path: Path) -> None:
    official_folder(tmp_path / "liveportrait")
    code, text, folder = run("liveportrait", "--weights", tmp_path)
    assert code == 0, text
    about = entry(folder)
    assert (about["output_frame_size"], about["output_filter"], about["frame_size"]) == (512, FILTER, 256)
    assert len(about["weights_beside"]) == 4 and about["weights_status"] == "unverified"


@pytest.fixture
def clips(tmp_path: Path) -> tuple[object, ...]:
    """Options for clips in their own sizes: most frames have 512 pixels a side, the others 256."""
    for name, count, side in (("anna", 3, 512), ("ben", 2, 256)):
        frames(tmp_path / "data" / name, count, size=side)
    return ("--protocol", "own-reconstruction", "--data", f"mine={tmp_path / 'data'}", "--size", "native", "--limit", 4)


def test_of_clips_of_several_sizes_every_filtering_is_said(run, clips, tmp_path: Path) -> None:
    code, text, folder = run(f"ours={tmp_path / 'doubled.py'}:Doubled", *clips)
    assert code == 0 and FILTER in text.replace("\n", " "), text
    assert entry(folder)["output_filter"] == FILTER and FILTER in (folder / "report.html").read_text("utf-8")


def test_a_network_that_works_on_one_size_is_refused_several_before_it_runs(run, clips) -> None:
    code, text, folder = run("fomm", *clips)
    assert code == 2 and "fomm?resize=true" in text and "512x512, 256x256" in text
    assert not (folder / "manifest.json").exists()


def test_a_network_that_resizes_says_so_where_most_frames_have_its_side(run, clips, tmp_path: Path) -> None:
    code, text, folder = run("fomm?frame_size=512&resize=true", *clips)
    assert code == 0, text
    assert entry(folder)["conventions"]["resize"] == FILTER and entry(folder)["frame_size"] == 512
    assert "resized" in text
