"""Data sets in their usual layouts on disk."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from protocols import frame_numbers, images, plugins
from protocols.crops import Crops
from protocols.errors import DataError
from protocols.images import opened, read_rgb, resize
from protocols.pairs import FrameRef
from protocols.protocol import SAMPLES
from protocols.reading import Reading

SUFFIXES = (".png", ".jpg", ".jpeg")
SOUNDS = (".wav", ".m4a", ".mp3", ".flac", ".ogg", ".aac")
SPLITS = ("test", "train")
GRID_SPEAKER = re.compile(r"s\d+")
FRAMES_BELOW = ("frames", "images", "imgs", "ori_imgs", "full_body_img")  # names of folders that hold a clip's frames


class Dataset:
    """Folders of frames, ``<root>/<clip>/<frame>.png`` or ``.jpg``. Base of all layouts.

    name: in FrameRefs and ``--data NAME=PATH``. root: its folder.
    crops: whether frames are cropped to a square by `crop`; else frames that are not square are refused.
    stored: whether pictures are read as stored, without EXIF rotation and blending, as in benchmark data sets.
    follow_links: whether links in the root may lead out of it.
    reading: how files whose `size` was requested are read.
    rate: frames per second of clips that are folders of frames, by the papers' preprocessing. assumed_rate: whether
    this rate sets the frames' times, because no file states them.
    """

    rate = 25.0
    assumed_rate = True
    crops = False
    stored = False
    suffixes: tuple[str, ...] = SUFFIXES
    layout = "<clip>/<frame>.png"

    def __init__(self, name: str, root: Path, follow_links: bool = False):
        self.name = name
        self.root = root
        self.reading = Reading(self.stored)
        self.follow_links = follow_links
        self.crop = Crops()
        self._real_root = Path(os.path.realpath(root))  # `resolve` raises for links in a circle

    def check(self) -> None:
        """Raise DataError, with the expected layout, if the root does not have it."""
        if not self.root.is_dir():
            raise DataError(f"data set {self.name}: {self.root} is not a folder", code="missing-folder")
        if not self.clips():
            what = f"data set {self.name}: no clips in {self.root}; expected {self.layout} in it"
            raise DataError("; ".join([what, *self.left_out()]), code="empty-dataset")

    def left_out(self) -> list[str]:
        """Return lines for the user on files in the root that are not read."""
        return []

    def clips(self, split: str | None = None) -> list[str]:
        """Return all clips, sorted, or those of one split (``train``, ``test``) if the layout has splits."""
        return _folders(self.root)

    def splits(self) -> list[str]:
        """Return the splits in its root."""
        return []

    def identity(self, clip: str) -> str:
        """Return the identity of a clip."""
        return clip

    def folder(self, clip: str) -> Path:
        """Return the folder of a clip's frames."""
        return self.root / clip

    def frames(self, clip: str) -> list[str]:
        """Return the frame names of a clip, in order of time; empty for an unknown clip."""
        folder = self.folder(clip)
        if not folder.is_dir():
            return []
        files = (file for file in folder.iterdir() if not file.name.startswith("."))
        return sorted({file.stem for file in files if file.suffix.lower() in self.suffixes}, key=natural)

    def times(self, clip: str) -> list[float]:
        """Return the time of each of `frames`, in seconds from the clip's first frame.

        Raises DataError, with the missing numbers, if the frames' numbers do not rise evenly (`frame_numbers.step`).
        """
        return [number / self.rate for number in range(self._length_in_time(clip))]

    def end(self, clip: str) -> float:
        """Return the end of a clip's last frame, in seconds from its first frame. Raises DataError like `times`."""
        return self._length_in_time(clip) / self.rate

    def _length_in_time(self, clip: str) -> int:
        """Return the number of a clip's frames, which follow each other without a gap."""
        names = self.frames(clip)
        try:
            frame_numbers.step(names)
        except DataError as error:
            raise DataError(f"{self.name}: {self.folder(clip)}: {error}", code=error.code) from None
        return len(names)

    def sound_file(self, clip: str) -> Path | None:
        """Return the sound file of a clip, in one of the places of `sound_stems`; None without one."""
        names = (stem.with_name(stem.name + suffix) for stem in self.sound_stems(clip) for suffix in SOUNDS)
        file = next((file for file in names if file.is_file()), None)
        return self.within(file, f"{self.name}/{clip}") if file else None

    def sound_stems(self, clip: str) -> list[Path]:
        """Return possible sound files of a clip, without suffix: beside it with its name, or ``audio`` in its folder.

        For frames in a folder like ``frames``, also beside or in the parent folder.
        """
        folder = self.folder(clip)
        stems = [folder, folder.with_suffix(""), folder / "audio"]
        if folder.name in FRAMES_BELOW:
            above = folder.parent
            stems += [above] if above != self.root else []
            stems += [above / name for name in ("audio", "aud", above.name)]
        return stems

    def path(self, ref: FrameRef) -> Path:
        """Return the file of a frame, which may not exist. Raises DataError if a link leads out of the root."""
        folder = self.folder(ref.clip)
        candidates = [folder / f"{ref.frame}{suffix}" for suffix in self.suffixes]
        return self.within(next((file for file in candidates if file.is_file()), candidates[0]), ref)

    def within(self, file: Path, what: object) -> Path:
        """Return the file. Raises DataError, beginning with `what`, if a link leads out of the root.

        With `follow_links` links may lead out. Names with ``..`` cannot, since `FrameRef` refuses them.
        """
        if not self.follow_links and not Path(os.path.realpath(file)).is_relative_to(self._real_root):
            raise DataError(f"{what}: a link leads out of {self.root}; --follow-links allows it", code="link-leads-out")
        return file

    def missing(self, refs: Iterable[FrameRef]) -> list[FrameRef]:
        """Return the missing frames of `refs`, in order, each once."""
        return [ref for ref in dict.fromkeys(refs) if not self.path(ref).is_file()]

    def size(self, ref: FrameRef) -> tuple[int, int]:
        """Return (height, width) of a frame from the file's head, and record it in `reading`.

        Raises DataError if it is not an image.
        """
        file = self.path(ref)
        with opened(file) as image:
            self.reading.add("pictures", file.relative_to(self.root).as_posix(), images.facts(image))
            return (image.height, image.width) if self.stored else images.upright_size(image)

    def original(self, ref: FrameRef) -> np.ndarray:
        """Return a frame, RGB uint8 ``(H, W, 3)``, not cropped and not resized. Raises DataError like `frame`."""
        return read_rgb(self.path(ref), stored=self.stored)

    def frame(self, ref: FrameRef, size: int | None = None) -> np.ndarray:
        """Return a frame, RGB uint8 ``(H, W, 3)``, or ``(size, size, 3)`` if `size` is given.

        It is cropped if the data set `crops`, then resized if needed (Lanczos, antialiased). Raises DataError if it is
        missing or unreadable, not square in a data set that does not crop, or not of its crop's frame size.
        """
        return self._fit(self.original(ref), ref, size)

    def _fit(self, image: np.ndarray, ref: FrameRef, size: int | None) -> np.ndarray:
        if size is None:
            return image
        if self.crops:
            image = self.crop.apply(image, ref.clip, self.path(ref))
        elif image.shape[0] != image.shape[1]:
            height, width = image.shape[:2]
            raise DataError(
                f"{self.path(ref)}: {width}x{height} pixels, expected a square of {size}x{size}", code="frame-size"
            )
        return resize(image, size, size)


class SplitFolders(Dataset):
    """``<root>/<test|train>/<clip>/<frame>``, the split being part of the clip's name."""

    stored = True

    def splits(self) -> list[str]:
        return [name for name in SPLITS if (self.root / name).is_dir()]

    def clips(self, split: str | None = None) -> list[str]:
        splits = [split] if split else SPLITS
        return [f"{name}/{clip}" for name in splits for clip in _folders(self.root / name)]


class VoxCeleb(SplitFolders):
    """VoxCeleb1 and 2 in the layout of FOMM's preprocessing; the identity is the ``id...`` before the first ``#``."""

    layout = "test/<id>#<video>#<start>#<end>.mp4/<7 digits>.png"

    def identity(self, clip: str) -> str:
        return clip.rpartition("/")[2].partition("#")[0]


class TedTalks(SplitFolders):
    """TED-talks, 384 pixels; each talk is one identity, since the names have no other information."""

    layout = "test/<video>#<start>#<end>.mp4/<7 digits>.png"

    def identity(self, clip: str) -> str:
        return clip.rpartition("/")[2].partition("#")[0]


class Hdtf(Dataset):
    """HDTF: ``<clip>.mp4/<6 digits>.jpg``, directly in the root or below ``test/`` and ``train/``.

    Both arrangements are common, so the split is not part of a clip's name and lists fit both.
    """

    stored = True
    layout = "<clip>.mp4/<6 digits>.jpg (or the same below test/)"

    def splits(self) -> list[str]:
        return [name for name in SPLITS if (self.root / name).is_dir()]

    def clips(self, split: str | None = None) -> list[str]:
        below = [clip for name in ([split] if split else SPLITS) for clip in _folders(self.root / name)]
        return below or [clip for clip in _folders(self.root) if clip not in SPLITS]

    def folder(self, clip: str) -> Path:
        places = [self.root / split / clip for split in ("", "test", "train")]
        return next((place for place in places if place.is_dir()), places[0])

    def identity(self, clip: str) -> str:
        """Return the speaker: CarolynMaloney for ``WDA_CarolynMaloney1_000.mp4`` (source, speaker and video, cut).

        ``RD_Radio34_001.mp4`` names no speaker; each radio recording counts as one identity.
        """
        return self.speaker(clip)

    @staticmethod
    def speaker(clip: str) -> str:
        """Return the identity of a clip from its name."""
        match = re.fullmatch(r"[A-Z]+_(Radio\d+|.*?\D)\d*_\d+\.mp4", clip)
        return match[1] if match else clip.removesuffix(".mp4")


class CelebV(Dataset):
    """CelebV: ``<Name>/Image/*.jpg``, one folder per person."""

    stored = True
    layout = "<Name>/Image/*.jpg"

    def clips(self, split: str | None = None) -> list[str]:
        return [name for name in _folders(self.root) if (self.root / name / "Image").is_dir()]

    def folder(self, clip: str) -> Path:
        return self.root / clip / "Image"


class Obama(Dataset):
    """Folders of frames of one person, ``<clip>/<frame>.jpg`` or ``<clip>/ori_imgs/<frame>.jpg``, with the sound."""

    crops = True
    layout = "videos of one person with their sound, or <clip>/ori_imgs/<frame>.jpg beside <clip>/aud.wav"
    PERSON = "obama"

    def clips(self, split: str | None = None) -> list[str]:
        return [clip + _below(self.root / clip) for clip in _folders(self.root)]

    def identity(self, clip: str) -> str:
        return self.PERSON


class Grid(Dataset):
    """GRID as folders of frames, ``s1/<sentence>/<frame>.jpg``; sound beside them or in a place of `sounds`."""

    crops = True
    layout = "s1/<sentence>.mpg or s1/video/<sentence>.mpg, or s1/<sentence>/<frame>.jpg beside s1/<sentence>.wav"

    def clips(self, split: str | None = None) -> list[str]:
        speakers = [name for name in _folders(self.root) if GRID_SPEAKER.fullmatch(name)]
        found = [f"{name}/{clip}" for name in speakers for clip in _folders(self.root / name) if clip != "audio"]
        return [clip + _below(self.root / clip) for clip in found]

    def identity(self, clip: str) -> str:
        return self.speaker(clip)

    def sound_stems(self, clip: str) -> list[Path]:
        return [*super().sound_stems(clip), *self.sounds(self.root, clip)]

    @staticmethod
    def speaker(clip: str) -> str:
        """Return the folder ``s<number>`` of a clip; the clip's own name if it is in none."""
        return next((part for part in clip.split("/") if GRID_SPEAKER.fullmatch(part)), clip)

    @classmethod
    def sounds(cls, root: Path, clip: str) -> list[Path]:
        """Return possible places of the separately distributed sound, without suffix."""
        parts = [part for part in clip.split("/") if part not in FRAMES_BELOW]
        speaker, sentence = cls.speaker(clip), parts[-1].partition(".")[0]
        return [root / folder / sentence for folder in (f"{speaker}/audio", f"audio/{speaker}", f"audio_25k/{speaker}")]


# the built-in ones; see `names` and `layout`
LAYOUTS: dict[str, type[Dataset]] = {
    "vox1": VoxCeleb,
    "vox2": VoxCeleb,
    "hdtf": Hdtf,
    "celebv": CelebV,
    "ted": TedTalks,
    "obama": Obama,
    "grid": Grid,
}


def names() -> list[str]:
    """Return the names of the data sets with their own layouts, including those of installed packages."""
    return list(dict.fromkeys([*LAYOUTS, *plugins.registered("data set")]))


def layout(name: str) -> type[Dataset]:
    """Return the class that opens a data set of `names`: of this module, or registered by a package.

    Raises PluginError for an unusable plug-in, or one with a name that is taken.
    """
    if (plugin := plugins.find("data set", name, (*LAYOUTS, *SAMPLES))) is None:
        return LAYOUTS[name]
    found = plugin.load()
    if not (isinstance(found, type) and issubclass(found, Dataset)):
        raise plugin.refused("not a subclass of protocols.datasets.Dataset")
    if name != name.lower():
        raise plugin.refused("names of data sets must be lower case")
    return found


def _folders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, without hidden ones; empty if it does not exist."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _below(folder: Path) -> str:
    """Return ``/frames`` or a similar name if a clip's frames are in a folder below its own; else empty."""
    return next((f"/{name}" for name in FRAMES_BELOW if (folder / name).is_dir()), "")


def natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key that puts ``f_9`` before ``f_10``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
