"""The command line end to end: on the sample set, in custom folders, and with every kind of mistake."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from support.refused import Ended
from typer import Typer

from bench.cli.main import PANELS
from bench.rundir import directory

RUN = ["run", "--protocol", "vox1-diffscale", "--detectors", "embedded"]


@pytest.fixture(autouse=True)
def in_empty_folder(monkeypatch, tmp_path, cache):
    """For the tests that start a process of their own, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALKING_HEAD_BENCH_CACHE", str(cache))


def one_line_error(ended: Ended, error: str | None, *words: str) -> None:
    """words: what matters of the message, such as a file's name."""
    code, text = ended
    assert ended.error == error, text
    assert code == 2, text
    assert "Traceback" not in text
    for word in words:
        assert word in text


def test_names_are_printed_as_they_are(bench, sample_set, tmp_path):
    """Not as pictures or markup of the terminal's library: ``:A:`` and ``[b]`` are names like others."""
    folder = tmp_path / "w:A:[b]"
    folder.mkdir()
    Image.new("RGB", (256, 256), "red").save(folder / "0000.png")
    code, text = bench(
        *("run", "--protocol", "vox1-sameid", "--metrics", "l1", "--limit", 2, "--out", "o:A:[b]"),
        *("--models", f"frames:{folder.name}", "--no-bounds"),
    )
    assert code == 1, text
    assert f"{folder.name}/0001.png" in text and "report: o:A:[b]/" in text


def test_a_run_leaves_everything(bench, sample_set, tmp_path):
    code, text = bench(*RUN, "--models", "copy-source", "--limit", 4, "--name", "first", "--save-frames")
    assert code == 0, text
    assert "SAMPLE SET" in text and "report:" in text
    run = tmp_path / "runs" / "first"
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["state"] == "complete" and manifest["sample_data"]
    assert len(manifest["pairs"]["sha256"]) == 64
    assert all(metric["signature"] for metric in manifest["metrics"])
    samples = pd.read_parquet(run / "samples.parquet")
    assert samples.groupby("model").size().to_dict() == {"copy-source": 4, "copy-target": 4}
    exact = samples[samples["model"] == "copy-target"]
    assert (exact["l1"] == 0).all() and (exact["akd-dlib"] == 0).all()
    assert (exact["ssim"] - 1).abs().max() < 1e-6
    assert (samples[samples["model"] == "copy-source"]["l1"] > 0.01).all()
    assert len(list((run / "frames" / "copy-source").glob("*.png"))) == 4
    page = (run / "report.html").read_text()
    assert "not comparable" in page and "<img" in page
    assert not (run / "work").exists()
    again, text = bench(*RUN, "--models", "copy-source", "--limit", 4, "--name", "first", "--save-frames")
    assert again == 0 and "complete already" in text


def test_numbers_as_published_are_not_subtracted_from_right_ones(bench, sample_set, tmp_path):
    some = [*RUN, "--models", "copy-source", "--limit", 3, "--metrics", "ssim,l1"]
    assert bench(*some, "--name", "right")[0] == 0
    assert bench(*some, "--name", "published", "--as-published")[0] == 0
    manifest = json.loads((tmp_path / "runs" / "published" / "manifest.json").read_text())
    assert [metric["name"] for metric in manifest["metrics"]] == ["ssim-published", "l1"]
    asked = ("compare", "runs/right", "runs/published", "--models", "copy-source,copy-source")
    one_line_error(bench(*asked), "not-comparable", "l1", "uint8-half-even", "uint8-truncated")
    one_line_error(bench(*some, "--metrics", "csim", "--name", "x", "--as-published"), "no-published-form", "csim")


def test_another_run_in_the_same_folder_is_refused(bench, sample_set):
    assert bench(*RUN, "--models", "copy-source", "--limit", 2, "--metrics", "l1", "--name", "x")[0] == 0
    result = bench(*RUN, "--models", "copy-source", "--limit", 3, "--metrics", "l1", "--name", "x")
    one_line_error(result, "other-run", "--name")


def test_the_report_can_be_drawn_again(bench, sample_set, tmp_path):
    bench(*RUN, "--models", "copy-source", "--limit", 2, "--metrics", "l1,psnr", "--name", "x")
    page = tmp_path / "runs" / "x" / "report.html"
    page.unlink()
    assert bench("report", "runs/x")[0] == 0
    assert page.stat().st_size > 10_000
    one_line_error(bench("report", "runs/nothing"), "no-finished-run")
    code, text = bench("report", "runs/x", "--format", "csv")
    assert code == 0 and text.split(",", 3)[:3] == ["model", "metric", "n"] and text.count("copy-source,l1,2,") == 1
    assert bench("report", "runs/x", "--format", "latex", "--out", "table.tex")[0] == 0
    assert r"\begin{tabular}{lrrr}" in (tmp_path / "table.tex").read_text()
    code, text = bench("report", "runs/x", "--format", "csv", "--metrics", "L1")
    assert code == 0 and "copy-source,l1," in text and "psnr" not in text
    one_line_error(bench("report", "runs/x", "--format", "csv", "--metrics", "l1,vmaf"), "unknown-metric", "vmaf")
    one_line_error(bench("report", "runs/x", "--metrics", "l1"), "unused-option", "--metrics")
    one_line_error(bench("report", "runs/x", "--format", "pdf"), "unknown-choice", "html, md, latex, csv")
    one_line_error(bench("report", "runs/nothing", "--format", "md"), "no-finished-run")


@pytest.mark.parametrize("protocol", ["vox1-sameid", "vox1-crossid", "celebv-crossid", "hdtf-crossid", "vox1-seenid"])
def test_every_kind_of_protocol_has_a_sample_form(bench, sample_set, protocol):
    code, text = bench("run", "--protocol", protocol, "--models", "copy-source", "--limit", 2)
    assert code == 0, text


def test_ones_own_videos(bench, sample_set, tmp_path):
    for clip in ("w_tilt", "j_onset"):
        for frame in sorted((sample_set / clip).glob("*.png"))[:4]:
            target = tmp_path / "mine" / clip / frame.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(frame.read_bytes())
    code, text = bench("pairs", "make", "--data", "mine=mine", "--n", 3, "--out", "mine.csv")
    assert code == 0, text
    assert bench("pairs", "show", "mine.csv")[0] == 0
    code, text = bench("pairs", "hash", "mine.csv")
    assert code == 0 and len(text) == 64
    asked = ["--models", "copy-source", "--pairs", "mine.csv", "--metrics", "l1", "--no-bounds"]
    code, text = bench("run", "--protocol", "own-sameid", "--data", "mine=mine", *asked, "--name", "mine")
    assert code == 0, text
    assert "SAMPLE SET" not in text
    assert len(pd.read_parquet("runs/mine/samples.parquet")) == 3
    next((tmp_path / "mine" / "w_tilt").glob("*.png")).unlink()
    for frame in (tmp_path / "mine" / "j_onset").glob("*.png"):
        frame.unlink()
    result = bench("run", "--protocol", "own-sameid", "--data", "mine=mine", *asked, "--name", "gone")
    one_line_error(result, "missing-frames", "mine/")


def test_an_unreadable_frame_fails_its_pairs_and_the_exit_code_says_so(bench, sample_set, tmp_path):
    folder = tmp_path / "mine" / "clip"
    folder.mkdir(parents=True)
    for number, frame in enumerate(sorted((sample_set / "w_tilt").glob("*.png"))[:4]):
        (folder / f"{number:07d}.png").write_bytes(frame.read_bytes())
    bench("pairs", "make", "--data", "mine=mine", "--n", 6, "--out", "mine.csv")
    broken = folder / "0000002.png"
    broken.write_bytes(broken.read_bytes()[:3000])
    asked = ["--models", "copy-source", "--pairs", "mine.csv", "--metrics", "l1", "--no-bounds", "--name", "x"]
    code, text = bench("run", "--protocol", "own-sameid", "--data", "mine=mine", *asked)
    assert code == 1 and "0000002.png" in text and "Traceback" not in text
    samples = pd.read_parquet("runs/x/samples.parquet")
    touched = samples["source"].str.endswith("0000002") | samples["driving"].str.endswith("0000002")
    assert (samples["status"] == "failed").tolist() == touched.tolist()
    assert samples["l1"].isna().tolist() == touched.tolist()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["run", "--protocol", "vox1-difscale", "--models", "copy-source"], "unknown-protocol", ["vox1-diffscale"]),
        ([*RUN, "--models", "mcnett"], "unknown-model", ["mcnet"]),
        ([*RUN, "--models", "copy-source", "--metrics", "simm"], "unknown-metric", ["ssim"]),
        ([*RUN, "--models", "copy-source", "--data", "vox1"], "bad-value", ["NAME=PATH"]),
        ([*RUN, "--models", "copy-source", "--data", "vox1=/nowhere"], "missing-folder", ["/nowhere"]),
        (
            [*RUN, "--models", "copy-source", "--data", "vox=/nowhere"],
            "missing-data",
            ["vox1", "configured: vox=/nowhere", "--data sample"],
        ),
        (
            [*RUN, "--models", "copy-source", "--data", "mine=."],
            "missing-data",
            ["vox1", "configured: mine=.", "own-diffscale"],
        ),
        (
            [*RUN, "--models", "copy-source", "--data", "sample", "--data", "vox1=."],
            "unused-option",
            ["--data vox1", "vox1-diffscale"],
        ),
        (
            ["run", "--table", "mcnet-1a", "--dry-run", "--data", "vox=."],
            "unused-option",
            ["--data vox=", "vox1"],
        ),
        ([*RUN, "--models", "copy-source", "--require-data"], "missing-data", ["vox1"]),
        ([*RUN, "--models", "copy-source", "--device", "cuda:77"], "no-such-device", ["cuda:77"]),
        ([*RUN, "--models", "copy-source", "--mode", "sideways"], "unknown-choice", ["sideways", "absolute"]),
        ([*RUN, "--models", "copy-source", "--weights", "/nowhere"], "missing-folder", ["/nowhere"]),
        ([*RUN, "--models", "copy-source,copy-source"], "duplicate-name", ["LABEL=SPEC"]),
        ([*RUN, "--models", "frames:/nowhere"], "missing-folder", ["/nowhere"]),
        ([*RUN, "--models", ""], "missing-option", ["model"]),
        (
            ["run", "--protocol", "vox1-sameid", "--models", "copy-source", "--detectors", "best"],
            "unknown-choice",
            ["paper, embedded"],
        ),
        (["list", "things"], "unknown-choice", ["things", "models", "protocols", "metrics", "datasets"]),
        (["pairs", "show", "nothing.csv"], "unreadable-file", ["nothing.csv"]),
        (["pairs", "make", "--data", "x", "--out", "y.csv"], "bad-value", ["NAME=PATH"]),
        (["verify", "nowhere"], "missing-file", ["nowhere"]),
        (["run", "--protocol"], None, []),
        (["frobnicate"], None, []),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(bench, sample_set, arguments, error, words):
    one_line_error(bench(*arguments), error, *words)


@pytest.mark.parametrize("what", ["models", "protocols", "metrics"])
def test_lists(bench, what):
    code, text = bench("list", what)
    assert code == 0
    assert {"models": "mcnet", "protocols": "vox1-diffscale", "metrics": "ssim-published"}[what] in text


def test_doctor(bench):
    code, text = bench("doctor")
    assert code == 0
    assert "2DFAN4-11f355bf06.pth.tar" in text and "openface.pth" in text


def test_frames_made_elsewhere(bench, sample_set, tmp_path):
    bench(*RUN, "--models", "copy-source", "--limit", 3, "--metrics", "l1", "--name", "a", "--save-frames")
    frames = tmp_path / "runs" / "a" / "frames" / "copy-source"
    asked = ["--limit", 3, "--metrics", "l1", "--no-bounds"]
    code, text = bench(*RUN, "--models", f"mine=frames:{frames}", *asked, "--name", "b")
    assert code == 0, text
    a, b = (pd.read_parquet(f"runs/{name}/samples.parquet") for name in "ab")
    assert a[a["model"] == "copy-source"]["l1"].tolist() == b["l1"].tolist()
    Image.new("RGB", (64, 64)).save(next(frames.glob("*.png")))
    one_line_error(bench(*RUN, "--models", f"mine=frames:{frames}", *asked, "--name", "c"), "frame-size", "64")


def test_the_module_can_be_run(sample_set, tmp_path):
    """In a process of its own, for what only shows there: start-up, exit code, nothing on the error stream."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", *RUN, "--models", "copy-source", "--limit", "2", "--metrics", "l1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1].startswith("report: ")


def test_a_full_disk_stops_cleanly_and_the_run_goes_on(bench, sample_set, monkeypatch):
    asked = [*RUN, "--models", "copy-source", "--limit", 20, "--metrics", "l1", "--no-bounds", "--name", "x"]
    replace, shards = directory.replace, []

    def full(file, content):
        shards.extend([file] if file.suffix == ".parquet" else [])
        if len(shards) == 2 and file.suffix == ".parquet":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(file, content)

    with monkeypatch.context() as patched:
        patched.setattr(directory, "replace", full)
        code, text = bench(*asked)
    assert code == 1 and os.strerror(errno.ENOSPC) in text and "Traceback" not in text
    assert json.loads(Path("runs/x/manifest.json").read_text())["state"] == "interrupted"
    code, text = bench(*asked)
    assert code == 0, text
    assert bench(*asked[:-1], "whole")[0] == 0
    resumed, whole = (Path(f"runs/{name}/samples.parquet").read_bytes() for name in ("x", "whole"))
    assert resumed == whole


def test_a_folder_that_cannot_be_written(bench, sample_set, tmp_path):
    (tmp_path / "file").write_text("")
    result = bench(*RUN, "--models", "copy-source", "--metrics", "l1", "--limit", 2, "--out", "file")
    one_line_error(result, "unwritable-folder", "file")


def test_ctrl_c_keeps_what_is_finished(sample_set, tmp_path):
    command = [sys.executable, "-m", "bench", *RUN, "--models", "copy-source", "--metrics", "lpips", "--no-bounds"]
    command += ["--limit", "60", "--batch-size", "2", "--name", "x"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    shards = tmp_path / "runs" / "x" / "work" / "copy-source"
    deadline = time.monotonic() + 100
    while not any(shards.glob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "Traceback" not in printed and "to resume" in " ".join(printed.split())
    kept = len(list(shards.glob("*.parquet")))
    assert 0 < kept < 30
    assert json.loads((tmp_path / "runs" / "x" / "manifest.json").read_text())["state"] == "interrupted"


@pytest.mark.parametrize(
    "asked",
    [
        ["bogus"],
        ["run", "--bogus"],
        ["run", "--limit", 0],
        ["run", "--seed", "x"],
        ["run", "extra"],
        ["verify"],
        ["weights", "nope"],
        ["compare", "x", "--resamples", 10**13],
        ["run", *RUN[1:], "--models", "copy-source", "--device", "meta"],
        ["run", *RUN[1:], "--models", "copy-source", "--device", "hpu"],
        ["run", *RUN[1:], "--models", "fomm?weights=a&weights=b"],
        ["animate", "--model", "fomm", "--source", "x", "--driving", "x", "--anchor-frame", "9" * 5000],
        ["inspect", "--model", "fomm", "--out", __file__],
        ["speed", "--out", "."],
        ["speed", "--out", "nowhere/speed.md"],
    ],
    ids=lambda asked: " ".join(map(str, asked))[:40],
)
def test_a_wrong_option_is_one_line(bench, asked):
    code, text = bench(*asked)
    assert code == 2 and len(text.splitlines()) == 1 and text.startswith("error: "), text


def test_help_and_names_come_without_torch():
    """Who only asks for help or for names, or mistypes an option, does not wait for it."""
    commands = {name: command for panel in PANELS.values() for name, command in panel.items()}
    helps = [f"{name} --help" for name in commands] + [
        f"{name} {sub.name or sub.callback.__name__} --help"
        for name, app in commands.items()
        if isinstance(app, Typer)
        for sub in app.registered_commands
    ]
    assert len(helps) > len(commands) > 20
    asked = {"": 2, "run --bogus": 2} | dict.fromkeys(["--help", *helps], 0)
    asked |= dict.fromkeys(["list models", "list protocols", "list datasets"], 0)
    code = (
        "import json, sys\n"
        "from bench.cli import main as cli\n"
        "for asked in json.loads(sys.argv[1]):\n"
        "    sys.argv = ['bench', *asked.split()]\n"
        "    try: cli.main()\n"
        "    except SystemExit as ended:\n"
        "        print(f'{asked}: {ended.code}, torch {\"torch\" in sys.modules}', file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, json.dumps(list(asked))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.splitlines() if ", torch " in line]
    assert told == [f"{one}: {ended}, torch False" for one, ended in asked.items()], done.stderr
    assert done.stdout.count("Usage") == len(helps) + 2
