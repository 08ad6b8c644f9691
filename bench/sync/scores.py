"""Sync-C, Sync-D and offset of a clip, and what a data set's number is under the two conventions of Wav2Lip.

Sync-C and Sync-D of avatar papers are LSE-C and LSE-D of lip-sync papers (Prajwal et al., ACM MM 2020, 4.2): confidence
and least distance of SyncNet (Chung and Zisserman 2016). What they are averaged over differs between Wav2Lip's scripts
(Rudrabha/Wav2Lip, evaluation/scores_LSE, commit 5c90fa9).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from baselines.speech.mfcc import STEP, WINDOW
from bench.detectors.syncnet import COLUMNS, FPS, RATE, SPAN, SyncNet, audio_windows, synchronise
from protocols.sound import Sound

BATCH = 20
HOP = RATE // FPS
SPAN_SAMPLES = (COLUMNS - 1) * STEP + WINDOW  # of one window


@dataclass(frozen=True)
class Score:
    """Of one clip, or of one face track of a video.

    distance: Sync-D, LSE-D. confidence: Sync-C, LSE-C. offset: in video frames of 25 a second, negative where the sound
    comes late. windows: how many windows of five frames it is over.
    """

    distance: float
    confidence: float
    offset: int
    windows: int


def score(lip: Tensor, audio: Tensor) -> Score:
    """Compare float32 features ``(W, 1024)`` of mouth and voice over 31 shifts."""
    sync = synchronise(lip, audio)
    return Score(float(sync.min_distance), float(sync.confidence), int(sync.offset), len(lip))


def windows(embeddings: int, samples: int) -> int:
    """Number of windows that count, of so many embeddings of consecutive windows; 0 where there are too few.

    The published code leaves out the last window that fits, and counts windows with their sound only.
    """
    return max(0, min(embeddings - 1, samples * FPS // RATE - SPAN))


def voice(net: SyncNet, sound: Sound, first: int, last: int) -> Tensor:
    """Features ``(last - first, 1024)`` of the windows of sound at 16 kHz that begin at 0.04 `first` s, and so on."""
    before = min(first, 1)  # the first sample of a part has none before it; the window with it is dropped
    begin, count = first - before, last - first + before
    samples = sound.cut(begin / FPS, (count - 1) * HOP + SPAN_SAMPLES)
    found = audio_windows(samples, count)[before:].to(next(net.parameters()).device)
    with torch.inference_mode():
        return torch.cat([net.audio(part) for part in found.split(BATCH)]).cpu()


def mean_of_clips(clips: Iterable[Score]) -> tuple[float, float]:
    """LSE-D, LSE-C of a set as Wav2Lip's script for LRS has it: every clip counts once, however long.

    The clips are face crops already: whole frames are resized (`bench.sync.crops.resize`), no face is looked for.
    """
    return _mean(list(clips))


def mean_of_tracks(videos: Iterable[Sequence[Score]]) -> tuple[float, float]:
    """LSE-D, LSE-C of a set from what Wav2Lip's script for real videos prints: a line for every face track.

    A video with two tracks counts twice, one without a track not at all.
    """
    return _mean([track for video in videos for track in video])


def _mean(scores: Sequence[Score]) -> tuple[float, float]:
    if not scores:
        return float("nan"), float("nan")
    return float(np.mean([one.distance for one in scores])), float(np.mean([one.confidence for one in scores]))
