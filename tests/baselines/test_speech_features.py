from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.errors import ModelError
from baselines.speech import hama
from baselines.speech.feature import at, feature
from baselines.speech.log_mel import PART, LogMel
from baselines.speech.precomputed import Precomputed
from protocols.sound import Sound

TIMES = np.arange(25) / 25


def noise(seconds: float = 1.0, start: float = 0.0, seed: int = 0) -> Sound:
    rng = np.random.default_rng(seed)
    return Sound((rng.normal(size=round(16000 * seconds)) * 3000).astype(np.int16), 16000, start)


@pytest.mark.parametrize("name", ["log-mel", "hama"])
def test_a_feature_has_its_shape_and_says_what_it_is(name):
    one = feature(name)
    rows = one.rows(noise(), TIMES)
    assert rows.shape == (25, one.width) and rows.dtype == np.float32 and np.isfinite(rows).all()
    assert one.name == name and one.signature.startswith(name) and one.of("any") is one
    assert np.array_equal(one.rows(noise(), TIMES[7:9]), rows[7:9])
    assert one.rows(Sound(np.zeros(0, np.int16), 16000), TIMES).tolist() == np.zeros((25, one.width)).tolist()


@pytest.mark.parametrize("name", ["log-mel", "hama"])
def test_sound_that_begins_later_is_heard_later(name):
    rows = feature(name).rows(noise(), TIMES)
    later = feature(name).rows(noise(start=0.2), TIMES)
    np.testing.assert_allclose(later[6:], rows[1:-5], atol=1e-4)


def test_hama_gives_a_frame_the_mean_of_its_two_rows(monkeypatch):
    monkeypatch.setattr(hama, "missing", lambda: [])
    monkeypatch.setattr(hama, "phones", lambda samples: np.arange(50.0)[:, None].repeat(191, 1))
    found = feature("hama").rows(noise(), TIMES)
    np.testing.assert_allclose(found[1:, 0], np.arange(1, 25) * 2 - 0.5, atol=1e-5)


def test_hama_must_be_there(monkeypatch):
    monkeypatch.setattr(hama, "missing", lambda: ["package hama 1.7.0 is not installed (found: none)"])
    with pytest.raises(ModelError) as error:
        feature("hama")
    assert error.value.code == "missing-package"


def test_log_mel_hears_where_a_click_is_and_not_how_loud_the_sound_is():
    samples = np.zeros(16000, np.int16)
    samples[8000:8160] = 8000
    rows = LogMel().rows(Sound(samples, 16000), TIMES)
    assert abs(TIMES[rows.sum(1).argmax()] - 0.505) <= 0.02
    louder = LogMel().rows(Sound((samples * 3).astype(np.int16), 16000), TIMES)
    np.testing.assert_allclose(louder, rows, atol=1e-5)


def test_log_mel_of_long_sound_is_that_of_its_parts():
    long = noise(0.01 * PART + 3)
    rows = LogMel().rows(long, np.arange(0, 22, 0.04))
    middle = Sound(long.samples[16000 * 19 : 16000 * 21], 16000, 19.0)
    peak = np.abs(long.samples.astype(int)).max()
    middle.samples[0] = peak  # one level
    near = LogMel().rows(middle, np.arange(19.2, 20.8, 0.04))
    np.testing.assert_allclose(near, LogMel().rows(long, np.arange(19.2, 20.8, 0.04)), atol=1e-4)
    assert np.isfinite(rows).all()


def test_other_rates_and_names_are_refused(tmp_path):
    with pytest.raises(ModelError) as error:
        LogMel().rows(Sound(np.zeros(80, np.int16), 8000), TIMES)
    assert error.value.code == "bad-value"
    with pytest.raises(ModelError) as error:
        feature("deepspeech2")
    assert error.value.code == "unknown-choice"


def test_files_of_features_are_rows_and_ad_nerfs_windows(tmp_path):
    rows = np.arange(50, dtype=np.float32).reshape(25, 2)
    np.save(tmp_path / "a.npy", rows)
    one = feature(str(tmp_path / "a.npy"))
    assert one.width == 2 and np.array_equal(one.rows(noise(), TIMES), rows)
    np.testing.assert_allclose(one.rows(noise(), np.array([0.02, 5 / 25])), [[1, 2], [10, 11]], atol=1e-5)
    windows = np.arange(25 * 16 * 29, dtype=np.float32).reshape(25, 16, 29)
    np.save(tmp_path / "b.npy", windows)
    two = feature(str(tmp_path / "b.npy"))
    assert two.width == 464 and np.array_equal(two.rows(noise(), TIMES), windows.reshape(25, 464))
    assert one.signature != two.signature


def test_a_folder_has_features_clip_by_clip(tmp_path):
    for name, width in (("a", 3), ("b", 3), ("c", 4)):
        np.save(tmp_path / f"{name}.npy", np.full((30, width), ord(name), np.float32))
    folder = feature(str(tmp_path))
    assert folder.width == 3 and folder.of("b").rows(noise(), TIMES)[0, 0] == ord("b")
    for wrong, code in (("d", "missing-file"), ("c", "bad-value")):
        with pytest.raises(ModelError) as error:
            folder.of(wrong)
        assert error.value.code == code
    with pytest.raises(ModelError):
        folder.rows(noise(), TIMES)


def test_of_a_part_of_a_clip_rows_are_those_of_its_seconds(tmp_path):
    rows = np.arange(50, dtype=np.float32).reshape(50, 1)
    np.save(tmp_path / "a.npy", rows)
    for one in (feature(str(tmp_path)), feature(str(tmp_path / "a.npy"))):
        part = one.of("a", 0.8)
        assert part.signature == feature(str(part.place)).signature
        np.testing.assert_allclose(part.rows(noise(), TIMES), rows[20:45])
        with pytest.raises(ModelError) as error:
            one.of("a", 2.0).rows(noise(), TIMES)
        assert error.value.code == "bad-value"


@pytest.mark.parametrize(
    "content", [np.zeros((0, 3)), np.zeros(5), np.full((9, 2), np.nan), np.array([["a"]]), np.zeros((2, 3, 4, 5))]
)
def test_what_is_no_features_is_refused(tmp_path, content):
    np.save(tmp_path / "a.npy", content)
    with pytest.raises(ModelError) as error:
        feature(str(tmp_path / "a.npy"))
    assert error.value.code == "bad-value"
    (tmp_path / "b.npy").write_text("text")
    with pytest.raises(ModelError) as error:
        Precomputed(tmp_path / "b.npy")
    assert error.value.code == "unreadable-file"


def test_a_file_that_ends_long_before_the_clip_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((20, 2), np.float32))
    one = feature(str(tmp_path / "a.npy"))
    assert one.rows(noise(), TIMES)[-1].tolist() == [1, 1]
    with pytest.raises(ModelError) as error:
        one.rows(noise(), np.array([0, 1.5]))
    assert error.value.code == "bad-value"


@settings(deadline=None)
@given(st.integers(1, 20), st.floats(-1, 3), st.floats(-1, 3))
def test_rows_between_are_linear_and_hold_at_the_ends(count, one, other):
    rows = np.arange(count, dtype=np.float32)[:, None]
    found = at(np.array([one, other]), rows, 0.1, 10.0)[:, 0]
    np.testing.assert_allclose(found, np.clip((np.array([one, other]) - 0.1) * 10, 0, count - 1), atol=1e-4)


@pytest.mark.parametrize("name", ["log-mel", "hama"])
@pytest.mark.parametrize(
    "samples", [np.zeros(16000), np.full(16000, 32767), np.full(800, -32768), np.zeros(10), np.ones(1)]
)
def test_silence_clipped_and_very_short_sound_have_features(name, samples):
    rows = feature(name).rows(Sound(samples.astype(np.int16), 16000), TIMES[:5])
    assert rows.shape[0] == 5 and np.isfinite(rows).all()
