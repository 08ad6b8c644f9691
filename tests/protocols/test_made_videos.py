"""Videos of every kind that FFmpeg can write, in any order of asking, against FFmpeg's own decoding in order.

By default every tenth is tried; with ``-m slow`` all. ``-s`` prints the counts by outcome.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest
from support import made_videos, numbered
from support.made_videos import Plan

from protocols import colors, geometry
from protocols.errors import DataError
from protocols.video import Video

TIMED = ("mp4", "mov", "matroska", "webm", "mpegts")


@pytest.mark.parametrize("every", [10, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
def test_every_kind(every: int, tmp_path: Path, capsys: pytest.CaptureFixture, request: pytest.FixtureRequest):
    outcomes: Counter[str] = Counter()
    frames, problems = 0, []
    for k, plan in enumerate(made_videos.plans()):
        if k % every and plan.curve == 2:
            continue
        file = tmp_path / f"{k}.bin"
        made_videos.write(plan, file)
        try:
            frames += check(file, plan)
            outcomes["read"] += 1
        except DataError as error:
            outcomes[re.sub(r"^\S+: ", "", str(error))] += 1
            if (plan.curve == 2 and plan.matrix != 8) or "\n" in str(error):
                problems.append(f"{k} {plan}: {error}")
        except AssertionError as error:
            problems.append(f"{k} {plan}: {str(error)[:300]}")
        file.unlink()
    if request.config.option.capture == "no":
        with capsys.disabled():
            print(f"\n{outcomes.total()} files, {frames} frames")
            for outcome, count in outcomes.most_common():
                print(f"  {count:4d}  {outcome}")
    assert not problems, "\n".join(problems)
    assert outcomes["read"] >= (120 if every == 1 else 10)
    assert len(outcomes) == (4 if every == 1 else 3)


def check(file: Path, plan: Plan) -> int:
    """Read forwards, backwards and at random; returns the number of frames."""
    video = Video(file)
    assert video.facts["matrix"]  # refuses what cannot be read right
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        theirs = list(container.decode(stream))
        aspect = geometry.pixel_aspect(stream.sample_aspect_ratio)
    assert len(video) == len(theirs)
    numbers = made_videos.expected_numbers(plan)
    stored = [colors.to_rgb(frame) for frame in theirs]
    turned = made_videos.TURNS[plan.turn]
    forwards = [video.frame(k) for k in range(len(video))]
    for image, theirs_stored in zip(forwards, stored):
        np.testing.assert_array_equal(image, geometry.show(theirs_stored, aspect, turned))
    assert [numbered.number(image) for image in forwards] == numbers
    loss = 40 if plan.pix_fmt == "rgb8" else 14
    np.testing.assert_allclose(numbered.quarters(forwards[0]), numbered.UPRIGHT, atol=loss)
    assert video.size == forwards[0].shape[:2]
    assert aspect == plan.aspect
    rng = random.Random(0)
    for order in (range(len(video) - 1, -1, -1), rng.choices(range(len(video)), k=len(video))):
        reader = Video(file)
        for k in order:
            np.testing.assert_array_equal(reader.frame(k), forwards[k], err_msg=f"frame {k}")
        reader.close()
    assert all(one < other for one, other in zip(video.times, video.times[1:]))
    if plan.container in TIMED:
        assert video.times == [frame.pts for frame in theirs]
    elif len(video) > 1:
        length = (video.times[-1] - video.times[0]) * video.time_base
        assert float(length) == pytest.approx(float((len(video) - 1) / plan.rate), rel=0.03, abs=0.02)
    video.close()
    return len(video)


def test_an_encoder_leaves_the_priority_of_the_tests_as_it_is(tmp_path: Path):
    """In real time, every other program on the machine would wait for the tests, and so would their own processes."""
    before = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
    made_videos.write(Plan("mp4", "libsvtav1", frames=12), tmp_path / "a.mp4")
    assert (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority) == before


def test_seeks_in_program_streams_are_checked(tmp_path: Path):
    """A seek into a packet of several frames gives the first of them another's time stamp."""
    plan = Plan("mpeg", "mpeg1video", frames=47, gop=1, b_frames=2)
    made_videos.write(plan, tmp_path / "a.mpg")
    assert check(tmp_path / "a.mpg", plan) == 47


def test_hidden_frames_of_vp8_are_not_counted(tmp_path: Path):
    """Encoders in two passes write frames that are only referred to; the bit for it is the fifth of the first byte."""
    made_videos.write(Plan("webm", "libvpx", frames=20), tmp_path / "shown.webm")
    with av.open(str(tmp_path / "shown.webm")) as source, av.open(str(tmp_path / "hidden.webm"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
            content = bytearray(bytes(packet))
            content[0] &= 0xEF if number == 5 else 0xFF
            changed = av.Packet(bytes(content))
            changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
            changed.is_keyframe, changed.stream = packet.is_keyframe, stream
            target.mux(changed)
    video = Video(tmp_path / "hidden.webm")
    assert [numbered.number(video.frame(k)) for k in range(len(video))] == [k for k in range(20) if k != 5]
