"""Wav2Lip's networks, sound front end and cutting are equal to the official ones, and do what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import golden_cases

from baselines.wav2lip import face, mel
from baselines.wav2lip.network import Expert, Wav2Lip, mouths, sync_loss
from bench.parity import compare as golden

SHORT = ("image", "crops", "audio", "mel", "window", "chunks", "boxes", "training_shape", "expert")


def noise(count: int, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(count)


def test_equals_the_official_front_end_networks_and_boxes() -> None:
    assert golden_cases.differing(*golden_cases.filled("wav2lip"), *SHORT) == []


@pytest.mark.slow
def test_equals_the_official_videos() -> None:
    assert golden_cases.differing(*golden_cases.filled("wav2lip")) == []


def test_a_lost_shortcut_is_seen() -> None:
    net, case = golden_cases.filled("wav2lip")
    block = net["wav2lip"].face_decoder_blocks[5][1]
    try:
        block.residual = False
        different = golden_cases.differing(net, case, "window", "mel")
    finally:
        block.residual = True
    assert different == ["window.prediction"]


def test_parameters_are_the_published_ones() -> None:
    with torch.device("meta"):
        counts = [sum(p.numel() for p in net.parameters()) for net in (Wav2Lip(), Expert())]
    assert counts == [36_298_035, 16_435_072]


def test_rounding_up_where_the_program_truncates_is_seen() -> None:
    levels = np.arange(1000.0)
    once = {"whole": levels}
    flipped = torch.from_numpy(levels)
    flipped[7] += 1
    assert golden.compare("paste.frames_bgr", flipped, once).ok
    assert not golden.compare("paste.frames_bgr", torch.from_numpy(levels + np.arange(1000) % 2), once).ok
    assert not golden.compare("paste.frames_bgr", flipped + 2 * (flipped == 8), once).ok


def test_clips_are_their_frames_one_by_one() -> None:
    net, _ = golden_cases.filled("wav2lip")
    draw = torch.Generator().manual_seed(0)
    sound, faces = torch.randn(2, 3, 1, 80, 16, generator=draw), torch.rand(2, 6, 3, 96, 96, generator=draw)
    with torch.inference_mode():
        together = net["wav2lip"](sound, faces)
        for item, step in ((0, 2), (1, 0)):
            alone = net["wav2lip"](sound[item : item + 1, step], faces[item : item + 1, :, step])
            torch.testing.assert_close(together[item, :, step], alone[0], atol=1e-4, rtol=0)


def test_the_expert_sees_mouths_alone_and_its_loss_is_of_the_cosine() -> None:
    faces = torch.rand(1, 5, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    other = faces.clone()
    other[..., :48, :] = 0
    assert torch.equal(mouths(faces), mouths(other)) and torch.equal(mouths(faces)[0, 3:6], faces[0, 1, :, 48:])
    audio = torch.tensor([[1.0, 0.0]])
    near, far = torch.tensor([[0.8, 0.6]]), torch.tensor([[0.6, 0.8]])
    losses = [float(sync_loss(audio, lips, target)) for lips in (near, far) for target in (1, 0)]
    assert losses == pytest.approx([-np.log(x) for x in (0.8, 0.2, 0.6, 0.4)], rel=1e-5)


def test_later_sound_is_a_later_spectrogram_and_quieter_sound_a_lower_one() -> None:
    sound = noise(8000)
    whole = mel.log_mel(sound)
    late = mel.log_mel(np.concatenate([noise(3 * mel.HOP, seed=1), sound]))
    np.testing.assert_allclose(late[:, 8:-2], whole[:, 5:-2], atol=1e-5)
    quiet = mel.log_mel(sound / 10)  # 20 dB of the 100 dB that the 8 units span
    inside = (quiet > -4) & (whole < 4)
    assert inside.mean() > 0.9
    np.testing.assert_allclose((whole - quiet)[inside], 1.6, atol=1e-5)


def test_silence_is_the_lowest_value_and_a_tone_lies_in_its_band() -> None:
    assert (mel.log_mel(np.zeros(4000)) == -4).all()
    tone = mel.log_mel(0.5 * np.sin(2 * np.pi * 1000 * np.arange(8000) / mel.RATE))
    assert mel.filter_bank()[:, 50].argmax() == tone[:, 20].argmax()  # bins are 20 Hz apart


@given(st.integers(16, 2000), st.floats(5, 120))
def test_windows_follow_the_clock_of_the_video(columns: int, fps: float) -> None:
    starts = mel.window_starts(columns, fps)
    assert starts[0] == 0 and starts[-1] == columns - 16 and starts == sorted(starts)
    clock = [80 * frame / fps for frame in range(len(starts) - 1)]
    assert all(-1e-9 <= at - start < 1 + 1e-9 for at, start in zip(clock, starts))
    assert 80 * (len(starts) - 1) / fps > columns - 16 - 1e-9  # none is missing


def test_bad_sound_and_rates_are_refused() -> None:
    for sound in (np.zeros(0), np.zeros((2, 800)), np.zeros(800, np.int16)):
        with pytest.raises(ValueError, match="mono sound"):
            mel.log_mel(sound)
    for columns, fps in ((15, 25), (100, 0), (100, -25), (100, np.inf), (100, np.nan)):
        with pytest.raises(ValueError, match=r"shorter|positive"):
            mel.window_starts(columns, fps)


def test_a_still_face_has_still_boxes_and_smoothing_spares_its_input() -> None:
    still = np.tile([10, 60, 20, 70], (9, 1))
    assert (face.smooth(still) == still).all()
    moving = still + np.arange(9)[:, None]
    kept = moving.copy()
    assert (face.smooth(moving)[:5] == moving[2:7]).all() and (moving == kept).all()  # the middle of five
    assert len(face.smooth(still[:0])) == 0


def test_boxes_end_at_the_frame() -> None:
    found = face.boxes(np.array([[-5.0, 30.9, 50.2, 95.7]]), (100, 40))
    assert found.tolist() == [[30, 100, 0, 40]]


def test_the_reference_is_whole_and_the_masked_face_lacks_its_lower_half() -> None:
    faces = np.random.default_rng(0).integers(1, 256, (2, 96, 96, 3), dtype=np.uint8)
    shown = face.network_input(faces)
    assert (np.round(shown[:, 3:] * 255).transpose(0, 2, 3, 1) == faces).all()
    assert (shown[:, :3, :48] == shown[:, 3:, :48]).all() and not shown[:, :3, 48:].any()


def test_pasting_changes_the_box_alone() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (120, 130, 3), dtype=np.uint8)
    box = np.array([10, 106, 20, 116])
    pasted = face.paste(frame, np.full((3, 96, 96), 0.999, np.float32), box)
    assert (pasted[10:106, 20:116] == 254).all()  # truncated
    pasted[10:106, 20:116] = frame[10:106, 20:116]
    assert (pasted == frame).all()
    assert (face.crop(frame, box) == frame[10:106, 20:116]).all()


def test_a_box_without_pixels_is_refused() -> None:
    frame = np.zeros((50, 60, 3), np.uint8)
    for box in ([10, 10, 0, 5], [10, 5, 0, 5], [0, 51, 0, 5], [0, 5, -1, 5]):
        with pytest.raises(ValueError, match=rf"^box \({', '.join(map(str, box))}\) .*\b50x60$"):
            face.crop(frame, np.array(box))
