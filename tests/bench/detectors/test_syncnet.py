"""SyncNet against numbers of the published network, and what its distances must mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import medfilt
from support.refused import refused
from torch import Tensor
from torch.nn import functional as F

from baselines.parity import Case
from baselines.synthetic_weights import make_voice
from bench.detectors import syncnet
from bench.parity import compare as golden
from bench.parity import verify
from bench.parity.syncnet import make_video
from bench.runtime.errors import UserError

FOLDER = Path(__file__).parent / "golden" / "syncnet"


@pytest.fixture(scope="module")
def case() -> Case:
    return golden.read(FOLDER)


@pytest.fixture(scope="module")
def net(case: Case) -> syncnet.SyncNet:
    return verify.build(FOLDER, case, golden.Comparer(case))["S"]


@pytest.fixture(scope="module")
def features() -> tuple[Tensor, Tensor]:
    """Features of 40 windows of two clips, ``(2, 40, 32)``."""
    lip = torch.randn(2, 40, 32, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(2, 40, 32, generator=torch.Generator().manual_seed(1))
    return lip, lip + 0.3 * noise


def late(x: Tensor, frames: int) -> Tensor:
    """Features that come later by so many frames, earlier where negative; the others wrap around."""
    return x.roll(frames, -2)


def results(case: Case) -> list[golden.Comparison]:
    comparer = verify.verify(FOLDER, case)
    assert comparer.left() == []
    assert max(result.ratio for result in comparer.results) < 0.5, comparer.results  # far from the tolerance
    return comparer.results


def test_front_end_layers_and_offsets_agree(case: Case) -> None:
    many = ("evaluate.", "short_audio.", "extract_feature")  # modes of many windows
    few = {name: array for name, array in case.arrays.items() if not name.startswith(many)}
    assert len(results(Case(case.spec, few))) == 36


@pytest.mark.slow
def test_every_array_agrees(case: Case) -> None:
    assert len(results(case)) == 53


def test_evaluation_of_a_clip(net: syncnet.SyncNet, case: Case) -> None:
    sync = syncnet.evaluate(net, make_video(0), make_voice(0)[:20000], batch=7)
    arrays = {name.removeprefix("short_audio.").removesuffix(".value"): a for name, a in case.arrays.items()}
    assert sync.distances.shape == (26, 31) and sync.offset == arrays["av_offset"][0]
    np.testing.assert_allclose(sync.min_distance, arrays["min_distance"][0], atol=5e-5)
    np.testing.assert_allclose(sync.confidence, arrays["confidence"][0], atol=5e-5)
    np.testing.assert_allclose(sync.framewise, arrays["framewise_confidence"], atol=5e-5)


def test_colours_and_first_frame_matter(net: syncnet.SyncNet) -> None:
    video = make_video(0)[:6]
    with torch.inference_mode():
        first = syncnet.lip_features(net, video, 1)
        assert (first - syncnet.lip_features(net, video.flip(-1), 1)).abs().max() > 1e-2
        assert (first - syncnet.lip_features(net, video[1:], 1)).abs().max() > 1e-2


def test_windows_that_share_frames_are_the_windows_one_by_one(net: syncnet.SyncNet) -> None:
    video = make_video(0)[10:17]
    with torch.inference_mode():
        together = syncnet.lip_features(net, video, 3)
        alone = [syncnet.lip_features(net, video[i : i + 5], 1) for i in range(3)]
        torch.testing.assert_close(together, torch.cat(alone), atol=3e-5, rtol=1e-5)
        batch = torch.stack([video[:5], video[2:]]).flip(-1).permute(0, 4, 1, 2, 3).float()
        torch.testing.assert_close(net.lip_features(batch)[:, 0], together[[0, 2]], atol=3e-5, rtol=1e-5)
        sound = syncnet.audio_windows(make_voice(0), 3)
        one_by_one = torch.cat([net.audio(window[None]) for window in sound])
        torch.testing.assert_close(net.audio(sound), one_by_one, atol=3e-5, rtol=1e-5)
        lips = net.lip(together)
        torch.testing.assert_close(net.lip(together.view(3, 1, 512))[:, 0], lips, atol=3e-5, rtol=1e-5)


@pytest.mark.parametrize("frames", [-15, -4, -1, 0, 1, 6, 15])
def test_a_late_voice_has_a_negative_offset(features: tuple[Tensor, Tensor], frames: int) -> None:
    lip, audio = features
    sync = syncnet.synchronise(lip, late(audio, frames))
    assert sync.offset.tolist() == [-frames, -frames]


def test_unrelated_voice_has_less_confidence_and_more_distance(features: tuple[Tensor, Tensor]) -> None:
    lip, audio = features
    own, foreign = syncnet.synchronise(lip, audio), syncnet.synchronise(lip, audio.flip(0))
    assert (own.confidence > 10 * foreign.confidence).all() and (own.min_distance < foreign.min_distance).all()


def test_definitions(features: tuple[Tensor, Tensor]) -> None:
    lip, audio = features[0][0], late(features[1][0], 3)
    sync = syncnet.synchronise(lip, audio)
    padded = np.concatenate([np.zeros((15, 32)), audio.numpy(), np.zeros((15, 32))])
    distances = np.array(
        [[np.linalg.norm(lip[i].numpy() - padded[i + k] + 1e-6) for k in range(31)] for i in range(40)]
    )
    np.testing.assert_allclose(sync.distances, distances, rtol=1e-5)
    mean = distances.mean(0)
    assert sync.offset == 15 - mean.argmin()
    np.testing.assert_allclose(sync.min_distance, mean.min(), rtol=1e-5)
    np.testing.assert_allclose(sync.confidence, np.median(mean) - mean.min(), rtol=1e-5)
    raw = np.median(mean) - distances[:, mean.argmin()]
    np.testing.assert_allclose(sync.framewise_raw, raw, rtol=1e-4)
    np.testing.assert_allclose(sync.framewise, medfilt(raw, 9), rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_clip_does_not_depend_on_its_batch_or_dtype(features: tuple[Tensor, Tensor], dtype: torch.dtype) -> None:
    lip, audio = (x.to(dtype) for x in features)
    both = syncnet.synchronise(lip, audio)
    for clip in range(2):
        one = syncnet.synchronise(lip[clip], audio[clip])
        for name in vars(one):
            torch.testing.assert_close(getattr(both, name)[clip], getattr(one, name))
    assert both.confidence.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(both.confidence.float(), syncnet.synchronise(*features).confidence, atol=0.02, rtol=0)


def test_shifts_of_another_span(features: tuple[Tensor, Tensor]) -> None:
    sync = syncnet.synchronise(*features, vshift=5)
    wide = syncnet.synchronise(*features)
    assert sync.distances.shape == (2, 40, 11)
    torch.testing.assert_close(sync.distances, wide.distances[..., 10:21])


@pytest.mark.parametrize(
    ("frames", "samples", "windows"), [(40, 25600, 35), (40, 20000, 26), (6, 99999, 1), (99, 3840, 1)]
)
def test_usable_windows(frames: int, samples: int, windows: int) -> None:
    assert syncnet.usable(frames, samples) == windows


@pytest.mark.parametrize(("frames", "samples"), [(5, 99999), (99, 3839), (0, 0)])
def test_too_short_is_said(net: syncnet.SyncNet, frames: int, samples: int) -> None:
    faces = torch.zeros(frames, 224, 224, 3, dtype=torch.uint8)
    with refused(UserError, "too-few-frames", frames, samples):
        syncnet.evaluate(net, faces, np.zeros(samples, dtype=np.int16))


def test_every_window_has_its_sound() -> None:
    for frames in range(6, 60):
        samples = frames * 640
        windows = syncnet.usable(frames, samples)
        assert syncnet.audio_windows(np.ones(samples, dtype=np.int16), windows).shape == (windows, 1, 13, 20)


def test_weight_file(net: syncnet.SyncNet, tmp_path: Path) -> None:
    file = tmp_path / syncnet.FILE
    torch.save({key: value for key, value in net.state_dict().items() if "num_batches" not in key}, file)
    again = syncnet.read(file)
    assert not again.training
    windows = torch.linspace(-1, 1, 2 * 260).view(2, 1, 13, 20)
    with torch.inference_mode():
        assert torch.equal(again.audio(windows), net.audio(windows))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"a": torch.zeros(1)}, "other-network"),
        ({"netfcaud.0.weight": torch.zeros(2, 2)}, "other-network"),
        ({"a": 1}, "not-a-checkpoint"),
    ],
)
def test_wrong_weight_file_is_said(content: dict, code: str, tmp_path: Path) -> None:
    file = tmp_path / syncnet.FILE
    torch.save(content, file)
    with refused(UserError, code):
        syncnet.read(file)


def test_network_of_another_width_runs() -> None:
    net = syncnet.SyncNet(16).eval()
    with torch.inference_mode():
        assert net.audio(torch.zeros(3, 1, 13, 20)).shape == (3, 16)
        assert net.lip(torch.zeros(2, 3, 512)).shape == (2, 3, 16)


def test_distance_has_the_epsilon_of_the_published_code() -> None:
    same = torch.ones(12, 8)
    middle = syncnet.synchronise(same, same).distances[6, 15]
    torch.testing.assert_close(middle, F.pairwise_distance(same[:1], same[:1])[0])
