"""Recompute the golden arrays of lip-sync scores: SyncNet's scores, face tracks, crops, landmarks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from baselines.parity import Case, Record
from baselines.speech.mfcc import mfcc
from baselines.synthetic_weights import fill, image_pair
from bench.detectors.syncnet import RATE, SIDE, SPAN, SyncNet, audio_windows, lip_features, synchronise, usable
from bench.metrics.clips import landmark_scripts as scripts
from bench.parity import syncnet
from bench.sync import crops, scores, tracks

build = syncnet.build
CLIPS = {"in_sync": (52, 33280, 0), "shifted": (60, 38400, 4), "short_audio": (56, 25900, 0)}  # frames, samples, shift
ROWS = 64  # of planted features
CROPS, CROP_SIDE, CROP_ROWS = 40, 320, slice(40, 280)
IOUS = (
    ([0, 0, 10, 10], [5, 0, 15, 10]),
    ([0, 0, 10, 10], [2, 2, 8, 8]),
    ([0, 0, 10, 10], [20, 20, 30, 30]),
    ([3.5, 1, 9, 8], [4, 0.5, 9.5, 8]),
)


def compute(nets: nn.ModuleDict, case: Case, record: Record) -> None:
    """See `baselines.parity`. Inputs of a mode, such as boxes and landmarks, are recorded unchanged."""
    net = nets["S"]
    assert isinstance(net, SyncNet)  # see `syncnet.build`
    for name, image in zip(("source", "driving"), image_pair(case.spec["seed"], SIDE)):
        record(f"image.{name}", image[0])
    done = {name: _clip(net, case, name, record) for name in CLIPS if case.has(name)}
    if len(done) == len(CLIPS):
        distance, confidence = scores.mean_of_clips(done.values())
        record("dataset.lse_c", torch.tensor([confidence]))
        record("dataset.lse_d", torch.tensor([distance]))
    _planted(case.spec["seed"], record)
    for name, frame in _odd_frames(case.spec["seed"]).items():
        record(f"resize.{name}", torch.from_numpy(crops.resize(frame)))
    if case.has("tracks"):
        _tracks(case, record)
    frames = crop_frames(case.spec["seed"])
    record("crop.frames.frame_sum", torch.from_numpy(frames.astype(np.int64).sum((1, 2, 3))))
    for name in ("interior", "border", "far_corner", "short_track"):
        if case.has(f"crop.{name}"):
            _crops(case, f"crop.{name}", frames, record)
    if case.has("landmarks"):
        _landmarks(case, record)


def envelope(t: np.ndarray, seed: int) -> np.ndarray:
    """Return the opening of mouth and voice at video frame `t`, in [0, 1]."""
    slow = 0.25 * np.sin(2 * np.pi * (t / 9.7 + 0.13 * seed)) + 0.10 * np.sin(2 * np.pi * t / 23.1 + 2 * seed)
    return 0.5 + slow + 0.15 * np.sin(2 * np.pi * t / 5.3 + 1 + seed)


def make_video(frames: int, seed: int) -> Tensor:
    """Return faces that open and close with `envelope`, uint8 RGB ``(frames, 224, 224, 3)``."""
    source, driving = (image.double() for image in image_pair(seed, SIDE))
    e = torch.from_numpy(envelope(np.arange(frames), seed))[:, None, None, None]
    mixed = 255 * ((1 - e) * source + e * driving) * (0.3 + 0.7 * e)
    return (mixed + 0.5).floor().to(torch.uint8).permute(0, 2, 3, 1)


def make_voice(samples: int, shift: int, seed: int) -> np.ndarray:
    """Return three tones with the same `envelope`, `shift` frames later, int16 at 16 kHz."""
    u = (np.arange(samples) - RATE // 25 * shift) / RATE
    angle = 2 * np.pi * u
    x = 0.45 * np.sin((210 + 10 * seed) * angle + 0.5 * np.sin(3 * angle))
    x += 0.3 * np.sin((850 + 30 * seed) * angle) + 0.2 * np.sin((2500 + 50 * seed) * angle + 1)
    return np.floor(12000 * (0.03 + 0.97 * envelope(25 * u, seed)) * x + 0.5).astype(np.int16)


def crop_frames(seed: int) -> np.ndarray:
    """Return frames that alternate between two pictures, uint8 BGR ``(40, 240, 320, 3)``."""
    source, driving = (image[0].permute(1, 2, 0).double().numpy() for image in image_pair(seed, CROP_SIDE))
    share = np.array([abs((5 * t) % 22 - 11) / 11 for t in range(CROPS)])[:, None, None, None]
    mixed = np.floor(255 * ((1 - share) * source + share * driving) + 0.5).astype(np.uint8)
    return np.ascontiguousarray(mixed[:, CROP_ROWS, :, ::-1])


def _clip(net: SyncNet, case: Case, name: str, record: Record) -> scores.Score:
    frames, samples, shift = CLIPS[name]
    seed = case.spec["seed"]
    voice, video = make_voice(samples, shift, seed), make_video(frames, seed)
    record(f"{name}.audio.int16", torch.from_numpy(voice))
    record(f"{name}.video.frame_sum", video.long().sum((1, 2, 3)))
    count = usable(frames, samples)
    record(f"{name}.counts", torch.tensor([frames, samples, count + SPAN, count]))
    voice = case.arrays.get(f"{name}.audio.int16", voice)
    record(f"{name}.mfcc", torch.from_numpy(mfcc(voice)))
    lip, audio = net.lip(lip_features(net, video, count)), net.audio(audio_windows(voice, count))
    record(f"{name}.lip_features", lip)
    record(f"{name}.audio_features", audio)
    syncnet.record_sync(name, synchronise(lip, audio), record)
    return scores.score(lip, audio)


def _planted(seed: int, record: Record) -> None:
    lip, noise = (20 * torch.from_numpy(fill(f"planted_{name}", (ROWS, 1024), seed)) for name in ("im", "noise"))

    def planted(name: str, late: int) -> None:
        audio = noise.clone()
        rows, of = slice(max(late, 0), ROWS + min(late, 0)), slice(max(-late, 0), ROWS - max(late, 0))
        audio[rows] = lip[of] + 0.5 * noise[rows]
        syncnet.record_sync(f"planted.{name}", synchronise(lip, audio), record)

    planted("in_step", 0)
    for frames in range(1, ROWS):
        if frames in (4, 15, 16):
            planted(f"audio_late_{frames}", frames)
            planted(f"audio_early_{frames}", -frames)


def _odd_frames(seed: int) -> dict[str, np.ndarray]:
    """Return frames that are not 224 x 224, uint8 BGR."""
    small, wide = (image_pair(size, side)[0] for size, side in ((seed, 160), (seed, 300)))
    levels = [
        np.floor(255 * image[0].permute(1, 2, 0).numpy() + 0.5).astype(np.uint8)[..., ::-1] for image in (small, wide)
    ]
    return {"from160": np.ascontiguousarray(levels[0]), "from240x300": np.ascontiguousarray(levels[1][:240])}


def _tracks(case: Case, record: Record) -> None:
    rows = case.arrays["tracks.detections"]
    record("tracks.detections", torch.from_numpy(rows))
    numbers = np.arange(int(rows[:, 0].max()) + 1)
    found = tracks.link((int(number), rows[rows[:, 0] == number, 1:]) for number in numbers)
    record("tracks.count", torch.tensor([len(found)]))
    for k, track in enumerate(found):
        frames, boxes = track.filled()
        record(f"tracks.{k}.frame", torch.from_numpy(frames))
        record(f"tracks.{k}.bbox", torch.from_numpy(boxes))
    record("tracks.iou", torch.tensor([tracks.iou(one, other) for one, other in IOUS], dtype=torch.float64))


def _crops(case: Case, name: str, frames: np.ndarray, record: Record) -> None:
    numbers, boxes = case.arrays[f"{name}.frame"], case.arrays[f"{name}.bbox"]
    record(f"{name}.frame", torch.from_numpy(numbers))
    record(f"{name}.bbox", torch.from_numpy(boxes))
    smoothed = crops.smooth(crops.geometry(boxes))
    for column, part in enumerate("sxy"):
        record(f"{name}.{part}", torch.from_numpy(smoothed[:, column]))
    record(f"{name}.pad", torch.tensor([crops.padding(half) for half, _, _ in smoothed]))
    record(f"{name}.rect", torch.tensor([crops.rectangle(*place) for place in smoothed]))
    shapes = [crops.face(frames[number], *place).shape[:2] for number, place in zip(numbers, smoothed)]
    record(f"{name}.face_shape", torch.tensor(shapes))
    cut = np.stack([crops.crop(frames[number], *place) for number, place in zip(numbers, smoothed)])
    statistics = [(one.mean(), one.std(), one.min(), one.max()) for one in cut]
    record(f"{name}.frame_stats", torch.tensor(statistics, dtype=torch.float64))
    record(f"{name}.crops_bgr", torch.from_numpy(cut))
    if f"{name}.block16.frames" in case.arrays:
        chosen = case.arrays[f"{name}.block16.frames"]
        record(f"{name}.block16.frames", torch.from_numpy(chosen))
        blocks = cut[chosen].reshape(-1, SIDE // 16, 16, SIDE // 16, 16, 3).mean((2, 4))
        record(f"{name}.block16", torch.from_numpy(blocks))


def _landmarks(case: Case, record: Record) -> None:
    arrays = {key.removeprefix("landmarks."): a for key, a in case.arrays.items() if key.startswith("landmarks.")}
    for name, array in arrays.items():
        record(f"landmarks.{name}", torch.from_numpy(array))
    for kind in ("subpixel", "integer"):
        points = {k: np.floor(a + 0.5) if kind == "integer" and a.ndim == 3 else a for k, a in arrays.items()}
        whole = [scripts.Video(points[f"{name}.fake"], points[f"{name}.real"]) for name in "ab"]
        missing = [
            video._replace(missing=points[f"{name}.fake_missing"], real_missing=points[f"{name}.real_missing"])
            for name, video in zip("ab", whole)
        ]
        for faces, videos in (("all", whole), ("missing", missing)):
            record(f"lmd.atvgnet.{kind}.{faces}", torch.tensor(scripts.atvgnet(videos), dtype=torch.float64))
            each = [values for video in videos if (values := scripts.eat(video)) is not None]
            record(f"lmd.eat.{kind}.{faces}.per_video", torch.from_numpy(np.stack(each)))
            record(f"lmd.eat.{kind}.{faces}.mean", torch.from_numpy(np.mean(each, axis=0)))
        for part, chosen in (("mouth", scripts.MOUTH), ("face", slice(None))):
            record(f"lmd.radnerf.{kind}.{part}", torch.tensor(scripts.radnerf(whole, chosen), dtype=torch.float64))
    if "long.fake" not in arrays:
        return
    long = scripts.Video(arrays["long.fake"], arrays["long.real"])
    for name, first in (("only96", True), ("not_only96", False)):
        values = scripts.eat(long, first)
        assert values is not None  # every frame has a face
        record(f"lmd.eat.{name}", torch.from_numpy(values))
