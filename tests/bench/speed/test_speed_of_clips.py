"""The clips part of the speed page: its ways of one job compute the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from bench.metrics.clips.base import ClipValue
from bench.rundir.directory import CLIP, UNIT
from bench.runtime import config
from bench.speed.clips import ClipJobs

FRAMES = 3
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def asked(sample_set, tmp_path_factory):
    clips = ClipJobs(config.load(["sample"]), FRAMES, tmp_path_factory.mktemp("work"))
    return clips, clips.jobs()


def test_a_run_and_what_is_called_by_hand_give_the_same_numbers(asked):
    clips, jobs = asked
    first, second = jobs["clip"], jobs["clip, a second model"]
    rows = first["bench, the whole run"]().rows
    again = second["bench, the whole run"]().rows
    for table in (rows, again):
        del table["seconds"]
    assert rows.equals(again) and (rows["status"] == "ok").all() and len(rows) == FRAMES + 1
    by_hand = first["detectors and metrics alone"]()
    known = second["detectors and metrics alone, the truth's values given"]()
    for values in (by_hand, known):
        images, *others = values
        of_clips = [one for one in others if isinstance(one, ClipValue)]
        frames, whole = rows[rows[UNIT] != CLIP], rows[rows[UNIT] == CLIP].iloc[0]
        assert {"ssim", "psnr", "l1"} < images.keys() and len(of_clips) > 8
        for name, column in images.items():
            np.testing.assert_allclose(frames[name].to_numpy(float), column, rtol=1e-9, err_msg=name)
        found = {float(one.value) for one in of_clips if not np.isnan(one.value)}
        columns = {float(value) for value in whole if isinstance(value, float)}
        assert found and all(min(abs(column - value) for column in columns) < 1e-9 for value in found)


def test_pixel_metrics_are_measured_on_both_sides(asked):
    clips, jobs = asked
    ours, run, theirs = jobs["clip, pixel metrics"].values()
    tables, rows, libraries = ours(), run().rows, theirs()
    frames = rows[rows[UNIT] != CLIP]
    assert len(tables) == 1 and len(tables[0]) == len(frames) == FRAMES
    for name, column in zip(("ssim", "ssim-skimage", "ssim-published", "psnr", "psnr-uint8", "l1"), libraries):
        assert tables[0][name].to_numpy() == pytest.approx(column, rel=1e-5)
        assert frames[name].to_numpy() == pytest.approx(column, rel=1e-5)
