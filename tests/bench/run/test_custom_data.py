"""Custom data on the command line: protocols, titles and sizes of their own, and lists that a person writes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.refused import Ended

from bench.run import earlier
from bench.run.command import COMPLETE
from protocols.pairs import FrameRef, Pair, PairList


def one_line_error(result: Ended, code: str, *values: str) -> None:
    """The command ended with this error for the user; `values`, such as a file's name, stand in its message."""
    status, text = result
    assert status == 2 and result.error == code, (result.error, text)
    assert "Traceback" not in text
    for value in values:
        assert value in text


@pytest.fixture(scope="module")
def videos(sample_set, tmp_path_factory) -> Path:
    """Two people's videos of eight frames, 96 x 80, and a photo of the second one."""
    root = tmp_path_factory.mktemp("videos")
    for name, clip in (("anna/a talk #1.mp4", "w_tilt"), ("jo.mp4", "j_onset")):
        (root / name).parent.mkdir(exist_ok=True)
        with av.open(str(root / name), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 96, 80, "yuv420p"
            for file in sorted((sample_set / clip).glob("*.png"))[:8]:
                picture = np.asarray(Image.open(file).convert("RGB").resize((96, 80)))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
            container.mux(stream.encode())
    Image.open(next((sample_set / "j_onset").glob("*.png"))).resize((80, 80)).save(root / "photo.png")
    (root / "identities.csv").write_text("jo.mp4,jo\nphoto.png,jo\n")
    return root


def test_custom_videos_are_measured_under_their_own_name(bench, videos, tmp_path):
    asked = [
        "run",
        "--protocol",
        "own-sameid",
        "--data",
        f"mine={videos}",
        "--models",
        "copy-source",
        "--metrics",
        "l1",
    ]
    for size, expected in (("256", "256x256"), ("native", "96x80")):
        code, text = bench(*asked, "--size", size, "--name", size, "--save-frames", "--limit", 6)
        assert code == 0, text
        assert "112 pairs" in text and "fewer than" in text and "SAMPLE SET" not in text
        manifest = json.loads((tmp_path / "runs" / size / "manifest.json").read_text())
        assert manifest["protocol"]["frame_size"] == expected and manifest["protocol"]["dataset"] == "mine"
        frame = next((tmp_path / "runs" / size / "frames" / "copy-source").glob("*.png"))
        assert "{}x{}".format(*Image.open(frame).size) == expected
        page = (tmp_path / "runs" / size / "report.html").read_text()
        assert "<h1>mine: same identity</h1>" in page and "VoxCeleb" not in page
    samples = pd.read_parquet("runs/native/samples.parquet")
    assert (samples.query("model == 'copy-target'")["l1"] == 0).all()
    assert (samples.query("model == 'copy-source'")["l1"] > 0).all()
    assert bench("run", *asked[1:], "--limit", 6)[0] == 0  # 256 is the default
    folder = next((tmp_path / "runs").glob("own-sameid-*"))
    fingerprints = [
        json.loads((run / "manifest.json").read_text())["fingerprint"] for run in (folder, Path("runs/256"))
    ]
    assert fingerprints[0] == fingerprints[1]
    one_line_error(
        bench(*asked, "--size", "native", "--limit", 6, "--name", "256"), "other-run", "runs/256", "protocol"
    )
    compared = bench("compare", "runs/256", "runs/native", "--models", "copy-source,copy-source")
    one_line_error(compared, "not-comparable", "frame_size", "256x256", "96x80")
    asked[2], asked[-1] = "own-crossid", "prmse"
    refused = bench(*asked, "--size", "native")
    one_line_error(refused, "frame-sizes-differ", "2 sizes", "16 of 96x80", "1 of 80x80", "mine/photo.png")
    code, text = bench("pairs", "make", "--protocol", "own-crossid", "--data", f"mine={videos}", "--out", "list.csv")
    assert code == 0 and "136 pairs" in text, text  # 8 driving frames of each, 8 frames of the other or 8 and the photo
    refused = bench("pairs", "make", "--protocol", "vox1-crossid", "--data", f"mine={videos}", "--out", "x")
    one_line_error(refused, "missing-data", "own-crossid")


def test_a_list_written_by_hand(bench, videos, tmp_path, monkeypatch):
    data = ["--data", f"mine={videos}"]
    Path("list.csv").write_text("source,driving\nanna/a talk #1.mp4,anna/a talk #1.mp4\njo.mp4/7,jo.mp4/0\n")
    one_line_error(
        bench("pairs", "import", "list.csv", "--out", "frozen.csv"), "missing-data", "list.csv", "--data NAME=PATH"
    )
    one_line_error(bench("pairs", "show", "list.csv"), "unknown-dataset", "list.csv", "--data NAME=PATH")
    code, text = bench("pairs", "import", "list.csv", *data, "--out", "frozen.csv")
    assert code == 0 and "9 pairs written" in text, text
    code, text = bench("pairs", "hash", "frozen.csv")
    run = [
        "run",
        "--protocol",
        "own-sameid",
        *data,
        "--models",
        "copy-source",
        "--metrics",
        "l1",
        "--no-bounds",
        "--name",
    ]
    for name, pairs in (("a", "list.csv"), ("b", "frozen.csv")):
        assert bench(*run, name, "--pairs", pairs)[0] == 0
        manifest = json.loads((tmp_path / "runs" / name / "manifest.json").read_text())
        assert manifest["pairs"]["sha256"] == text
    samples = pd.read_parquet("runs/a/samples.parquet").sort_values("pair")
    first = "mine/anna/a talk #1.mp4/0000000"
    assert samples["source"].tolist() == [first] * 8 + ["mine/jo.mp4/0000007"]
    assert samples["driving"].tolist() == [f"{first[:-1]}{n}" for n in range(8)] + ["mine/jo.mp4/0000000"]
    assert (samples["l1"] == 0).tolist() == [True] + [False] * 8  # the first frame is its own copy
    Path("list.csv").write_text("source,driving\njo.mp4/7,anna/a talk.mp4/0\n")
    one_line_error(bench(*run, "c", "--pairs", "list.csv"), "unknown-frame", "list.csv, line 2", "anna/a talk #1.mp4?")
    one_line_error(bench("pairs", "import", "list.csv", *data, "--out", "x"), "unknown-frame", "list.csv, line 2")
    official = "source,driving\nid10001#a#1#2.mp4/0000000.png,id10001#a#1#2.mp4/0000001.png\n"
    Path("vox.csv").write_text(official)
    assert bench("pairs", "import", "vox.csv", "--out", "x")[0] == 0
    (tmp_path / "vox" / "test" / "id10001#a#1#2.mp4").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "vox" / "test" / "id10001#a#1#2.mp4" / "0000000.png")
    result = bench("pairs", "import", "vox.csv", "--data", "vox1=vox", "--out", "x")
    one_line_error(result, "missing-frames", "1 of 2", "0000001")


@pytest.mark.parametrize("columns", ["20", "80", "400"])
def test_names_are_shown_in_full(bench, videos, tmp_path, monkeypatch, columns):
    """However narrow the terminal, and in a pipe."""
    clip = "/".join(["a" * 90, "b c #[1]" * 20, "d" * 100 + ".mp4"])
    ref = FrameRef("mine", clip, "0000013")
    PairList("long", 1, (Pair("0", ref, ref, ref, None, "x" * 200, "y"),)).write(tmp_path / "long.csv")
    shown = subprocess.run(
        [sys.executable, "-m", "bench", "pairs", "show", "long.csv"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": columns},
        check=True,
    )
    assert f"source    {ref}" in shown.stdout.splitlines()
    assert f"identity  {'x' * 200} / y" in shown.stdout.splitlines()


def test_other_frames_under_the_same_names_are_another_run(bench, videos, tmp_path):
    """A folder's name says nothing of what is in it; a copy elsewhere is the same data."""
    run = ["run", "--protocol", "own-sameid", "--models", "copy-source", "--metrics", "l1", "--no-bounds", "--data"]
    for name, reverse in (("a", False), ("b", True)):
        (tmp_path / name / "clip").mkdir(parents=True)
        for number in range(3):
            color = (90 * (number**2 if reverse else number) % 256, 60, 60)
            Image.new("RGB", (256, 256), color).save(tmp_path / name / "clip" / f"{number}.png")
    assert bench(*run, "mine=a")[0] == bench(*run, "mine=b")[0] == 0
    folders = sorted((tmp_path / "runs").iterdir())
    assert len(folders) == 2
    means = {pd.read_parquet(folder / "samples.parquet")["l1"].mean() for folder in folders}
    assert len(means) == 2
    shutil.copytree(tmp_path / "a", tmp_path / "elsewhere")
    measured = {folder: (folder / "samples.parquet").stat().st_mtime_ns for folder in folders}
    code, text = bench(*run, "mine=elsewhere")
    assert code == 0 and any(COMPLETE.format(folder.relative_to(tmp_path)) in text for folder in folders)
    assert {folder: (folder / "samples.parquet").stat().st_mtime_ns for folder in folders} == measured
    assert sorted((tmp_path / "runs").iterdir()) == folders
    assert bench(*run, "mine=a", "--name", "x")[0] == 0
    one_line_error(bench(*run, "mine=b", "--name", "x"), "other-run", earlier.PARTS["data"])
    code, text = bench("compare", *folders, "--models", "copy-source,copy-source", "--json", "c.json")
    assert code == 0, text
    (change,) = [line for line in json.loads(Path("c.json").read_text())["changes"] if line.startswith("data:")]
    assert "mine/clip" in change and "DIFFER" in change and change in text
