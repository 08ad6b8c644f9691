from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from baselines.parity import Case
from baselines.speech import deepspeech
from baselines.speech.audio_net import AudioAttNet, AudioNet, smoothed
from bench.parity import audio_features, compare, verify

FOLDER = Path(__file__).parent / "golden" / "audio_features"


def test_all_arrays_agree():
    case = compare.read(FOLDER)
    comparer = verify.verify(FOLDER, case)
    assert [result.name for result in comparer.results if not result.ok] == []
    assert comparer.left() == [] and len(comparer.results) == len(comparer.golden) > 25


def test_a_piece_of_a_sound_has_other_inputs_than_the_sound():
    voice = audio_features.make_voice(0)
    whole, _, _ = deepspeech.inputs(voice)
    piece, _, _ = deepspeech.inputs(voice[:32000])
    assert np.abs(whole[:80] - piece[:80]).max() > 0.01


@pytest.mark.parametrize(("samples", "rows"), [(16000, 50), (16160, 50), (16480, 52)])  # half to even
def test_rows_of_a_second_are_rounded_half_to_even(samples, rows):
    logits = np.arange(60.0)[:, None]
    assert len(deepspeech.resampled(logits, samples)) == rows


def test_windows_lie_around_their_row():
    found = deepspeech.windows(np.arange(1.0, 21)[:, None])[..., 0]
    assert found.shape == (10, 16)
    assert found[3].tolist() == [0, 0, *range(1, 15)]  # rows -2 … 13 of row 6


def test_frames_at_the_ends_hear_zero_windows():
    net, attention = AudioNet().eval(), AudioAttNet().eval()
    windows = torch.randn(5, 16, 29)
    alone = attention(net(torch.cat([torch.zeros(4, 16, 29), windows[:4]]))[None])
    torch.testing.assert_close(smoothed(net, attention, windows)[:1], alone)
    shares = attention.attention(torch.randn(3, 8, 64))
    torch.testing.assert_close(shares.sum(1), torch.ones(3))


def test_a_wrong_number_is_found():
    case = compare.read(FOLDER)
    wrong = {**case.arrays, "audionet.features": case.arrays["audionet.features"] + 0.01}
    comparer = verify.verify(FOLDER, Case(case.spec, wrong))
    assert [result.name for result in comparer.results if not result.ok] == ["audionet.features"]


def test_the_command_reads_the_folder():
    assert verify.run([FOLDER], Console(quiet=True)) == 0
