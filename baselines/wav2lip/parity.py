"""Recompute the arrays of Wav2Lip's golden folder: front end, generator, expert, boxes, whole videos."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.parity import Case, Record, hooks
from baselines.synthetic_weights import image_pair, make_voice
from baselines.wav2lip import face, mel
from baselines.wav2lip.network import SIDE, SPAN, Expert, Wav2Lip, mouths, sync_loss

FPS, BATCH = 25, 8
WINDOW = 40  # first column
CROPS, STILL = 20, 3
PASTED, PASTED_SIDE, PASTED_ROWS = 12, 200, slice(20, 180)
WIDE_PADS = (5, 20, 8, 6)
TRAINED = slice(4, 9)
GENERATED = 12  # first column


def build(spec: Mapping[str, Any]) -> nn.ModuleDict:
    """See `baselines.parity`."""
    return nn.ModuleDict({"wav2lip": Wav2Lip(), "syncnet_color": Expert()})


def compute(nets: nn.ModuleDict, case: Case, record: Record) -> None:
    """See `baselines.parity`. Arrays that are inputs of a mode, such as boxes and rates, are recorded as given."""
    for name in ("chunks.fps", "boxes.detections", "expert.first_frame"):
        if name in case.arrays:
            record(name, torch.from_numpy(case.arrays[name]))
    seed = case.spec["seed"]
    pair = image_pair(seed, SIDE)
    for name, image in zip(("source", "driving"), pair):
        record(f"image.{name}", image[0])
    crops = make_frames(seed, CROPS, SIDE)
    record("crops.frame_sum", torch.from_numpy(crops.astype(np.int64).sum((1, 2, 3))))
    record("crops.bgr", torch.from_numpy(crops))
    spectrogram = _front_end(seed, case, record)
    _window(nets, pair, spectrogram, record)
    for mode, fps, frames in (
        ("sequence", FPS, crops),
        ("sequence_fps30", 30, crops),
        ("still", FPS, crops[STILL : STILL + 1]),
    ):
        if case.has(mode):
            _video(nets, mode, frames, spectrogram, fps, record)
    if case.has("training_shape") or case.has("expert"):
        _expert(nets, case, crops, spectrogram, record)
    if case.has("boxes"):
        _boxes(case, record)
    if case.has("paste"):
        _paste(nets, case, spectrogram, record)


def make_frames(seed: int, count: int, side: int) -> np.ndarray:
    """Return frames that alternate smoothly between two images, uint8 BGR ``(count, side, side, 3)``."""
    source, driving = (image.double() for image in image_pair(seed, side))
    share = torch.tensor([abs((3 * t) % 16 - 8) / 8 for t in range(count)], dtype=torch.float64)[:, None, None, None]
    mixed = torch.floor(255 * ((1 - share) * source + share * driving) + 0.5).to(torch.uint8)
    return mixed.flip(1).permute(0, 2, 3, 1).contiguous().numpy()


def _front_end(seed: int, case: Case, record: Record) -> np.ndarray:
    """Return the spectrogram of the whole sound; record it and the others."""
    record("audio.int16", torch.from_numpy(make_voice(seed)))
    voice = case.arrays.get("audio.int16", make_voice(seed)).astype(np.float32) / 32768
    gated = voice.copy()
    gated[8000:16000] = 0
    record("mel.basis", torch.from_numpy(mel.filter_bank().copy()))
    sounds = {"official": voice, "gated": gated, "n20000": voice[:20000], "n20123": voice[:20123]}
    mels = {name: mel.log_mel(sound) for name, sound in sounds.items()}
    edges = mels | {"constant_pad": mel.log_mel(voice, "constant")}
    for name, columns in edges.items():
        record(f"mel.{name}", torch.from_numpy(columns))
        record(f"mel.{name}.edges", torch.from_numpy(np.concatenate([columns[:, :4], columns[:, -4:]], 1)))
    record("mel.frames", torch.tensor([columns.shape[1] for columns in mels.values()]))
    for place, fps in enumerate(case.arrays.get("chunks.fps", ())):
        for count in (mels["official"].shape[1], 1000):
            record(f"chunks.fps{place}.mel{count}", torch.tensor(mel.window_starts(count, float(fps))))
    return mels["official"]


def _window(nets: nn.ModuleDict, pair: tuple[Tensor, Tensor], spectrogram: np.ndarray, record: Record) -> None:
    sound = torch.from_numpy(mel.windows(spectrogram, [WINDOW]))
    source, driving = (image.flip(1) for image in pair)
    masked = driving.clone()
    masked[:, :, SIDE // 2 :] = 0
    shown = torch.cat([masked, source], 1)
    record("window.mel", sound[0, 0])
    record("window.face", shown)
    with hooks(record) as hook:
        hook.features(nets, "wav2lip")
        record("window.prediction", nets["wav2lip"](sound, shown))


def _predict(nets: nn.ModuleDict, faces: np.ndarray, sounds: np.ndarray, batch: int) -> Tensor:
    pairs = zip(torch.from_numpy(sounds).split(batch), torch.from_numpy(faces).split(batch))
    return torch.cat([nets["wav2lip"](sound, shown) for sound, shown in pairs])


def _video(
    nets: nn.ModuleDict, mode: str, frames: np.ndarray, spectrogram: np.ndarray, fps: float, record: Record
) -> None:
    starts = mel.window_starts(spectrogram.shape[1], fps)
    numbers = np.arange(len(starts)) % len(frames)
    prediction = _predict(nets, face.network_input(frames)[numbers], mel.windows(spectrogram, starts), BATCH)
    record(f"{mode}.count", torch.tensor([len(starts)]))
    record(f"{mode}.mel_start", torch.tensor(starts))
    record(f"{mode}.frame_of_chunk", torch.from_numpy(numbers))
    record(f"{mode}.prediction", prediction)
    record(f"{mode}.prediction.frame_stats", torch.stack([_stats(image) for image in prediction]))
    whole = np.array([0, SIDE, 0, SIDE])
    pasted = [face.paste(frames[n], image.numpy(), whole) for n, image in zip(numbers, prediction)]
    record(f"{mode}.frames_bgr", torch.from_numpy(np.stack(pasted)))


def _expert(nets: nn.ModuleDict, case: Case, crops: np.ndarray, spectrogram: np.ndarray, record: Record) -> None:
    starts = mel.window_starts(spectrogram.shape[1], FPS)[TRAINED]
    sounds = torch.from_numpy(mel.windows(spectrogram, starts))[None]
    shown = torch.from_numpy(face.network_input(crops[TRAINED])).transpose(0, 1)[None]
    generated = nets["wav2lip"](sounds, shown)
    record("training_shape.prediction", generated)
    if not case.has("expert"):
        return
    firsts = [int(t) for t in case.arrays["expert.first_frame"]]
    starts = [int(mel.PER_SECOND * t / FPS) for t in firsts]
    record("expert.mel_start", torch.tensor(starts))
    faces = torch.from_numpy(crops.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    seen = mouths(torch.stack([faces[t : t + SPAN] for t in firsts]))
    sounds = torch.from_numpy(mel.windows(spectrogram, starts))
    expert = nets["syncnet_color"]
    with hooks(record) as hook:
        hook.features(nets, "syncnet_color")
        expert(sounds[:1], seen[:1])
    audio, lips = expert(sounds, seen)
    record("expert.audio_embedding", audio)
    record("expert.face_embedding", lips)
    record("expert.cosine", F.cosine_similarity(audio, lips))
    record("expert.cosine_matrix", F.cosine_similarity(audio[:, None], lips[None], dim=2))
    record("expert.loss", torch.stack([sync_loss(audio, lips, target) for target in (1.0, 0.0)]))
    sound = torch.from_numpy(mel.windows(spectrogram, [GENERATED]))
    audio, lips = expert(sound, mouths(generated.transpose(1, 2)))
    record("expert.generated.face_embedding", lips)
    record("expert.generated.cosine", F.cosine_similarity(audio, lips))


def _boxes(case: Case, record: Record) -> None:
    detections, size = case.arrays["boxes.detections"], (PASTED_ROWS.stop - PASTED_ROWS.start, PASTED_SIDE)
    raw = face.boxes(detections, size)
    record("boxes.raw", torch.from_numpy(raw))
    for count in range(1, len(raw) + 1):
        record(f"boxes.smoothed.n{count}", torch.from_numpy(face.smooth(raw[:count])))
    record("boxes.smoothed.pads", torch.from_numpy(face.smooth(face.boxes(detections, size, WIDE_PADS))))


def _paste(nets: nn.ModuleDict, case: Case, spectrogram: np.ndarray, record: Record) -> None:
    frames = make_frames(case.spec["seed"], PASTED, PASTED_SIDE)[:, PASTED_ROWS]
    places = face.smooth(face.boxes(case.arrays["boxes.detections"], frames.shape[1:3]))
    starts = mel.window_starts(spectrogram.shape[1], FPS)
    numbers = np.arange(len(starts)) % len(frames)
    crops = np.stack([face.crop(frame, box) for frame, box in zip(frames, places)])
    shown = face.network_input(crops)[numbers]
    prediction = _predict(nets, shown, mel.windows(spectrogram, starts), 2 * BATCH)
    record("paste.count", torch.tensor([len(starts)]))
    record("paste.input_bgr", torch.from_numpy(frames.copy()))
    record("paste.face_in", torch.from_numpy(np.round(shown * 255)))
    record("paste.prediction", prediction)
    pasted = [face.paste(frames[n], image.numpy(), places[n]) for n, image in zip(numbers, prediction)]
    record("paste.frame_stats", torch.stack([_stats(torch.from_numpy(frame)) for frame in pasted]))
    record("paste.frames_bgr", torch.from_numpy(np.stack(pasted)))


def _stats(image: Tensor) -> Tensor:
    """Return mean, deviation, smallest and largest value."""
    x = image.double()
    return torch.stack([x.mean(), x.std(correction=0), x.min(), x.max()])
