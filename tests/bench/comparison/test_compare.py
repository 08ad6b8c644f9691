"""Two runs beside each other: what is subtracted, on which pairs, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats
from support import manifests
from support.fake_run import make
from support.manifests import manifest_of, summary_of
from support.refused import refused

from bench.comparison.compare import compare
from bench.comparison.difficulty import ASPECT, SIZE, levels, measure_name
from bench.comparison.videos import UNKNOWN
from bench.run import same_frames
from bench.runtime.errors import UserError
from bench.stats.summary import summarize
from reports.comparison.view import head
from reports.schema.comparison import Compared, RunComparison
from reports.schema.manifest import ClipsEntry, Complete, Crop, Seeds

N = 500


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("runs") / "old")


@pytest.fixture
def other(run: Path, tmp_path: Path) -> Path:
    """The same run under another name, to be changed."""
    return Path(shutil.copytree(run, tmp_path / "new"))


def change(run: Path, *, manifest=None, samples=None) -> None:
    """Apply functions to a run's manifest and samples."""
    if manifest:
        manifests.edit(run, lambda before: manifest(before.but(name=run.name)))
    if samples:
        samples(pd.read_parquet(run / "samples.parquet")).to_parquet(run / "samples.parquet", index=False)


def signed(manifest: Complete, names: set[str], old: str, new: str) -> Complete:
    """The manifest with a part of some metrics' signatures exchanged."""
    return manifest.but(
        metrics=tuple(
            metric.but(signature=metric.signature.replace(old, new)) if metric.name in names else metric
            for metric in manifest.metrics
        )
    )


def entry(result: RunComparison, metric: str, duel: int = 0) -> Compared:
    return next(found for found in result.duels[duel].comparisons if found.metric == metric)


def test_models_of_one_run_are_compared_as_in_its_summary(run: Path) -> None:
    result = compare(run, None, ["mcnet", "tpsm"], n_resamples=N)
    samples = pd.read_parquet(run / "samples.parquet")
    two = samples[samples["model"].isin(("mcnet", "tpsm"))]
    l1 = [metric for metric in manifest_of(run).metrics if metric.name == "l1"]
    (expected,) = summarize(two, l1, seed=0, n_resamples=N).comparisons
    found = entry(result, "l1")
    for key in ("n", "difference", "win_rate", "effect_size", "ci_pair_low"):
        assert getattr(found, key) == pytest.approx(getattr(expected, key)), key
    assert found.mean_a - found.mean_b == pytest.approx(found.difference)
    assert found.ci_low < found.difference < found.ci_high
    assert found.failed_a == 2 and found.failed_b == 0


SAME = ("n", "difference", "ci_low", "ci_high", "ci_pair_low", "win_rate", "effect_size")
CHANCES = ("p", "p_pair", "p_smallest", "p_holm", "family")


@pytest.mark.parametrize("models", [None, ["mcnet", "tpsm"], ["tpsm", "mcnet"], ["mcnet", "copy-source"]])
@pytest.mark.parametrize("reference", ["same-identity", "cross-identity"])
def test_the_report_and_a_comparison_of_the_same_models_have_the_same_numbers(tmp_path, reference, models) -> None:
    run = make(tmp_path / "run", reference=reference, pairs=60, metrics=("l1", "prmse-pnp"))
    result = compare(run, None, models, n_resamples=N)
    summary = summary_of(run)
    assert result.seed == summary.seed and result.family == "run"
    assert not any("by chance" in notice for notice in result.notices)
    (duel,) = result.duels
    for found in duel.comparisons:
        (drawn,) = (
            entry
            for entry in summary.comparisons
            if entry.metric == found.metric and {entry.a, entry.b} == {duel.a, duel.b}
        )
        for key in CHANCES:
            assert getattr(found, key) == pytest.approx(getattr(drawn, key), rel=1e-9), key
        if duel.a == drawn.a:
            assert [getattr(found, key) for key in SAME] == pytest.approx(
                [getattr(drawn, key) for key in SAME], rel=1e-9
            )
        else:
            turned = [drawn.n, *(-getattr(drawn, key) for key in ("difference", "ci_high", "ci_low", "ci_pair_high"))]
            turned += [1 - drawn.win_rate, -drawn.effect_size]
            assert [getattr(found, key) for key in SAME] == pytest.approx(turned, rel=1e-9)


def test_runs_of_whole_clips_are_compared_clip_by_clip(run: Path, other: Path) -> None:
    change(other, manifest=lambda before: before.but(clips=ClipsEntry(frames=9, sound="truth")))
    for folder, unit in ((run, "pair"), (other, "clip")):
        result = compare(folder, None, ["mcnet", "tpsm"], n_resamples=N)
        assert result.unit == unit
        assert head(result)[0].endswith(f" {result.pairs.common} common {unit}s")


def test_where_numbers_differ_from_the_report_it_is_said(run: Path, other: Path) -> None:
    notices = compare(run, n_resamples=N, seed=3).notices
    summary = summary_of(run)
    assert [one for one in notices if f"seed {summary.seed} " in one and f" {summary.n_resamples} " in one], notices
    assert compare(run, other, n_resamples=N).family == "these"
    target = compare(run, None, ["mcnet", "copy-target"], n_resamples=N)
    assert target.family == "these" and target.duels[0].comparisons[0].family == 1
    earlier = json.loads((other / "summary.json").read_text())
    for found in earlier["comparisons"]:
        del found["family"]
    (other / "summary.json").write_text(json.dumps(earlier))
    (notice,) = [notice for notice in compare(other, n_resamples=N).notices if "earlier" in notice]
    assert "seed" not in notice


def test_the_seed_is_the_runs_own(other: Path) -> None:
    change(other, manifest=lambda manifest: manifest.but(seeds=Seeds(run=7)))
    assert compare(other, n_resamples=N).seed == 7


def test_the_effect_is_that_of_a_paired_t_test(run: Path) -> None:
    found = entry(compare(run, n_resamples=N), "psnr")
    table = pd.read_parquet(run / "samples.parquet").pivot(index="pair", columns="model", values="psnr")
    table = table[["mcnet", "tpsm"]].dropna()
    t = stats.ttest_rel(table["mcnet"], table["tpsm"]).statistic
    assert found.effect_size * np.sqrt(found.n) == pytest.approx(t)


def test_two_versions_differ_by_what_was_added(run: Path, other: Path) -> None:
    def worse(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[rows["model"] == "mcnet", "l1"] += 0.01
        return rows

    def newer(manifest: Complete) -> Complete:
        models = (manifest.models[0].but(sha256="d" * 64), *manifest.models[1:])
        return manifest.but(versions=manifest.versions | {"torch": "2.14.0"}, models=models)

    change(other, manifest=newer, samples=worse)
    result = compare(run, other, n_resamples=N)
    assert [(duel.a, duel.b) for duel in result.duels] == [("mcnet", "mcnet"), ("tpsm", "tpsm")]
    found = entry(result, "l1")
    assert found.difference == pytest.approx(-0.01)
    assert found.ci_low == pytest.approx(-0.01) and found.ci_high == pytest.approx(-0.01)
    assert found.win_rate == 1.0 and found.better == "a"
    assert entry(result, "ssim").difference == 0
    assert entry(result, "l1", duel=1).difference == 0
    assert "versions torch: 2.13.0 and 2.14.0" in result.changes
    assert any("sha256" in line for line in result.duels[0].changes)
    assert result.duels[0].label_b == "mcnet (new)"
    assert not any("bound" in notice for notice in result.notices)


def test_p_values_are_adjusted_over_the_models(run: Path, other: Path) -> None:
    result = compare(run, other, n_resamples=N)
    raw = [duel.comparisons[0].p for duel in result.duels]
    adjusted = [duel.comparisons[0].p_holm for duel in result.duels]
    assert min(adjusted) == pytest.approx(min(1, 2 * min(raw)))


def test_other_signatures_are_refused_and_the_part_is_named(run: Path, other: Path) -> None:
    def redefined(manifest: Complete) -> Complete:
        return signed(manifest, {"ssim", "psnr"}, "range:1", "range:2")

    change(other, manifest=redefined)
    result = compare(run, other, n_resamples=N)
    refused = {line.metric: line.why for line in result.refused}
    assert refused.keys() == {"ssim", "psnr"} and all(why.endswith("range: 1 and 2") for why in refused.values())
    assert {found.metric for found in result.duels[0].comparisons}.isdisjoint(refused)
    assert "ssim" not in result.duels[0].differences


def test_nothing_left_to_subtract_is_an_error(run: Path, other: Path) -> None:
    def redefined(manifest: Complete) -> Complete:
        return signed(manifest, {metric.name for metric in manifest.metrics}, "|v:1|", "|v:2|")

    change(other, manifest=redefined)
    with refused(UserError, "not-comparable"):
        compare(run, other, n_resamples=N)


def test_only_common_pairs_count_whatever_their_ids(run: Path, other: Path) -> None:
    def shorter(rows: pd.DataFrame) -> pd.DataFrame:
        rows = rows[rows["pair"] >= "00030"].copy()
        rows["pair"] = [f"{99999 - int(pair):05d}" for pair in rows["pair"]]
        return rows

    change(other, samples=shorter)
    result = compare(run, other, n_resamples=N)
    assert result.pairs.content() == {"common": 60, "a": 90, "b": 60, "subset": True}
    assert entry(result, "l1").difference == 0  # the right pairs stand beside each other
    assert entry(result, "l1").n == 60


def test_a_bound_that_moved_casts_doubt_on_everything(run: Path, other: Path) -> None:
    def decoded(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[rows["model"] == "copy-source", "l1"] += 0.002
        return rows

    change(other, samples=decoded)
    notices = compare(run, other, n_resamples=N).notices
    assert any("copy-source" in notice and "0.002" in notice and "l1" in notice for notice in notices)


@pytest.mark.parametrize(
    ("models", "code", "values"),
    [
        (["mcnet"], "bad-value", ["--models mcnet:"]),
        (["mcnet", "fomm"], "unknown-model", ["--models fomm:", "old", "mcnet, tpsm"]),
        (["mcnet", "mcnet"], "bad-value", ["--models mcnet,mcnet:"]),
    ],
)
def test_models_that_are_not_there(run: Path, models: list[str], code: str, values: list[str]) -> None:
    with refused(UserError, code, *values):
        compare(run, None, models)


def test_runs_that_cannot_be_compared(run: Path, other: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        compare(run, tmp_path / "nowhere")
    assert error.value.code == "no-finished-run"
    change(other, manifest=lambda manifest: manifest.but(protocol=manifest.protocol.but(transform="none")))
    with refused(UserError, "not-comparable"):
        compare(run, other)
    strangers = make(tmp_path / "strangers", clip="elsewhere", metrics=("l1",))
    with refused(UserError, "not-comparable"):
        compare(run, strangers)


def test_groups_cover_all_pairs_and_average_to_the_whole(run: Path) -> None:
    duel = compare(run, None, ["mcnet", "tpsm"], n_resamples=N).duels[0]
    whole = next(found for found in duel.comparisons if found.metric == "l1")
    by_grouping: dict[str, list[dict]] = {}
    for group in duel.groups:
        if group.metric == "l1":
            by_grouping.setdefault(group.grouping, []).append(group)
    metrics = {metric.name: metric for metric in manifest_of(run).metrics}
    pose, landmarks, pixels = (measure_name(metrics[name]) for name in ("prmse-pnp", "akd-dlib", "l1"))
    assert set(by_grouping) == {"identity", ASPECT, SIZE, pose, landmarks, pixels}
    for name in ("identity", pixels):
        groups = by_grouping[name]
        assert sum(group.n for group in groups) == whole.n
        mean = sum(group.n * group.difference for group in groups) / whole.n
        assert mean == pytest.approx(whole.difference)
        assert all(group.ci_low <= group.difference <= group.ci_high for group in groups)


def test_a_model_that_fails_at_large_motion_is_found_out(run: Path, other: Path) -> None:
    def breaks(rows: pd.DataFrame) -> pd.DataFrame:
        motion = rows[rows["model"] == "copy-source"].set_index("pair")["l1"]
        own = rows["model"] == "mcnet"
        hard = rows["pair"].map(motion) > motion.quantile(2 / 3)
        rows.loc[own & hard, "ssim"] -= 0.2
        return rows

    change(other, samples=breaks)
    duel = compare(run, other, ["mcnet", "mcnet"], n_resamples=N).duels[0]
    found = [g for g in duel.groups if g.metric == "ssim" and g.grouping.startswith("change of pixels")]
    assert [round(group.difference, 2) for group in found] == [0, 0, 0.2]
    assert found[2].win_rate == 1
    rho = next(t.rho for t in duel.trends if t.metric == "ssim" and t.measure.startswith("change of pix"))
    assert rho > 0.7


def test_cross_identity_pairs_have_two_sides(tmp_path: Path) -> None:
    run = make(tmp_path / "cross", reference="cross-identity", pairs=36)
    groups = compare(run, n_resamples=N).duels[0].groups
    assert {"source identity", "driving identity"} <= {group.grouping for group in groups}


def test_thirds_of_a_measure() -> None:
    thirds = levels(pd.Series([3.0, np.nan, 1.0, 2.0, 9.0, 8.0, 7.0]))
    assert thirds.isna().sum() == 1
    assert thirds.dropna().str.split(" ").str[0].tolist() == ["middle", "low", "low", "high", "high", "middle"]


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from bench.cli.main import app

    run, other = (make(tmp_path / name, metrics=("ssim", "ssim-published", "l1")) for name in ("old", "new"))
    page, numbers = tmp_path / "page.html", tmp_path / "numbers.json"
    change(other, manifest=lambda manifest: signed(manifest, {"ssim"}, "|v:1|", "|v:9|"))
    asked = ["compare", str(run), str(other), "--html", str(page), "--json", str(numbers), "--resamples", "200"]
    asked += ["--models", "mcnet,mcnet"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    found = json.loads(numbers.read_text())
    (duel,), (refusal,) = found["duels"], found["refused"]
    text = page.read_text()
    for shown in (done.output, text):
        assert f"A {duel['label_a']}, B {duel['label_b']}" in re.sub("<[^>]*>", "", shown)
        assert f"{refusal['metric']}: {refusal['why']}" in " ".join(shown.split()) and refusal["metric"] == "ssim"
    assert (duel["label_a"], duel["label_b"]) == ("mcnet (old)", "mcnet (new)")
    assert "<svg" not in text and text.count('class="constant') > 5  # the same numbers: no plot of zeros
    assert {entry["p_holm"] for entry in duel["comparisons"]} == {1.0}  # the same numbers: neither is better
    assert done.output.count("tie ") >= len(duel["comparisons"]) and "better" not in done.output
    signature = json.loads(numbers.read_text())["metrics"][0]["short"]
    assert signature in text and re.fullmatch(r"ssim-published\|v:1\|#\w{8}", signature)
    change(other, samples=lambda rows: rows.assign(l1=rows["l1"] * np.linspace(0.5, 1.2, len(rows))))
    assert CliRunner().invoke(app, asked).exit_code == 0
    assert len(re.findall("<svg", page.read_text())) == 1 + len({entry["grouping"] for entry in duel["groups"]})


FACE, FRAMED = "face 42,82,264,304 of 640x360, face in 9 of 9", "framed 140,0,500,360 of 640x360, face in 9 of 9"
UNLESS = "face unless framed"
WHOLE = "framed 0,0,360,360 of 360x360, face in 9 of 9"


def cropped(mode: str, cut: str | None = None) -> dict[str, Crop]:
    return {"w": Crop(mode=mode, clips={"p.mp4": cut} if cut else {})}


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        (cropped("face", FACE), cropped("face", FACE.replace("9 of 9", "8 of 9")), True),
        (cropped("face", FACE), cropped("face", FACE.replace("42", "43")), False),
        (cropped("face", FACE), cropped("center"), False),
        (cropped("face", FACE), cropped("none"), False),
        (cropped(UNLESS, FRAMED), cropped("center"), True),
        (cropped(UNLESS, FRAMED), cropped("none"), False),
        (cropped(UNLESS, WHOLE), cropped("none"), True),
        (cropped(UNLESS, WHOLE), cropped(UNLESS, FRAMED), False),
        (cropped("center"), cropped("none"), None),  # the same where frames are square
        (cropped(UNLESS), cropped("center"), None),  # no frame could be read
        (cropped("face", FACE), {}, None),  # an earlier release
        ({}, {}, True),
    ],
)
def test_clips_that_were_cut_differently(ours: dict[str, Crop], theirs: dict[str, Crop], same: bool | None) -> None:
    for one, two in ((ours, theirs), (theirs, ours)):
        other, unknown = same_frames.cuts(one, two, ["w/p.mp4"])
        assert (len(other), len(unknown)) == {True: (0, 0), False: (1, 0), None: (0, 1)}[same]


def test_clips_whose_files_differ() -> None:
    asked = {"w/a": ({"w/a/0"}, {"w/a/0"}), "w/b.mp4": ({"w/b.mp4/0"}, {"w/b.mp4/1"})}
    first = {"w/a": "some 1", "w/b.mp4": "2"}
    assert same_frames.contents(first, first, asked) == ([], [])
    second = {"w/a": "some 3", "w/b.mp4": "4"}
    assert same_frames.contents(first, second, asked) == (["w/a", "w/b.mp4"], [])
    more = asked | {"w/a": ({"w/a/0"}, {"w/a/0", "w/a/1"})}  # a folder's hash is of other frames
    assert same_frames.contents(first, second, more) == (["w/b.mp4"], ["w/a"])
    assert same_frames.contents(first, {}, asked) == ([], ["w/a", "w/b.mp4"])


@pytest.fixture
def wide(bench, tmp_path: Path):
    """`name`, list and more: a run on one wide folder of frames, ``data``; returns code and text."""
    y, x = np.mgrid[0:1:72j, 0:1:128j]
    for number in range(4):
        (tmp_path / "data" / "c").mkdir(parents=True, exist_ok=True)
        image = np.stack([x, y, np.hypot(x - 0.2 * number, y)], axis=-1).clip(0, 1) * 255
        Image.fromarray(image.astype(np.uint8)).save(tmp_path / "data" / "c" / f"{number}.png")

    def call(name: str, driven: tuple[int, ...] = (1, 2), anchor: int = 0, *more: object) -> tuple[int, str]:
        lines = [f"w/c/0,w/c/{k},w/c/{anchor}" for k in driven]
        Path(f"{name}.csv").write_text("\n".join(["source,driving,anchor", *lines]) + "\n")
        asked = ["run", "--protocol", "own-sameid", "--data", "w=data", "--metrics", "l1", "--device", "cpu"]
        model = () if "--models" in more else ("--models", "copy-source")
        code, text = bench(*asked, *model, "--pairs", f"{name}.csv", "--no-bounds", "--name", name, *more)
        assert code == 0, text
        return code, text

    return call


def test_runs_of_two_crops_or_of_other_files_are_told_apart(bench, wide) -> None:
    wide("center", (1, 2), 0, "--crop", "center")
    wide("none", (1, 2), 0, "--crop", "none")
    models = ("--models", "copy-source,copy-source")
    code, text = bench("compare", "runs/center", "runs/none", *models)
    assert code == 0 and UNKNOWN in text  # no size is kept: square frames are the same in both
    face = Crop(mode="face", clips={"c": "face 0,0,40,40 of 128x72, face in 4 of 4"})
    manifests.edit(Path("runs/none"), lambda manifest: manifest.but(crop={"w": face}))
    code, text = bench("compare", "runs/center", "runs/none", *models)
    assert code == 2 and "w/c" in text and "0,0,40,40 of 128x72" in text
    for number in range(4):
        Image.new("RGB", (128, 72), (9 * number, 0, 0)).save(f"data/c/{number}.png")
    wide("other", (1, 2), 0, "--crop", "center")
    wide("longer", (1, 2, 3), 0, "--crop", "center")
    code, text = bench("compare", "runs/center", "runs/other", *models)
    assert code == 0 and "DIFFER" in text and UNKNOWN not in text
    code, text = bench("compare", "runs/center", "runs/longer", *models)
    assert code == 0 and UNKNOWN in text
    assert "data:" not in bench("compare", "runs/other", "runs/other", *models)[1]


def test_the_anchor_is_a_part_of_the_question_in_relative_motion(bench, wide, sample_set) -> None:
    fomm = ("--models", "fomm", "--crop", "center")
    wide("zero", (1, 2), 0, *fomm, "--mode", "relative")
    wide("three", (1, 2), 3, *fomm, "--mode", "relative")
    wide("absolute", (1, 2), 3, *fomm, "--mode", "absolute")
    assert set(pd.read_parquet("runs/three/samples.parquet")["anchor"]) == {"w/c/3"}
    ended = code, text = bench("compare", "runs/zero", "runs/three", "--resamples", 100)
    assert code == 2 and ended.error == "not-comparable"
    assert bench("compare", "runs/zero", "runs/absolute", "--resamples", 100)[0] == 0  # only one has a use for it
    for name in ("zero", "three"):  # as earlier releases left them
        file = Path(f"runs/{name}/samples.parquet")
        pd.read_parquet(file).drop(columns="anchor").to_parquet(file, index=False)
        manifests.edit(file.parent, lambda manifest: manifest.but(samples_sha256=None))
    code, text = bench("compare", "runs/zero", "runs/three", "--resamples", 100, "--json", "c.json")
    (change,) = [line for line in json.loads(Path("c.json").read_text())["changes"] if line.startswith("anchor:")]
    assert code == 0 and UNKNOWN in change and change in text
