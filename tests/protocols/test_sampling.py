from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.layouts_on_disk import VOX_CLIPS, frames, picture, vox
from support.refused import refused

from protocols.custom_dataset import open_dataset
from protocols.datasets import Dataset
from protocols.draw import Draws
from protocols.errors import DataError
from protocols.sampling import STRATEGIES, make_pairs


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    return open_dataset("vox1", vox(tmp_path_factory.mktemp("vox"), n=20, size=8))


@pytest.mark.parametrize("strategy", ["same-identity", "cross-identity", "seen-identity"])
def test_lists_repeat_and_depend_on_the_seed(data: Dataset, strategy: str):
    first, again, other = (make_pairs(data, strategy, 30, seed) for seed in (4, 4, 5))
    assert first == again
    assert first.sha256 != other.sha256
    assert len({(pair.source, pair.driving) for pair in first.pairs}) == 30
    assert data.missing(first.refs()) == []


def test_same_identity(data: Dataset):
    pairs = make_pairs(data, "same-identity", 300, 0)
    for pair in pairs.pairs:
        assert pair.source.clip == pair.driving.clip and pair.source != pair.driving
        assert pair.target == pair.driving
        assert pair.source_identity == pair.driving_identity == data.identity(pair.source.clip)
    clips = Counter(pair.source.clip for pair in pairs.pairs)
    assert len(clips) == 5 and min(clips.values()) > 30  # each of 5 videos about 60 times


def test_some_videos_only(data: Dataset):
    pairs = make_pairs(data, "same-identity", 50, 0, videos=2)
    assert len({pair.source.clip for pair in pairs.pairs}) == 2


def test_cross_identity(data: Dataset):
    pairs = make_pairs(data, "cross-identity", 300, 0)
    for pair in pairs.pairs:
        assert pair.source_identity != pair.driving_identity
        assert pair.target is None
    sources = Counter(pair.source_identity for pair in pairs.pairs)
    assert set(sources) == set(VOX_CLIPS) and min(sources.values()) > 75  # each of 3 people about 100 times


def test_seen_identities_keep_a_video_for_training(data: Dataset):
    pairs = make_pairs(data, "seen-identity", 60, 0)
    used = {pair.source.clip for pair in pairs.pairs}
    assert {data.identity(clip) for clip in used} == {"id10280", "id10291"}  # id10283 has one video only
    assert len(used) == 2


def test_portraits(tmp_path: Path):
    from test_video import write_video

    write_video(tmp_path / "anna.mp4")
    write_video(tmp_path / "bert.mp4")
    picture(tmp_path / "anna.png", seed=0)
    picture(tmp_path / "carla.png", seed=1)
    pairs = make_pairs(open_dataset("mine", tmp_path), "portraits", 40, 0)
    assert {pair.source.clip for pair in pairs.pairs} == {"anna.png", "carla.png"}
    assert {pair.driving.clip for pair in pairs.pairs} == {"anna.mp4", "bert.mp4"}
    assert all(pair.source_identity != pair.driving_identity for pair in pairs.pairs)


def test_too_little_data(tmp_path: Path, data: Dataset):
    with refused(DataError, "too-few-pairs", "1900"):
        make_pairs(data, "same-identity", 2000, 0)  # 5 clips of 20 * 19
    with refused(DataError, "no-pictures"):
        make_pairs(data, "portraits", 1, 0)
    frames(tmp_path / "alone", 1)
    lonely = open_dataset("mine", tmp_path)
    with refused(DataError, "too-few-clips", "at least 2"):
        make_pairs(lonely, "same-identity", 1, 0)
    with refused(DataError, "too-few-identities", "1 identity"):
        make_pairs(lonely, "cross-identity", 1, 0)
    with refused(DataError, "too-few-identities"):
        make_pairs(lonely, "seen-identity", 1, 0)


def test_an_absent_split_is_not_replaced_by_another(data: Dataset):
    with refused(DataError, "too-few-clips", "'train'"):
        make_pairs(data, "seen-identity", 1, 0, split="train")


def test_unknown_strategy(data: Dataset):
    with refused(DataError, "unknown-strategy", *STRATEGIES):
        make_pairs(data, "random", 1, 0)
    with refused(DataError, "no-pairs"):
        make_pairs(data, "same-identity", 0, 0)


@given(seed=st.integers(0, 2**63), n=st.integers(1, 50))
def test_draws_stay_in_range(seed: int, n: int):
    draws = Draws(seed, "property")
    assert all(0 <= draws.below(n) < n for _ in range(20))
    chosen = draws.some(range(n), n // 2)
    assert len(set(chosen)) == n // 2 and set(chosen) <= set(range(n))
    assert 2.0 <= draws.uniform(2.0, 3.0) < 3.0


def test_more_pairs_than_there_are_is_told_at_once(tmp_path: Path):
    frames(tmp_path / "a", 3)
    with refused(DataError, "too-few-pairs"):
        make_pairs(Dataset("mine", tmp_path), "same-identity", 10**9)
    assert len(make_pairs(Dataset("mine", tmp_path), "same-identity", 6)) == 6
