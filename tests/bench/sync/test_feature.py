"""The streaming SyncNet of a clip is that of the whole video at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.refused import refused
from torch import Tensor, nn

from bench.detectors import syncnet
from bench.detectors.syncnet import SyncNet, lip_features, synchronise
from bench.runtime.errors import UserError
from bench.sync import crops, feature, scores, tracks
from bench.sync.clock import EvenClock
from bench.sync.feature import BOX, DETECTED, DISTANCES, FACES, SyncNetFrames, SyncNetTrack
from bench.sync.finders import BlazeFaces
from protocols.sound import Sound

SIZE = (150, 200)


class TinyNet(SyncNet):
    """Means of parts of the frames and of the MFCC in place of convolutions."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        generator = torch.Generator().manual_seed(0)
        self.mix = nn.Parameter(torch.randn(5 * 3 * 4, 8, generator=generator) / 300)
        self.mel = nn.Parameter(torch.randn(13 * 20, 8, generator=generator) / 100)

    def lip_features(self, frames: Tensor) -> Tensor:
        pooled = nn.functional.adaptive_avg_pool2d(frames.flatten(0, 1), 2).view(*frames.shape[:3], 4)
        windows = pooled.unfold(2, 5, 1).permute(0, 2, 4, 1, 3).flatten(2)
        return windows @ self.mix

    def lip(self, features: Tensor) -> Tensor:
        return features

    def audio(self, windows: Tensor) -> Tensor:
        return windows.flatten(1) @ self.mel


class Faces:
    """Boxes by the number that a frame carries in its first pixel; counts how often it is asked."""

    signature = "made"

    def __init__(self, boxes: list[list[tuple[float, ...]]]) -> None:
        self.boxes, self.asked = boxes, 0

    def __call__(self, frame: np.ndarray) -> list[tuple[float, ...]]:
        self.asked += 1
        return self.boxes[frame[0, 0, 0]]


def make_clip(frames: int) -> np.ndarray:
    """Noise that changes little from frame to frame, so that no shot ends."""
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 240, (1, *SIZE, 3), dtype=np.uint8) + rng.integers(0, 16, (frames, *SIZE, 3), dtype=np.uint8)
    clip[:, 0, 0, 0] = np.arange(frames)
    return clip


def make_sound(seconds: float = 8.0, start: float = 0.0) -> Sound:
    rng = np.random.default_rng(1)
    return Sound(rng.integers(-9000, 9000, round(seconds * 16000)).astype(np.int16), 16000, start)


def walk(frames: int, seed: int = 0, x: float = 20.0, side: float = 110.0) -> list[tuple[float, ...]]:
    rng = np.random.default_rng(seed)
    places = np.cumsum(rng.normal(0, 2, (frames, 2)), 0) + (x, 20.0)
    return [(float(x), float(y), float(x + side + k % 7), float(y + side)) for k, (x, y) in enumerate(places)]


def missing_some(boxes: list[tuple[float, ...]]) -> list[list[tuple[float, ...]]]:
    """Gaps of 3 and of 20 frames, one frame with the face twice."""
    found = [[box] for box in boxes]
    for k in (*range(30, 33), *range(60, 80)):
        found[k] = []
    found[50] = [found[50][0], (900.0, 900.0, 930.0, 930.0), found[50][0]]
    return found


def rows_of(finder: Faces, clip: np.ndarray, times: np.ndarray, sound: Sound | None, sizes: list[int]) -> np.ndarray:
    recorder = SyncNetTrack(TinyNet(), "none", finder).start(sound)
    at = 0
    for size in sizes:
        part = clip[at : at + size].copy()
        recorder.add(part, times[at : at + size])
        part[:] = 0  # the caller's array is the caller's
        at += size
    assert at == len(clip)
    return recorder.finish()


def at_once(boxes: list[list[tuple[float, ...]]], clip: np.ndarray, sound: Sound) -> tuple[tracks.Track, np.ndarray]:
    """Track, crops and distances with the whole video in memory."""
    net = TinyNet()
    track = max(tracks.link(enumerate(boxes)), key=lambda track: track.frames[-1] - track.frames[0])
    numbers, filled = track.filled()
    places = crops.smooth(crops.geometry(filled))
    faces = torch.from_numpy(np.stack([crops.crop(clip[k], *place) for k, place in zip(numbers, places)]))
    samples = sound.cut(numbers[0] / 25, min(len(numbers) * 640, sound.available(numbers[0] / 25)))
    count = syncnet.usable(len(faces), len(samples))
    with torch.inference_mode():
        lips = net.lip(lip_features(net, faces, count))
        return track, synchronise(lips, net.audio(syncnet.audio_windows(samples, count))).distances.numpy()


@pytest.mark.parametrize("start", [-0.5, 0.0, 0.7])
def test_streaming_is_the_whole_video_at_once(start: float) -> None:
    boxes = missing_some(walk(160))
    clip, sound = make_clip(160), make_sound(start=start)
    finder = Faces(boxes)
    rows = rows_of(finder, clip, np.arange(160) / 25, sound, [160])
    track, distances = at_once(boxes, clip, sound)
    assert finder.asked == 160
    np.testing.assert_array_equal(rows[:, FACES], [len(here) for here in boxes])
    numbers, filled = track.filled()
    np.testing.assert_array_equal(rows[numbers, BOX], filled)
    np.testing.assert_array_equal(np.flatnonzero(rows[:, DETECTED] == 1), np.unique(track.frames))
    first = numbers[0]
    np.testing.assert_allclose(rows[first : first + len(distances), DISTANCES], distances, atol=1e-5)
    assert np.isnan(rows[first + len(distances) :, DISTANCES]).all()


def test_rows_do_not_depend_on_how_frames_come() -> None:
    boxes = missing_some(walk(150))
    clip, sound, times = make_clip(150), make_sound(), np.arange(150) / 25
    whole = rows_of(Faces(boxes), clip, times, sound, [150])
    for sizes in ([1] * 150, [7] * 21 + [3], [149, 1]):
        np.testing.assert_array_equal(rows_of(Faces(boxes), clip, times, sound, sizes), whole)


def test_a_track_ends_with_its_shot() -> None:
    boxes = [[box] for box in walk(240)]
    clip = make_clip(240)
    clip[130:] = 255 - clip[130:]
    clip[:, 0, 0, 0] = np.arange(240)
    rows = rows_of(Faces(boxes), clip, np.arange(240) / 25, make_sound(10.0), [240])
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(rows[:, DETECTED])), np.arange(130))
    assert np.isfinite(rows[:, DISTANCES]).all(1).sum() == 125 and (rows[:, FACES] == 1).all()


def test_the_longest_track_counts_and_others_are_counted() -> None:
    short, long = walk(110), walk(150, seed=1, x=60.0)
    boxes = [[*([short[k]] if k < 110 else []), (900.0, 900.0, 990.0, 990.0), long[k]] for k in range(150)]
    boxes = [here if len(here) == 3 else [here[1], here[0]] for here in boxes]
    rows = rows_of(Faces(boxes), make_clip(150), np.arange(150) / 25, make_sound(), [50, 100])
    np.testing.assert_allclose(rows[:, BOX], long)
    assert rows[0, FACES] == 3


def test_no_more_frames_are_kept_than_a_gap_and_the_look_ahead() -> None:
    boxes = missing_some(walk(160))
    recorder = SyncNetTrack(TinyNet(), "none", Faces(boxes)).start(make_sound())
    clip, kept = make_clip(160), 0
    for k in range(160):
        recorder.add(clip[k : k + 1], np.array([k / 25]))
        kept = max(kept, len(recorder.frames))
    assert 21 <= kept <= tracks.GAP + crops.LOOK_AHEAD + 1


def test_short_and_small_tracks_say_what_they_were() -> None:
    for boxes in ([[box] for box in walk(100)], [[box] for box in walk(120, side=80.0)]):
        rows = rows_of(Faces(boxes), make_clip(len(boxes)), np.arange(len(boxes)) / 25, make_sound(), [len(boxes)])
        assert np.isnan(rows[:, DISTANCES]).all() and (rows[:, DETECTED] == 1).all()
    nothing = rows_of(Faces([[]] * 5), make_clip(5), np.arange(5) / 25, None, [5])
    assert (nothing[:, FACES] == 0).all() and np.isnan(nothing[:, DETECTED]).all()


def test_sound_that_ends_early_leaves_windows_without_distances() -> None:
    boxes = [[box] for box in walk(150)]
    rows = rows_of(Faces(boxes), make_clip(150), np.arange(150) / 25, make_sound(4.0), [150])
    assert np.isfinite(rows[:, DISTANCES]).all(1).sum() == 95
    none = rows_of(Faces(boxes), make_clip(150), np.arange(150) / 25, None, [150])
    assert np.isnan(none[:, DISTANCES]).all() and np.isfinite(none[:, BOX]).all()


def test_whole_frames() -> None:
    clip, sound = make_clip(40), make_sound()
    recorder = SyncNetFrames(TinyNet(), "none").start(sound)
    recorder.add(clip[:9], np.arange(9) / 25)
    recorder.add(clip[9:], np.arange(9, 40) / 25)
    faces = torch.from_numpy(np.stack([crops.resize(frame) for frame in clip]))
    expected = syncnet.evaluate(TinyNet(), faces, sound.samples[: 40 * 640])
    rows = recorder.finish()
    np.testing.assert_allclose(rows[:35], expected.distances, atol=1e-5)
    assert len(rows) == 40 and np.isnan(rows[35:]).all()


@pytest.mark.parametrize(
    ("rate", "frames", "expected"),
    [
        (25, 5, [0, 1, 2, 3, 4]),
        (50, 6, [0, 2, 4]),
        (12.5, 3, [0, 0, 1, 1, 2, 2]),
        (30, 6, [0, 1, 2, 4, 5]),
        (24, 1, [0]),
    ],
)
def test_the_even_clock(rate: float, frames: int, expected: list[int]) -> None:
    clip, times = make_clip(frames), np.arange(frames) / rate
    for size in (1, 2, frames):
        clock = EvenClock(25)
        found = [
            tick for at in range(0, frames, size) for tick in clock.add(clip[at : at + size], times[at : at + size])
        ]
        found += list(clock.finish())
        assert [number for number, _ in found] == expected
        assert [frame[0, 0, 0] for _, frame in found] == expected


def test_frames_shown_again_are_looked_at_once() -> None:
    finder = Faces([[box] for box in walk(10)])
    rows = rows_of(finder, make_clip(10), np.arange(10) / 10, None, [10])
    assert len(rows) == 25 and finder.asked == 10


def test_weights(tmp_path: Path) -> None:
    assert len(feature.missing(tmp_path)) == 1
    with refused(UserError, "missing-weights", syncnet.FILE):
        feature.make("syncnet", tmp_path)
    torch.save(SyncNet().state_dict(), tmp_path / syncnet.FILE)
    assert feature.missing(tmp_path) == []
    made = feature.make("syncnet", tmp_path)
    assert made.name == "syncnet" and BlazeFaces().signature in made.signature
    assert feature.make("syncnet-frames", tmp_path).name == "syncnet-frames"


def test_sound_at_another_rate_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="44100"):
        SyncNetTrack(TinyNet(), "none", Faces([])).start(Sound(np.zeros(9, np.int16), 44100))


def test_scores_count_windows_as_the_script_does() -> None:
    for frames, samples in ((40, 25600), (40, 20000), (6, 99999), (99, 3840)):
        assert scores.windows(frames - 4, samples) == syncnet.usable(frames, samples)
    assert scores.windows(1, 10**6) == scores.windows(40, 3839) == scores.windows(0, 0) == 0


def test_the_voice_of_a_part_is_that_of_the_whole() -> None:
    sound = make_sound()
    whole = TinyNet().audio(syncnet.audio_windows(sound.samples, 150))
    torch.testing.assert_close(scores.voice(TinyNet(), sound, 0, 150), whole)
    torch.testing.assert_close(scores.voice(TinyNet(), sound, 47, 93), whole[47:93])


def test_memory_does_not_grow_with_the_clip() -> None:
    peaks = []
    for frames in (250, 1000):
        recorder = SyncNetTrack(TinyNet(), "none", lambda frame: [(20.0, 20.0, 140.0, 140.0)]).start(make_sound(40.0))
        part, kept = make_clip(50), []
        for at in range(0, frames, 50):
            recorder.add(part, np.arange(at, at + 50) / 25)
            (live,) = recorder._live.values()
            lips, crop = live.lips._distances, len(live.lips._crops)
            if at >= 150:  # the track is long enough
                kept.append(len(lips._lips) + len(lips._voice) + crop + len(recorder.frames))
        peaks.append(max(kept))
        assert np.isfinite(recorder.finish()[:, DISTANCES]).all(1).sum() == frames - 5
    assert peaks[0] == peaks[1] < 200
