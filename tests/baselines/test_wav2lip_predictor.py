"""Wav2Lip behind the interface of models driven by sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data
from support import golden_cases
from support.refused import refused
from torch import Tensor

from baselines import registry
from baselines.errors import ModelError
from baselines.synthetic_weights import make_voice
from baselines.talking import Talk
from baselines.wav2lip import finders, mel, parity
from baselines.wav2lip.finders import CachedFinder, Finder
from baselines.wav2lip.predictor import NO_FACE, NOT_FINITE, Wav2LipPredictor
from protocols.sound import Sound

CPU = torch.device("cpu")


def load(options: str = "weights=untrained", weights: Path | None = None, name: str = "wav2lip") -> Wav2LipPredictor:
    made = registry.load(f"{name}?{options}" if options else name, weights=weights, device=CPU)
    assert isinstance(made, Wav2LipPredictor)
    return made


@pytest.fixture(scope="module")
def untrained() -> Wav2LipPredictor:
    return load()


def talk(frames: Sequence[Tensor], rate: float = 25.0, samples: np.ndarray | None = None) -> Talk:
    """A clip of these frames and of a voice, or of other samples."""
    heard = Sound(make_voice(0) if samples is None else samples, 16000)
    return Talk("c", heard, tuple(k / rate for k in range(len(frames))), rate, lambda: iter(frames), "anna", 0)


def faces(count: int) -> list[Tensor]:
    """A face that moves to the right by two pixels a frame."""
    picture = torch.from_numpy(np.ascontiguousarray(data.astronaut()[:220, 90:352])).permute(2, 0, 1) / 255
    return [picture[:, :, 40 - 2 * k : 240 - 2 * k].contiguous() for k in range(count)]


def made(model: Wav2LipPredictor, asked: Talk) -> list[Tensor | str]:
    return list(model.talk(asked))


def levels(frames: Sequence[Tensor | str]) -> np.ndarray:
    assert all(isinstance(frame, Tensor) for frame in frames)
    return (torch.stack([frame for frame in frames if isinstance(frame, Tensor)]) * 255).round().byte().numpy()


def test_equals_the_official_program_with_its_boxes(monkeypatch: pytest.MonkeyPatch, untrained: Wav2LipPredictor):
    net, case = golden_cases.filled("wav2lip")
    frames = parity.make_frames(0, parity.PASTED, parity.PASTED_SIDE)[:, parity.PASTED_ROWS]
    official = torch.from_numpy(case.arrays["paste.frame_stats"][: len(frames)]).double()
    detections: Iterator[np.ndarray] = iter(case.arrays["boxes.detections"].astype(float))
    monkeypatch.setattr(untrained, "network", net)
    monkeypatch.setattr(untrained, "finder", Finder("given", lambda frame: next(detections)))
    monkeypatch.setattr(finders, "CachedFinder", lambda finder: finder.find)  # some of these frames are equal
    shown = [torch.from_numpy(frame[..., ::-1] / np.float32(255)).permute(2, 0, 1) for frame in frames]
    pasted = torch.from_numpy(levels(made(untrained, talk(shown)))).double()
    ours = [torch.stack([x.mean(), x.std(correction=0), x.min(), x.max()]) for x in pasted]
    difference = (torch.stack(ours) - official).abs()
    assert difference[:, :2].max() < 1e-3 and difference[:, 2:].max() <= 1  # rounding may move one level over its edge
    blank = torch.from_numpy(levels(shown)).double()
    assert ((blank.mean((1, 2, 3)) - official[:, 0]).abs() > 0.1).all()  # which it would not be without a face


@pytest.mark.parametrize("fps", [25, 29.97, 30, 24, 50])
def test_windows_begin_where_the_official_ones_do(fps: float, untrained: Wav2LipPredictor):
    official = mel.window_starts(1000, fps)[:-1]
    times = [round(k / fps, 6) for k in range(len(official))]
    assert [mel.first_column(time) for time in times] == official


def test_no_frame_depends_on_how_many_are_made_at_a_time(untrained: Wav2LipPredictor):
    asked = talk(faces(7))
    results = []
    for size in (1, 3, 16):
        untrained.at_once = size
        results.append(levels(made(untrained, asked)))
    assert (results[0] == results[1]).all() and (results[0] == results[2]).all()
    assert results[0].shape == (7, 3, 220, 200)
    before = levels(faces(7))
    assert (results[0] != before).any((1, 2, 3)).all()
    assert (results[0][:, :, :30] == before[:, :, :30]).all()  # above the face


def test_a_frame_without_a_face_fails_alone(untrained: Wav2LipPredictor):
    frames = faces(6)
    whole = levels(made(untrained, talk(frames)))
    frames[2] = torch.full_like(frames[2], 0.5)
    result = made(untrained, talk(frames))
    assert result[2] == NO_FACE
    assert all(isinstance(frame, Tensor) for k, frame in enumerate(result) if k != 2)
    assert np.abs(levels(result[3:]).astype(int) - whole[3:]).mean() < 4
    assert made(untrained, talk([frames[2]] * 3)) == [NO_FACE] * 3


def test_sound_that_ends_early_and_silence_have_a_frame_each(untrained: Wav2LipPredictor):
    for samples in (np.zeros(0, np.int16), np.zeros(500, np.int16), make_voice(0)[:4000]):
        assert levels(made(untrained, talk(faces(8), samples=samples))).shape[0] == 8


def test_numbers_that_are_not_finite_are_no_black_faces():
    broken = load("weights=untrained&box=60:180:40:160")
    with torch.no_grad():
        for parameter in broken.network.parameters():
            parameter.fill_(torch.nan)
    assert made(broken, talk(faces(2))) == [NOT_FINITE, NOT_FINITE]


def test_options_are_the_published_programs():
    model = load("weights=untrained&box=20:120:60:150&precision=bfloat16")
    before, after = levels(faces(2)), levels(made(model, talk(faces(2))))
    assert (before[:, :, 20:120, 60:150] != after[:, :, 20:120, 60:150]).mean() > 0.5
    before[:, :, 20:120, 60:150] = after[:, :, 20:120, 60:150]
    assert (before == after).all()
    conventions = model.describe()["conventions"]
    assert conventions["box"] == (20, 120, 60, 150) and conventions["precision"] == "bfloat16"
    outside = load("weights=untrained&box=20:520:60:150")
    assert all("(20, 520, 60, 150)" in str(frame) for frame in made(outside, talk(faces(2))))
    wide = load("weights=untrained&pads=5:20:8:6&nosmooth=true").describe()["conventions"]
    assert wide["pads"] == (5, 20, 8, 6) and wide["smooth"] is False
    assert wide["finder"].startswith("blazeface, ")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("pads=1:2:3", "bad-value"),
        ("pads=1:2:3:-4", "bad-value"),
        ("box=20:10:0:9", "bad-value"),
        ("box=0:10:0:9&pads=0:0:0:0", "unused-option"),
        ("nosmooth=yes", "bad-value"),
        ("finder=dlib", "bad-value"),
        ("finder=s3fd", "missing-file"),
        ("precision=float16", "bad-value"),
        ("resize=true", "unknown-option"),
    ],
)
def test_wrong_options_are_one_line(options: str, code: str):
    with refused(ModelError, code):
        load(f"weights=untrained&{options}")


def test_official_checkpoints_are_read_by_their_layout(tmp_path: Path, untrained: Wav2LipPredictor):
    state = untrained.network["wav2lip"].state_dict()
    content = {
        "state_dict": {f"module.{key}": value + (1 if key.endswith("bias") else 0) for key, value in state.items()},
        "optimizer": {"state": {}, "param_groups": []},
        "global_step": 7,
        "global_epoch": 1,
    }
    (tmp_path / "wav2lip").mkdir()
    for file, name in (("wav2lip_gan.pth", "wav2lip-gan"), ("wav2lip.pth", "wav2lip")):
        torch.save(content, tmp_path / "wav2lip" / file)
        model = load("", tmp_path, name)
        facts = model.describe()
        assert (facts["weights_file"], facts["weights_status"]) == (file, "unverified")
        bias = "output_block.1.bias"
        assert torch.equal(model.network["wav2lip"].state_dict()[bias], state[bias] + 1)
    with refused(ModelError, "missing-weights", "wav2lip.pth"):
        load("")
    del content["state_dict"]["module.output_block.1.bias"]
    torch.save(content, tmp_path / "wav2lip" / "wav2lip.pth")
    with refused(ModelError, "other-network", "output_block.1.bias"):
        load("", tmp_path)


def test_boxes_of_equal_frames_are_found_once():
    seen = []

    def find(frame: np.ndarray) -> np.ndarray | None:
        seen.append(frame.mean())
        return None if frame.mean() < 5 else np.full(4, frame.mean())

    finder = CachedFinder(Finder("given", find))
    frames = [np.full((4, 4, 3), level, np.uint8) for level in (3, 9, 3, 9, 9)]
    found = [finder(frame) for frame in frames]
    assert seen == [3, 9]
    assert [None if box is None else box[0] for box in found] == [None, 9, None, 9, 9]
