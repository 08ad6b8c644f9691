"""The speed page: every way of every job is there, in milliseconds a pair."""

import time

from rich.console import Console

from bench import config, speed


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
    speed.run(["copy-source"], settings, pairs=1, rounds=1, out=page, console=Console(quiet=True))
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
