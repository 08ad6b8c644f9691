"""Training clips of MemFace's first stage: meshes and sound on one clock, 25 frames per second."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache as once
from pathlib import Path

import numpy as np

from baselines.errors import ModelError
from baselines.facemesh import mesh
from baselines.facemesh.canonical import align, canonical
from baselines.memface.expression_file import RATE
from protocols import files, folder, frame_numbers, sound
from protocols.datasets import natural
from protocols.errors import DataError
from protocols.images import read_rgb
from protocols.moving import open_video
from protocols.sound import Sound

NEAR = 0.75 / RATE  # seconds to the nearest frame with a face, above which a point of the time grid has no face
SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".ogg")


@dataclass(frozen=True)
class Take:
    """A segment of a clip.

    aligned: ``(n, 468, 3)`` in cm of the canonical face. seen: bool ``(n,)``, whether there is a face. times: ``(n,)``
    seconds on the clip's clock, 1 / 25 apart. sound: of this segment only, on the same clock. sha256: of all these.
    """

    clip: str
    aligned: np.ndarray
    seen: np.ndarray
    times: np.ndarray
    sound: Sound

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256(self.aligned.astype(np.float32).tobytes())
        digest.update(self.seen.tobytes() + self.times.tobytes() + self.sound.samples.tobytes())
        return digest.hexdigest()

    def mirrored(self) -> Take:
        """Return the take with mirrored faces and the same sound."""
        return replace(self, aligned=self.aligned[:, mirror()] * (-1, 1, 1))


def take(place: Path, cache: Path, begin: float = 0.0, end: float | None = None) -> Take:
    """Read a segment of a clip: a video with sound, or a folder of frames (25 per second) with a sound file beside it.

    cache: folder for the meshes of frames. begin, end: seconds on the clip's clock; None: to its end.
    Raises ModelError if it is not such a clip, has no sound or a gap in its frame numbers, or has fewer than two frames
    with a face.
    """
    try:
        heard = sound.read(_sound_file(place))
    except DataError as error:
        raise ModelError(str(error), code=error.code) from None
    if heard is None:
        raise ModelError(f"{place} has no sound", code="no-sound")
    shown, meshes = _meshes(place, cache)
    end = min(shown[-1] + 1 / RATE, np.inf if end is None else end)
    faces = np.isfinite(meshes).all((1, 2))
    times = begin + np.arange(max(0, int(np.floor((end - begin) * RATE + 1e-6)))) / RATE
    if faces.sum() < 2 or len(times) < 2:
        raise ModelError(f"{place}: fewer than two frames with a face from {begin:g} s", code="no-face")
    aligned = np.stack([align(one)[0] for one in meshes[faces]])
    known = shown[faces]
    apart = np.abs(known[:, None] - times).min(0)
    after = np.searchsorted(known, times).clip(1, len(known) - 1)
    share = ((times - known[after - 1]) / (known[after] - known[after - 1])).clip(0, 1)[:, None, None]
    even = aligned[after - 1] * (1 - share) + aligned[after] * share
    part = heard.cut(begin, round(len(times) / RATE * heard.rate))
    return Take(
        place.stem if place.is_file() else place.name, even, apart <= NEAR, times, Sound(part, heard.rate, begin)
    )


@once
def mirror() -> np.ndarray:
    """Return the index of each point's mirror image ``(468,)``."""
    points = canonical()[0]
    return np.array([np.linalg.norm(points * (-1, 1, 1) - point, axis=1).argmin() for point in points])


def _sound_file(place: Path) -> Path:
    if place.is_file():
        return place
    if not place.is_dir():
        raise ModelError(f"{place}: no such clip", code="unknown-clip")
    found = next((file for end in SOUNDS if (file := place.with_name(place.name + end)).is_file()), None)
    if found is None:
        raise ModelError(f"{place}: no sound file {place.name}.wav beside the folder", code="no-sound")
    return found


def _meshes(place: Path, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return times ``(N,)`` and meshes ``(N, 468, 3)`` of all frames, NaN without a face; cached in `cache`."""
    kept = cache / "meshes" / f"{_digest(place)}.npz"
    if kept.is_file():
        with np.load(kept) as found:
            return found["times"], found["meshes"].astype(float)
    times, meshes = [], []
    try:
        for time, frame in frames_of(place):
            found = mesh.find(frame)
            times.append(time)
            meshes.append(np.full((mesh.POINTS, 3), np.nan) if found is None else found)
    except DataError as error:
        raise ModelError(str(error), code=error.code) from None
    if not times:
        raise ModelError(f"{place}: no frames", code="empty-dataset")
    with files.replacing(kept) as temporary, temporary.open("wb") as stream:
        np.savez(stream, times=np.array(times), meshes=np.array(meshes, np.float32))
    return np.array(times), np.array(meshes, np.float32).astype(float)


def frames_of(place: Path) -> Iterator[tuple[float, np.ndarray]]:
    """Yield seconds from the first frame, and pixels ``(H, W, 3)`` uint8 RGB."""
    if place.is_dir():
        for number, file in enumerate(_pictures(place)):
            yield number / RATE, read_rgb(file)
        return
    video = open_video(place)
    try:
        first = video.times[0]
        for number, time in enumerate(video.times):
            yield float((time - first) * video.time_base), video.frame(number)
    finally:
        video.close()


def _pictures(place: Path) -> list[Path]:
    """Return the frames of a clip in order of time. Raises ModelError if their numbers have a gap."""
    names = (file for file in place.iterdir() if folder.is_picture(file) and not file.name.startswith("."))
    files = sorted(names, key=lambda file: natural(file.name))
    try:
        frame_numbers.step([file.stem for file in files])
    except DataError as error:
        raise ModelError(f"{place}: {error}", code=error.code) from None
    return files


def _digest(place: Path) -> str:
    """Return a hash of all frames and of the settings of the face mesh."""
    digest = hashlib.sha256(mesh.settings().encode())
    for file in _pictures(place) if place.is_dir() else [place]:
        with file.open("rb") as stream:
            digest.update(file.name.encode() + hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:24]
