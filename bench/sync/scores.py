"""Sync-C, Sync-D and offset of a clip, and their averages over a data set under the two conventions of Wav2Lip.

Sync-C and Sync-D of avatar papers are LSE-C and LSE-D of lip-sync papers (Prajwal et al., ACM MM 2020, 4.2): confidence
and minimum distance of SyncNet (Chung and Zisserman 2016). Wav2Lip's scripts differ in how they average them
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
    """Scores of one clip, or of one face track of a video.

    distance: Sync-D, LSE-D. confidence: Sync-C, LSE-C. offset: in video frames at 25 per second, negative if the sound
    is late. windows: number of windows of five frames.
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
    """Return the number of windows that count, given the numbers of embeddings; 0 if there are too few.

    The published code leaves out the last window that fits, and counts only windows with sound.
    """
    return max(0, min(embeddings - 1, samples * FPS // RATE - SPAN))


def voice(net: SyncNet, sound: Sound, first: int, last: int) -> Tensor:
    """Return features ``(last - first, 1024)`` of windows of sound at 16 kHz, from window `first` at 0.04 `first` s."""
    before = min(first, 1)  # the first sample of a part has no predecessor; its window is dropped
    begin, count = first - before, last - first + before
    samples = sound.cut(begin / FPS, (count - 1) * HOP + SPAN_SAMPLES)
    found = audio_windows(samples, count)[before:].to(next(net.parameters()).device)
    with torch.inference_mode():
        return torch.cat([net.audio(part) for part in found.split(BATCH)]).cpu()


def mean_of_clips(clips: Iterable[Score]) -> tuple[float, float]:
    """Return LSE-D, LSE-C of a set as in Wav2Lip's script for LRS: every clip has the same weight.

    The clips are face crops: whole frames are resized (`bench.sync.crops.resize`), without face detection.
    """
    return _mean(list(clips))


def mean_of_tracks(videos: Iterable[Sequence[Score]]) -> tuple[float, float]:
    """Return LSE-D, LSE-C of a set as in Wav2Lip's script for real videos, which prints a line per face track.

    A video with two tracks counts twice, one without a track does not count.
    """
    return _mean([track for video in videos for track in video])


def _mean(scores: Sequence[Score]) -> tuple[float, float]:
    if not scores:
        return float("nan"), float("nan")
    return float(np.mean([one.distance for one in scores])), float(np.mean([one.confidence for one in scores]))
