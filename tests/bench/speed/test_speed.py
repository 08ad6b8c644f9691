"""The speed page: every way of every job is there, in milliseconds a pair."""

import time

import pytest
from rich.console import Console
from support.liveportrait_files import official_folder

from baselines import samples
from bench.runtime import config
from bench.speed import command as speed
from bench.speed import forms as speed_forms


def test_times_are_of_one_pair():
    def sleeps(seconds):
        return lambda: time.sleep(seconds)

    timings = speed.measure({"job": {"quick": sleeps(0.001), "slow": sleeps(0.02)}}, pairs=2, rounds=3)
    quick, slow = timings
    assert (quick.way, slow.way) == ("quick", "slow")
    assert 0.5 <= quick.low <= quick.median <= quick.high  # a sleep takes at least its time
    assert quick.ratios == (1, 1, 1) and slow.ratios[1] <= slow.ratios[0] <= slow.ratios[2]
    assert 10 <= slow.low <= slow.median <= slow.high


def test_the_page_names_models_metrics_and_detectors(sample_set, tmp_path):
    page = tmp_path / "speed.md"
    settings = config.load(["sample"])
    asked = {"pairs": 1, "rounds": 1, "parts": ["models", "pixels", "perceptual", "detectors"]}
    speed.run(["copy-source"], settings, out=page, console=Console(quiet=True), **asked)
    text = page.read_text(encoding="utf-8")
    for job in (
        "model copy-source",
        "metric ssim-published",
        "scikit-image, pair by pair",
        "all pixel metrics",
        "metric st-lpips | its network alone",
        "found before",
    ):
        assert job in text


def test_by_default_only_models_with_a_recipe_or_weights_are_timed(tmp_path):
    asked = [name.partition("?")[0] for name in speed.default_models(None)]
    assert {"fomm", "mcnet", "ostnet", "lia"} <= set(asked) <= set(samples.recipes())
    official_folder(tmp_path / "liveportrait")
    assert "liveportrait" in speed.default_models(tmp_path)


def forms_page(monkeypatch, tmp_path, forms):
    page = tmp_path / "speed.md"
    monkeypatch.setattr(speed_forms, "FORMS", forms)
    settings = config.load(["sample"])
    beyond = speed.run(
        ["fomm", "copy-source"], settings, pairs=4, rounds=1, out=page, console=Console(quiet=True), parts=["forms"]
    )
    return beyond, page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_harmless_form_stays_within_the_intervals(monkeypatch, sample_set, tmp_path):
    beyond, text = forms_page(monkeypatch, tmp_path, ({"precision": "bfloat16"}, {"compile": "nothing"}))
    assert beyond == 0
    rows = [line for line in text.splitlines() if line.startswith("| fomm?precision=bfloat16 |")]
    assert len(rows) == 1 and rows[0].split("|")[2].strip() == speed_forms.HARMLESS
    assert "fomm?precision=bfloat16" in text and "float32" in text
    assert "fomm?compile=nothing" in text
    assert "form fomm?compile=nothing | this form" not in text  # nothing to time
    head = next(line for line in text.splitlines() if line.startswith("| form | verdict |"))
    for metric in ("ssim", "psnr", "l1", "st-lpips", "akd-dlib", "aed-dlib", "prmse-pnp", "aucon-geom"):
        assert f" {metric} " in head
    moved = float(rows[0].split("|")[1 + head.split("|")[1:].index(" l1 ")].split()[0])
    assert 0 < abs(moved) < 1e-3  # it was measured: bfloat16 does move frames


@pytest.mark.slow
def test_a_form_that_moves_a_metric_out_of_its_interval_is_refused(monkeypatch, sample_set, tmp_path):
    beyond, text = forms_page(monkeypatch, tmp_path, ({"weights": "untrained"},))
    assert beyond == 1
    row = next(line for line in text.splitlines() if line.startswith("| fomm?weights=untrained |"))
    verdict = row.split("|")[2]
    assert " l1" in verdict and speed_forms.HARMLESS not in verdict


@pytest.mark.parametrize(
    ("mean", "change", "lost", "beyond"),
    [(0.5, 0.09, 0, False), (0.5, 0.11, 0, True), (0.5, -0.11, 0, True), (0.5, 0.0, 1, True), (0.5, 0.0, 0, False)],
)
def test_what_counts_as_beyond(mean, change, lost, beyond):
    assert speed_forms.Change("l1", mean, 0.4, 0.6, change, lost).beyond is beyond


@pytest.mark.parametrize("spec", ["copy-source", "frames:fomm", "fomm?precision=bfloat16", "x=fomm?compile=inductor"])
def test_what_has_no_forms_to_compare(spec):
    assert speed_forms.forms(spec, None, None, [], None) == []
