"""Recompute the golden arrays of AD-NeRF's speech features: front end, windows, audio networks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from baselines.parity import Case, Record, hooks
from baselines.speech import deepspeech
from baselines.speech.audio_net import AudioAttNet, AudioNet, smoothed, surroundings
from baselines.speech.mfcc import RATE
from baselines.synthetic_weights import fill

SAMPLES, WHOLE = 52000, 32000  # of the sound, and of the networks' input
VOCA_RATE = 60
FRAME = 10  # whose attention and activations are recorded


def build(spec: Mapping[str, Any]) -> nn.ModuleDict:
    """See `baselines.parity`."""
    config = spec["config"]
    return nn.ModuleDict(
        {
            "network_audnet_state_dict": AudioNet(config["num_logits"], config["dim_aud"]),
            "network_audattnet_state_dict": AudioAttNet(),
        }
    )


def compute(nets: nn.ModuleDict, case: Case, record: Record) -> None:
    """See `baselines.parity`. Modes are ``n<samples>`` and ``n<samples>_frames<frames>``."""
    seed = case.spec["seed"]
    voice = make_voice(seed)
    record("audio.int16", torch.from_numpy(voice))
    voice = case.arrays.get("audio.int16", voice)
    modes = dict.fromkeys(name.partition(".")[0] for name in case.arrays)
    for mode in modes:
        if found := re.fullmatch(r"n(\d+)(?:_frames(\d+))?", mode):
            _features(mode, voice[: int(found[1])], int(found[2]) if found[2] else None, seed, record)
    part = voice[:WHOLE]
    record(f"n{WHOLE}.mfcc", torch.from_numpy(deepspeech.mfcc26(part)))
    logits = stub_logits(deepspeech.inputs(part)[0], seed)
    voca = deepspeech.windows(deepspeech.resampled(logits, len(part), VOCA_RATE), stride=1)
    record("voca.counts", torch.tensor([len(voca), len(voca)]))
    record("voca.windows", torch.from_numpy(voca))
    if case.has("audionet"):
        _networks(nets, deepspeech.ad_nerf(logits, len(part)), case, record)


def make_voice(seed: int) -> np.ndarray:
    """Return three modulated tones of 3.25 s, int16 at 16 kHz."""
    angle = 2 * np.pi * np.arange(SAMPLES) / RATE
    x = 0.35 * np.sin((220 + 10 * seed) * angle + 0.5 * np.sin(3 * angle))
    x += 0.25 * np.sin((870 + 30 * seed) * angle) * (0.5 + 0.5 * np.sin(4 * angle))
    x += 0.15 * np.sin((2600 + 50 * seed) * angle + 1) * (0.5 + 0.5 * np.cos(7 * angle))
    return np.floor(12000 * x + 0.5).astype(np.int16)


def stub_logits(inputs: np.ndarray, seed: int) -> np.ndarray:
    """Return logits ``(steps, 29)`` of a linear map that replaces the speech recognizer."""
    weight = fill("deepspeech_stub.weight", (deepspeech.LETTERS, inputs.shape[1]), seed).astype(float)
    return inputs @ weight.T + fill("deepspeech_stub.bias", (deepspeech.LETTERS,), seed).astype(float)


def _features(mode: str, samples: np.ndarray, frames: int | None, seed: int, record: Record) -> None:
    inputs, _, _ = deepspeech.inputs(samples)
    record(f"{mode}.input", torch.from_numpy(inputs))
    record(f"{mode}.input.mean_std", torch.tensor([inputs.mean(), inputs.std()]))
    logits = stub_logits(inputs, seed)
    record(f"{mode}.logits", torch.from_numpy(logits))
    rows = deepspeech.resampled(logits, len(samples), frames=frames)[:-1]
    record(f"{mode}.resampled", torch.from_numpy(rows))
    windows = deepspeech.ad_nerf(logits, len(samples), frames)
    record(f"{mode}.windows", torch.from_numpy(windows))
    record(f"{mode}.counts", torch.tensor([len(samples), len(inputs), len(rows), len(windows)]))


def _networks(nets: nn.ModuleDict, windows: np.ndarray, case: Case, record: Record) -> None:
    net, attention = nets["network_audnet_state_dict"], nets["network_audattnet_state_dict"]
    assert isinstance(net, AudioNet) and isinstance(attention, AudioAttNet)  # see `build`
    given = torch.from_numpy(windows).float()
    record("audionet.input_frames", torch.tensor([len(windows)]))
    with hooks(record) as installed:
        for part in ("encoder_conv", "encoder_fc1"):
            for number, module in enumerate(getattr(net, part)):
                installed.output(module, f"feature.audionet.{part}.{number}")
        net(given[FRAME : FRAME + 1])
    record("audionet.features", net(given))
    record("audioattnet.smoothed", smoothed(net, attention, given))
    record("audioattnet.attention_frame10", attention.attention(net(surroundings(given)[FRAME])[None])[0])
