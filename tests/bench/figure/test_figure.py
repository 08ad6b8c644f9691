"""Figures: what they show is what the run has, text is text, files say where they are from, mistakes are refused."""

from __future__ import annotations

import base64
import io
import re
import shutil
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support import fake_run, manifests
from support.figures import drawn, holds
from support.small_networks import small
from support.small_run import PAIRS

from baselines import checkpoints
from reports.figure.grid import Box, error_map, place_insets
from reports.figure.memory import columns_for, mosaic
from reports.schema.manifest import Complete, parse_manifest


def manifest(run: Path) -> Complete:
    found = parse_manifest((run / "manifest.json").read_bytes())
    assert isinstance(found, Complete)
    return found


def samples(run: Path) -> pd.DataFrame:
    return pd.read_parquet(run / "samples.parquet").set_index(["model", "pair"])


def kept(run: Path, folder: str = "fomm") -> list[str]:
    return sorted(file.stem for file in (run / "pictures" / folder).iterdir())


def picture(run: Path, folder: str, pair: str) -> np.ndarray:
    return np.asarray(Image.open(run / "pictures" / folder / f"{pair}.png"))


def texts_of_pdf(file: Path) -> list[str]:
    """The strings that the pages show."""
    found = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", file.read_bytes(), re.DOTALL):
        try:
            content = zlib.decompress(stream)
        except zlib.error:
            continue
        for shown in re.findall(rb"BT(.*?)ET", content, re.DOTALL) if b" Tf" in content else ():
            parts = re.findall(rb"\(((?:[^()\\]|\\.)*)\)", shown, re.DOTALL)
            text = re.sub(rb"\\(.)", rb"\1", b"".join(parts), flags=re.DOTALL)
            found.append(text.decode("utf-16-be" if b"\0" in text else "latin-1"))
    return found


def test_pictures_stand_in_a_grid_pixel_for_pixel(run: Path, bench, tmp_path: Path) -> None:
    pair, other = kept(run)[:2]
    out = tmp_path / "g.png"
    done = bench(
        "figure", run, "--models", "fomm,ostnet", "--pairs", f"{pair},{other}", "--width", "column", "--out", out
    )
    assert done[0] == 0, done
    figure = drawn(out)
    for name in (pair, other):
        for folder in ("_source", "_driving", "fomm", "ostnet", "_target"):
            assert holds(figure, picture(run, folder, name))
    assert not holds(figure, picture(run, "mcnet", pair))
    caption = (tmp_path / "g.png.txt").read_text("utf-8")
    values = samples(run)["l1"]
    assert re.findall(r"^- (\S+):", caption, re.MULTILINE) == [pair, other]
    assert f"FOMM {values['fomm', pair]:.4g}, OSTNet {values['ostnet', pair]:.4g}" in caption
    assert "SAMPLE DATA" in caption and "WEIGHTS" in caption and "again" not in caption
    assert abs(figure.shape[1] / Image.open(out).info["dpi"][0] - 3.25) < 0.01


def test_frames_that_were_not_kept_are_those_that_were_measured(run: Path, bench, tmp_path: Path) -> None:
    pair = next(name for _, name in samples(run).index if name not in kept(run))
    asked = ["--models", "mcnet", "--pairs", pair, "--columns", "prediction,truth,error", "--width", "2"]
    assert bench("figure", run, *asked, "--out", tmp_path / "g.png")[0] == 0
    figure = drawn(tmp_path / "g.png")
    side = 256
    top = next(y for y in range(figure.shape[0]) if (figure[y, :side] != 255).any(1).all())
    gap = (figure.shape[1] - 3 * side) // 2
    frame, truth, error = (figure[top : top + side, k * (side + gap) : k * (side + gap) + side] for k in range(3))
    measured = np.abs(frame.astype(float) - truth).mean() / 255
    assert measured == pytest.approx(samples(run)["l1"]["mcnet", pair], abs=1e-6)
    assert np.array_equal(error, error_map(frame, truth, 0.4))
    assert "again" in (tmp_path / "g.png.txt").read_text("utf-8")


def test_a_row_a_model_leaves_empty_what_a_network_does_not_have(run: Path, bench, tmp_path: Path) -> None:
    columns = "source,driving,rectified,source-keypoints,keypoints,flow,warped,occlusion,memory,prediction"
    asked = ["--rows", "models", "--models", "fomm,mcnet,ostnet", "--columns", columns, "--limit", "1"]
    assert bench("figure", run, *asked, "--out", tmp_path / "g.svg")[0] == 0
    svg = (tmp_path / "g.svg").read_text("utf-8")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {"FOMM", "MCNet", "OSTNet", "Rectified", "Memory", "Result", "Occlusion"} <= set(texts)
    lacking = 2 + 2 + 1  # rectified of two, memory of two, occlusion of OSTNet
    assert texts.count("–") == lacking and svg.count("<image") == 3 * 10 - lacking


def test_a_model_is_named_for_a_column_and_others_are_left_out(run: Path, bench, tmp_path: Path) -> None:
    for columns in ("driving,rectified,models", "driving,rectified:ostnet,models"):
        asked = ["--columns", columns, "--models", "fomm,ostnet", "--limit", "1", "--out", tmp_path / "g.pdf"]
        assert bench("figure", run, *asked, "--label", "ostnet=Ours")[0] == 0
        texts = texts_of_pdf(tmp_path / "g.pdf")
        assert [texts[0], texts[1][:5], *texts[2:]] == ["Driving", "Recti", "FOMM", "Ours"]  # then a ligature


def test_text_is_text_and_files_say_where_they_are_from(run: Path, bench, tmp_path: Path) -> None:
    pair = kept(run)[0]
    asked = ["figure", run, "--models", "fomm", "--pairs", pair, "--out"]
    for ending in ("pdf", "png", "svg"):
        assert bench(*asked, tmp_path / f"g.{ending}")[0] == 0
    fingerprint = manifest(run).fingerprint
    pdf = (tmp_path / "g.pdf").read_bytes()
    assert texts_of_pdf(tmp_path / "g.pdf") == ["Source", "Driving", "FOMM", "Ground truth"]
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf
    said = pdf.replace(b"\\\n", b"").decode("latin-1")
    assert f"fingerprint {fingerprint}" in said and "talking-head-bench" in said and f"--pairs {pair}" in said
    info = Image.open(tmp_path / "g.png").info
    assert fingerprint in info["Source"] and "figure" in info["Command"] and "talking-head-bench" in info["Software"]
    assert pair in info["Description"]
    svg = (tmp_path / "g.svg").read_text("utf-8")
    assert fingerprint in svg and "talking-head-bench" in svg and f"--pairs {pair}" in svg
    image = re.search(r"base64,\s*([A-Za-z0-9+/=\s]+)", svg)[1]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(image))).convert("RGB"))
    original = picture(run, "_source", pair)
    assert np.array_equal(shown, original) or np.array_equal(shown[::-1], original)


def test_the_same_command_gives_the_same_bytes(run: Path, bench, tmp_path: Path) -> None:
    for ending in ("pdf", "svg", "png"):
        made = []
        for _ in range(2):
            out = tmp_path / f"g.{ending}"
            assert bench("figure", run, "--models", "fomm", "--pairs", kept(run)[0], "--out", out)[0] == 0
            made.append(out.read_bytes())
        assert made[0] == made[1]


boxes = st.builds(Box, *(st.integers(0, 200) for _ in "xy"), *(st.integers(8, 56) for _ in "wh"))


@given(st.lists(boxes, min_size=1, max_size=2))
def test_insets_lie_in_corners_of_their_own(found: list[Box]) -> None:
    insets = place_insets(found, 256, 256)
    for box, inset in zip(found, insets):
        assert inset.x in (0, 256 - inset.width) and inset.y in (0, 256 - inset.height)
        assert inset.width % box.width == inset.height % box.height == 0 and inset.width >= 2 * box.width
    covered = np.zeros((256, 256), int)
    for inset in insets:
        covered[inset.y : inset.y + inset.height, inset.x : inset.x + inset.width] += 1
    assert covered.max() == 1


def test_a_box_is_magnified_by_whole_pixels(run: Path, bench, tmp_path: Path) -> None:
    pair = kept(run)[0]
    asked = [
        "--models",
        "fomm",
        "--pairs",
        pair,
        "--zoom",
        "40,60,30,20",
        "--zoom",
        "200,200,16,16",
        "--width",
        "column",
    ]
    assert bench("figure", run, *asked, "--out", tmp_path / "g.png")[0] == 0
    figure, frame = drawn(tmp_path / "g.png"), picture(run, "fomm", pair)
    for box, times in ((frame[60:80, 40:70], 3), (frame[200:216, 200:216], 7)):
        inset = np.repeat(np.repeat(box, times, 0), times, 1)
        assert holds(figure, inset[4:-4, 4:-4])  # its edge is drawn over


@pytest.mark.parametrize("pick", ["best", "worst", "median", "spread"])
def test_pairs_are_picked_by_the_mean_of_the_models(run: Path, bench, tmp_path: Path, pick: str) -> None:
    asked = ["--pick", pick, "--limit", "3", "--models", "fomm,ostnet,copy-source", "--columns", "source"]
    assert bench("figure", run, *asked, "--metric", "l1", "--out", tmp_path / "g.png")[0] == 0
    caption = (tmp_path / "g.png.txt").read_text("utf-8")
    shown = re.findall(r"^- (\S+):", caption, re.MULTILINE)
    means = samples(run)["l1"].unstack("model")[["fomm", "ostnet", "copy-source"]].mean(axis=1).sort_values()
    order = list(means.index)
    expected = {"best": order[:3], "worst": order[: -3 - 1 : -1], "median": order[6:9]}
    if pick == "spread":
        assert [order.index(pair) for pair in shown] == sorted(order.index(pair) for pair in shown)
        parts = np.array_split(np.arange(PAIRS), 3)
        assert all(order.index(pair) in part for pair, part in zip(shown, parts))
    else:
        assert shown == expected[pick]


def test_pairs_that_a_model_failed_are_not_picked(run: Path, bench, tmp_path: Path) -> None:
    asked = ["--pick", "worst", "--limit", str(PAIRS - 1), "--models", "broken", "--columns", "source"]
    assert bench("figure", run, *asked, "--out", tmp_path / "g.png")[0] == 0
    caption = (tmp_path / "g.png.txt").read_text("utf-8")
    assert "0001-a" not in caption and re.search(r"\b1 pair", caption)
    refused = bench("figure", run, "--models", "broken", "--pairs", "0001-a", "--out", tmp_path / "h.png")
    assert (refused[0], refused.error) == (2, "failed-pair")


def test_a_bank_of_512_channels_has_a_place_for_each() -> None:
    bank = np.arange(512)[:, None, None] + np.eye(32)
    columns = columns_for(len(bank))
    made = mosaic(bank, range(512), columns)[..., 0]
    assert columns == 32 and made.shape == (16 * 33 - 1, 32 * 33 - 1)
    tiles = [made[y : y + 32, x : x + 32] for y in range(0, 16 * 33, 33) for x in range(0, 32 * 33, 33)]
    assert len(tiles) == 512 and all(np.array_equal(tile, 255 * np.eye(32)) for tile in tiles)


def test_all_channels_of_a_memory_are_drawn(run: Path, bench, tmp_path: Path) -> None:
    assert bench("figure", run, "--memory", "meta", "--out", tmp_path / "m.png")[0] == 0
    _, network = small("mcnet")
    bank = network.generator.mbUnit.mb[0].detach().float().numpy()
    figure, times = drawn(tmp_path / "m.png"), 1
    plain = mosaic(bank, list(range(len(bank))), 4)
    times = figure.shape[1] // plain.shape[1]
    assert holds(figure, np.repeat(np.repeat(plain, times, 0), times, 1))
    assert bench("figure", run, "--memory", "conditioned", "--channels", "4", "--out", tmp_path / "c.pdf")[0] == 0
    assert sum("level" in text for text in texts_of_pdf(tmp_path / "c.pdf")) == 3


@pytest.mark.parametrize("kind", ["scale", "pose"])
def test_curves_have_the_means_of_their_bins(bench, tmp_path: Path, kind: str) -> None:
    made = fake_run.make(tmp_path / "fake")
    asked = ["--curve", kind, "--bins", "3", "--metrics", "l1,ssim", "--models", "tpsm,copy-source"]
    assert bench("figure", made, *asked, "--out", tmp_path / "c.pdf")[0] == 0
    table = samples(made)
    rows = table.loc["copy-source"]
    hard = (rows["alpha"] * rows["beta"]) ** 0.5 if kind == "scale" else rows["prmse-pnp"]
    order = hard.dropna().sort_values().index
    caption = (tmp_path / "c.pdf.txt").read_text("utf-8")
    for part in np.array_split(np.asarray(order), 3):
        values = table["l1"]["tpsm"][part]
        assert re.search(
            rf"at {hard[part].mean():.4g} {values.mean():.4g} \[\S+ \S+\] \(n {values.count()} of", caption
        )
    assert "copy-source" in texts_of_pdf(tmp_path / "c.pdf")


def test_printed_numbers_need_no_run(run: Path, bench, tmp_path: Path) -> None:
    assert bench("figure", "--published", "psnr-l1", "--out", tmp_path / "p.svg")[0] == 0
    assert re.search(r"\b90 rows\b.*\b90 ", (tmp_path / "p.svg.txt").read_text("utf-8"))
    refused = bench("figure", run, "--published", "psnr-l1", "--out", tmp_path / "q.svg")
    assert (refused[0], refused.error) == (2, "unknown-metric")  # it measured no PSNR


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--columns", "source,cheese"], "unknown-column"),
        (["--columns", "rectified", "--models", "fomm"], "no-picture"),
        (["--columns", "rectified:fomm"], "no-picture"),
        (["--columns", "error:NOBODY"], "unknown-model"),
        (["--columns", "anchor"], "no-picture"),
        (["--columns", "flow", "--models", "copy-source"], "no-network"),
        (["--models", "nobody"], "unknown-model"),
        (["--pairs", "9999"], "unknown-pair"),
        (["--pairs", "0000-a", "--limit", "2"], "conflicting-options"),
        (["--limit", "17"], "too-few-pairs"),
        (["--metric", "ssim"], "unknown-metric"),
        (["--zoom", "1,2,3"], "bad-value"),
        (["--zoom", "0,0,200,20"], "bad-value"),
        (["--zoom", "250,0,20,20"], "box-outside"),
        (["--columns", "source", "--zoom", "0,0,20,20"], "unused-option"),
        (["--width", "wide"], "bad-value"),
        (["--memory", "meta", "--models", "fomm"], "no-picture"),
        (["--memory", "meta", "--channels", "9"], "bad-value"),
        (["--memory", "meta", "--columns", "source"], "unused-option"),
        (["--memory", "meta", "--curve", "scale"], "conflicting-options"),
        (["--curve", "scale", "--bins", "3"], "too-few-pairs"),
        (["--curve", "pose", "--bins", "2"], "no-metric"),
        (["--bins", "3"], "unused-option"),
        (["--label", "fomm"], "bad-value"),
    ],
)
def test_mistakes_are_refused(run: Path, bench, tmp_path: Path, arguments: list[str], code: str) -> None:
    if "--models" not in arguments and not {"--memory", "--curve"} & set(arguments):
        arguments = [*arguments, "--models", "fomm,ostnet"]
    refused = bench("figure", run, *arguments, "--out", tmp_path / "g.png")
    assert (refused[0], refused.error) == (2, code), refused
    assert not (tmp_path / "g.png").exists()


def test_other_endings_and_missing_runs_are_refused(run: Path, bench, tmp_path: Path) -> None:
    for arguments, code in (
        ([run, "--out", "g.jpg"], "unknown-choice"),
        ([run], "missing-option"),
        (["--out", "g.png"], "missing-option"),
        ([tmp_path, "--out", "g.png"], "no-finished-run"),
        ([run, run, "--out", "g.png"], "conflicting-options"),
    ):
        refused = bench("figure", *arguments)
        assert (refused[0], refused.error) == (2, code), arguments


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--label", "fomm=X", "--label", "ostnet=X"], "duplicate-name"),
        (["--label", "fomm=OSTNet"], "duplicate-name"),
        (["--label", "fomm=X", "--label", "mcnet=X"], None),  # which is not shown
    ],
)
def test_no_two_models_of_a_figure_are_called_alike(run: Path, bench, tmp_path: Path, arguments, code) -> None:
    found = bench("figure", run, "--models", "fomm,ostnet", "--limit", "1", *arguments, "--out", tmp_path / "g.png")
    assert (found[0], found.error) == ((2, code) if code else (0, None)), found


def test_a_kept_frame_that_is_not_the_one_that_was_measured_is_refused(run: Path, bench, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "r")
    pair = kept(run)[0]
    shutil.copyfile(run / "pictures" / "ostnet" / f"{pair}.png", tmp_path / "r" / "pictures" / "fomm" / f"{pair}.png")
    asked = ["figure", tmp_path / "r", "--models", "fomm", "--pairs", pair, "--out", tmp_path / "g.png"]
    for command in (asked, ["report", tmp_path / "r"], ["compare", tmp_path / "r", "--html", tmp_path / "c.html"]):
        refused = bench(*command)
        assert (refused[0], refused.error) == (2, "changed-file") and f"pictures/fomm/{pair}.png" in refused[1]
    (tmp_path / "r" / "pictures" / "fomm" / f"{pair}.png").unlink()  # a picture may be removed
    assert bench("report", tmp_path / "r")[0] == 0
    assert bench(*asked)[0] == 0 and "again" in (tmp_path / "g.png.txt").read_text("utf-8")


def test_without_hashes_a_frame_is_checked_by_what_was_measured(run: Path, bench, tmp_path: Path) -> None:
    copy = tmp_path / "r"
    shutil.copytree(run, copy)
    manifests.edit(copy, lambda manifest: manifest.but(pictures_sha256=None))  # as of an earlier release
    pair = kept(run)[0]
    shutil.copyfile(run / "pictures" / "ostnet" / f"{pair}.png", copy / "pictures" / "fomm" / f"{pair}.png")
    for models, ended in (("fomm", (2, "other-run")), ("ostnet", (0, None))):
        found = bench("figure", copy, "--models", models, "--pairs", pair, "--out", tmp_path / f"{models}.png")
        assert (found[0], found.error) == ended


def test_other_weights_are_refused(run: Path, bench, tmp_path: Path) -> None:
    file = run.parent / "mcnet.safetensors"
    before = file.read_bytes()
    config, network = small("mcnet")
    for parameter in network.parameters():
        parameter.data.mul_(1.01)
    try:
        checkpoints.save_sample(file, "mcnet", network, config, {})
        refused = bench("figure", run, "--models", "mcnet", "--columns", "flow", "--out", tmp_path / "g.png")
        assert (refused[0], refused.error) == (2, "wrong-weights")
    finally:
        file.write_bytes(before)


def test_scored_videos_have_only_the_frames_that_were_kept(gray_run: Path, bench, tmp_path: Path) -> None:
    assert bench("figure", gray_run, "--limit", "2", "--out", tmp_path / "g.png")[0] == 0
    refused = bench("figure", gray_run, "--limit", "2", "--columns", "flow", "--out", tmp_path / "h.png")
    assert (refused[0], refused.error) == (2, "missing-frames")
