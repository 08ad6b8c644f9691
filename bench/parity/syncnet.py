"""Recompute SyncNet's golden arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.parity import Case, Record, hooks
from baselines.speech.mfcc import filterbank, mfcc, power_spectrum
from baselines.synthetic_weights import fill, image_pair, make_voice
from bench.detectors.syncnet import SIDE, SPAN, VSHIFT, Sync, SyncNet, audio_windows, lip_features, synchronise, usable

FRAMES, SHORT = 40, 20000
PROBE, PROBE_SHIFT = 35, 4


def build(spec: Mapping[str, Any]) -> nn.ModuleDict:
    """See `baselines.parity`."""
    return nn.ModuleDict({"S": SyncNet(spec["config"]["num_layers_in_fc_layers"])})


def compute(nets: nn.ModuleDict, case: Case, record: Record) -> None:
    """See `baselines.parity`."""
    net = nets["S"]
    assert isinstance(net, SyncNet)  # see `build`
    seed, vshift = case.spec["seed"], case.spec["config"].get("vshift", VSHIFT)
    for name, image in zip(("source", "driving"), image_pair(seed, SIDE)):
        record(f"image.{name}", image[0])
    video = make_video(seed)
    record("video.frame_sum", video.long().sum((1, 2, 3)))
    record("video.rgb", video)
    record("audio.int16", torch.from_numpy(make_voice(seed)))
    voice = case.arrays.get("audio.int16", make_voice(seed))
    _front_end(voice, record)
    if case.has("clip0"):
        _first_window(net, video, voice, record)
    lengths = {"evaluate": len(voice), "short_audio": SHORT}
    windows = {mode: usable(FRAMES, length) for mode, length in lengths.items() if case.has(mode)}
    needed = FRAMES - SPAN + 1 if case.wants("extract_feature") else max(windows.values(), default=0)
    if needed:
        features = lip_features(net, video, needed)
        record("extract_feature", features)
        lips = net.lip(features)
    for mode, count in windows.items():
        audio = net.audio(audio_windows(voice[: lengths[mode]], count))
        record(f"{mode}.lip_features", lips[:count])
        record(f"{mode}.audio_features", audio)
        record_sync(mode, synchronise(lips[:count], audio, vshift), record)
    lip, noise = (20 * torch.from_numpy(fill(name, (PROBE, 1024), seed)) for name in ("probe_im", "probe_noise"))
    late = noise.clone()
    late[PROBE_SHIFT:] = lip[:-PROBE_SHIFT] + 0.5 * noise[PROBE_SHIFT:]
    record_sync("probe", synchronise(lip, late, vshift), record)


def make_video(seed: int) -> Tensor:
    """Return faces that alternate between two pictures, uint8 RGB ``(40, 224, 224, 3)``."""
    source, driving = image_pair(seed, SIDE)
    share = torch.tensor([abs((3 * t) % 16 - 8) / 8 for t in range(FRAMES)], dtype=torch.float64)[:, None, None, None]
    mixed = (1 - share) * source.double() + share * driving.double()
    return (255 * mixed + 0.5).floor().to(torch.uint8).permute(0, 2, 3, 1)


def _front_end(voice: np.ndarray, record: Record) -> None:
    power, filters = power_spectrum(voice), filterbank()
    record("mfcc.filterbank", torch.from_numpy(filters))
    record("mfcc.frame_energy", torch.from_numpy(power.sum(1)))
    record("mfcc.filterbank_energies_frame0", torch.from_numpy(filters @ power[0]))
    record("mfcc", torch.from_numpy(mfcc(voice)))


def _first_window(net: SyncNet, video: Tensor, voice: np.ndarray, record: Record) -> None:
    streams = {"lip": net.netcnnlip, "lip_fc": net.netfclip, "aud": net.netcnnaud, "aud_fc": net.netfcaud}
    with hooks(record) as hook:
        for name, layers in streams.items():
            for place, layer in enumerate(layers):
                hook.output(layer, f"clip0.{name}.{place}")
        net.lip(lip_features(net, video, 1))
        net.audio(audio_windows(voice, 1))


def record_sync(mode: str, sync: Sync, record: Record) -> None:
    """Record distances, scores and offset of a mode."""
    record(f"{mode}.dists", sync.distances)
    record(f"{mode}.mean_distance", sync.mean_distance)
    record(f"{mode}.av_offset", sync.offset[None])
    record(f"{mode}.min_distance", sync.min_distance[None])
    record(f"{mode}.confidence", sync.confidence[None])
    record(f"{mode}.framewise_confidence_raw", sync.framewise_raw)
    record(f"{mode}.framewise_confidence", sync.framewise)
