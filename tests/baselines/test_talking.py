"""A stream of frames as the answer to batches of pairs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.refused import refused
from support.talkers import SIDE, Counting, asked, names, talk

from baselines.predictor import ModelError
from baselines.talking import TalkingPredictor

N = 10


def _begun(model: TalkingPredictor, count: int = N) -> TalkingPredictor:
    model.begin(talk(count), names(count))
    return model


def _levels(model: TalkingPredictor, ids: list[str]) -> list[int]:
    frames = model.predict(asked(ids), "absolute")
    assert frames.shape == (len(ids), 3, SIDE, SIDE)
    assert frames.dtype == torch.float32
    return [-1 if frame.isnan().all() else round(float(frame.mean()) * 100) for frame in frames]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12))
def test_frames_come_in_order_and_once_whatever_the_size_of_a_batch(count, size):
    model, ids = Counting(), names(count)
    _begun(model, count)
    got = [level for k in range(0, count, size) for level in _levels(model, ids[k : k + size])]
    assert got == model.made == list(range(count))


def test_a_run_that_is_resumed_in_the_middle_of_a_clip_has_the_same_frames():
    model = _begun(Counting())
    assert _levels(model, names(N)[6:9]) == [6, 7, 8]
    assert _levels(model, names(N)[9:]) == [9]
    assert model.made == list(range(N))


def test_frames_of_unreadable_pairs_are_drawn_and_dropped():
    model = _begun(Counting())
    assert _levels(model, ["c-000001", "c-000004"]) == [1, 4]
    assert _levels(model, ["c-000005", "c-000009"]) == [5, 9]


def test_a_batch_that_is_asked_again_in_halves_is_not_made_again():
    model, ids = _begun(Counting()), names(N)
    assert _levels(model, ids[2:8]) == [2, 3, 4, 5, 6, 7]
    assert [_levels(model, ids[k : k + 3]) for k in (2, 5)] == [[2, 3, 4], [5, 6, 7]]
    assert model.made == list(range(8))
    assert _levels(model, ids[2:3]) == [2]  # not kept any more: from the beginning
    assert model.made == [*range(8), 0, 1, 2]
    assert model.closed == 1


def test_memory_that_is_short_inside_of_talk_is_reported_each_time_and_the_clip_begun_again():
    model, ids = _begun(Counting({4: torch.OutOfMemoryError("no room")})), names(N)
    for size in (6, 3, 1):
        with pytest.raises(torch.OutOfMemoryError):
            model.predict(asked(ids[4 : 4 + size]), "absolute")
        assert model.at_once == size
    model.changes.clear()
    assert _levels(model, ids[4:6]) == [4, 5]


def test_a_failure_is_tried_twice_and_then_the_rest_has_no_frames():
    model, ids = _begun(Counting({4: ValueError("silence\nin it")})), names(N)
    with pytest.raises(ValueError, match="^silence\n"):
        model.predict(asked(ids[:8]), "absolute")
    assert [_levels(model, [one])[0] for one in ids] == [0, 1, 2, 3, *[-1] * 6]
    assert model.made == [0, 1, 2, 3] * 2
    assert model.why_missing(ids[3]) is None
    assert model.why_missing(ids[4]) == model.why_missing(ids[9]) == "ValueError: silence"


def test_frames_that_are_nan_are_the_models_own_failures():
    model = _begun(Counting({2: torch.full((3, SIDE, SIDE), torch.nan)}))
    assert _levels(model, names(N)[:4]) == [0, 1, -1, 3]
    assert model.why_missing("c-000002") is None


def test_a_reason_in_place_of_a_frame_is_told():
    model = _begun(Counting({2: "no face", 9: "still none"}))
    assert _levels(model, names(N)[:4]) == [0, 1, -1, 3]
    assert [model.why_missing(pair) for pair in names(N)[1:4]] == [None, "no face", None]
    assert _levels(model, names(N)[4:]) == [4, 5, 6, 7, 8, -1]
    assert model.why_missing("c-000009") == "still none"


def test_too_few_frames_are_a_reason():
    model, ids = _begun(Counting(count=7)), names(N)
    assert _levels(model, ids[4:]) == [4, 5, 6, -1, -1, -1]
    assert model.why_missing(ids[7]) == "talk() ended after 7 of 10 frames"
    assert _levels(model, ids[:2]) == [0, 1]


def test_too_many_frames_are_refused():
    model, ids = _begun(Counting(count=N + 1)), names(N)
    assert _levels(model, ids[:9]) == list(range(9))
    with refused(ModelError, "bad-frames", "10"):
        model.predict(asked(ids[9:]), "absolute")


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (torch.zeros(3, SIDE, SIDE + 1), "(3, 8, 9), expected (3, 8, 8)"),
        (torch.zeros(SIDE, SIDE, 3), "(8, 8, 3)"),
        (torch.zeros(3, SIDE, SIDE, dtype=torch.uint8), "uint8"),
        ([0.5], "list"),
    ],
)
def test_other_things_than_frames_are_refused(frame, words):
    model = _begun(Counting({1: frame}))
    with refused(ModelError, "bad-frames", words):
        model.predict(asked(names(N)[:2]), "absolute")


def test_what_is_asked_of_no_clip_or_of_another_one():
    with refused(ModelError, "wrong-protocol"):
        Counting().predict(asked(["c-000000"]), "absolute")
    with refused(ModelError, "unknown-pair", "other"):
        _begun(Counting()).predict(asked(["other"]), "absolute")
    with refused(ModelError, "unknown-mode"):
        _begun(Counting()).predict(asked(["c-000000"]), "relative")


def test_the_next_clip_ends_the_stream_of_the_last():
    model = _begun(Counting())
    assert _levels(model, names(N)[:2]) == [0, 1]
    _begun(model)
    assert model.closed == 1
    model.predict(asked(names(N)[:1]), "absolute")
    model.close()
    assert model.closed == 2
