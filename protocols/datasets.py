"""Data sets in their usual layouts on disk."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from protocols import images, plugins
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

    name: what FrameRefs and ``--data NAME=PATH`` call it. root: its folder.
    crops: whether frames are cut to a square, as `crop` says; else those that are not square are refused.
    stored: whether pictures are read as stored, neither turned by their EXIF orientation nor blended: those of
    benchmark data sets.
    follow_links: whether links in the root may lead out of it.
    reading: how the files are read whose `size` was requested.
    rate: frames a second of clips that are folders of frames: what the papers' preprocessing writes. assumed_rate:
    whether it decides when frames are shown, since no file says it.
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
        """Raises DataError, saying what was expected, where the root does not hold this layout."""
        if not self.root.is_dir():
            raise DataError(f"data set {self.name}: {self.root} is not a folder", code="missing-folder")
        if not self.clips():
            what = f"data set {self.name}: no clips in {self.root}; expected {self.layout} in it"
            raise DataError("; ".join([what, *self.left_out()]), code="empty-dataset")

    def left_out(self) -> list[str]:
        """Lines on what in the root is not read, for the user."""
        return []

    def clips(self, split: str | None = None) -> list[str]:
        """All clips, sorted; those of one split (``train``, ``test``) where it is given and the layout has splits."""
        return _folders(self.root)

    def splits(self) -> list[str]:
        """The splits that it has in its root."""
        return []

    def identity(self, clip: str) -> str:
        """Who is seen in a clip."""
        return clip

    def folder(self, clip: str) -> Path:
        """Where the frames of a clip lie."""
        return self.root / clip

    def frames(self, clip: str) -> list[str]:
        """The frame names of a clip, in order of time; none where there is no such clip."""
        folder = self.folder(clip)
        if not folder.is_dir():
            return []
        return sorted({file.stem for file in folder.iterdir() if file.suffix.lower() in self.suffixes}, key=natural)

    def times(self, clip: str) -> list[float]:
        """When each of `frames` is shown, in seconds from the first."""
        return [number / self.rate for number in range(len(self.frames(clip)))]

    def end(self, clip: str) -> float:
        """When the last frame of a clip ends, in seconds from the first."""
        return len(self.frames(clip)) / self.rate

    def sound_file(self, clip: str) -> Path | None:
        """The file that holds the sound of a clip, in one of the places of `sound_stems`."""
        names = (stem.with_name(stem.name + suffix) for stem in self.sound_stems(clip) for suffix in SOUNDS)
        file = next((file for file in names if file.is_file()), None)
        return self.within(file, f"{self.name}/{clip}") if file else None

    def sound_stems(self, clip: str) -> list[Path]:
        """Where the sound of a clip may lie, without suffix: called as it beside it, or ``audio`` among its frames.

        Frames in a folder ``frames``, or one of that kind, have it beside or in the folder above, too.
        """
        folder = self.folder(clip)
        stems = [folder, folder.with_suffix(""), folder / "audio"]
        if folder.name in FRAMES_BELOW:
            above = folder.parent
            stems += [above] if above != self.root else []
            stems += [above / name for name in ("audio", "aud", above.name)]
        return stems

    def path(self, ref: FrameRef) -> Path:
        """The file of a frame; it need not exist. Raises DataError if a link leads it out of the root (`within`)."""
        folder = self.folder(ref.clip)
        candidates = [folder / f"{ref.frame}{suffix}" for suffix in self.suffixes]
        return self.within(next((file for file in candidates if file.is_file()), candidates[0]), ref)

    def within(self, file: Path, what: object) -> Path:
        """The same file. Raises DataError, beginning with `what`, if a link leads it out of the root.

        Where the user follows links it may; names alone (``..``) cannot, since `FrameRef` refuses them.
        """
        if not self.follow_links and not Path(os.path.realpath(file)).is_relative_to(self._real_root):
            raise DataError(f"{what}: a link leads out of {self.root}; --follow-links allows it", code="link-leads-out")
        return file

    def missing(self, refs: Iterable[FrameRef]) -> list[FrameRef]:
        """Those of `refs` that are not there, in order, each once."""
        return [ref for ref in dict.fromkeys(refs) if not self.path(ref).is_file()]

    def size(self, ref: FrameRef) -> tuple[int, int]:
        """(height, width) of a frame, from the file's head alone, noted in `reading`.

        Raises DataError if it is no image.
        """
        file = self.path(ref)
        with opened(file) as image:
            self.reading.add("pictures", file.relative_to(self.root).as_posix(), images.facts(image))
            return (image.height, image.width) if self.stored else images.upright_size(image)

    def original(self, ref: FrameRef) -> np.ndarray:
        """One frame, RGB uint8 ``(H, W, 3)``, neither cut nor resized. Raises DataError as `frame` does."""
        return read_rgb(self.path(ref), stored=self.stored)

    def frame(self, ref: FrameRef, size: int | None = None) -> np.ndarray:
        """One frame, RGB uint8 ``(H, W, 3)``; ``(size, size, 3)`` where `size` is given.

        It is cut first where the data set `crops`, and resized if its size is another (Lanczos, antialiased). Raises
        DataError where it is missing or unreadable, not square in a data set that does not crop, or of another size
        than its clip's crop is for.
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
    """VoxCeleb1 and 2 as FOMM's preprocessing writes them; the identity is the ``id...`` before the first ``#``."""

    layout = "test/<id>#<video>#<start>#<end>.mp4/<7 digits>.png"

    def identity(self, clip: str) -> str:
        return clip.rpartition("/")[2].partition("#")[0]


class TedTalks(SplitFolders):
    """TED-talks, 384 pixels; one talk is taken for one identity, since the names say no more."""

    layout = "test/<video>#<start>#<end>.mp4/<7 digits>.png"

    def identity(self, clip: str) -> str:
        return clip.rpartition("/")[2].partition("#")[0]


class Hdtf(Dataset):
    """HDTF: ``<clip>.mp4/<6 digits>.jpg``, directly in the root or below ``test/`` and ``train/``.

    Both arrangements are in use; the split is no part of a clip's name, so that lists fit both.
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
        """``WDA_CarolynMaloney1_000.mp4`` is CarolynMaloney: source, speaker with a video number, cut.

        ``RD_Radio34_001.mp4`` names no speaker; each radio recording counts as an identity of its own.
        """
        return self.speaker(clip)

    @staticmethod
    def speaker(clip: str) -> str:
        """Who is seen in a clip, by its name alone."""
        match = re.fullmatch(r"[A-Z]+_(Radio\d+|.*?\D)\d*_\d+\.mp4", clip)
        return match[1] if match else clip.removesuffix(".mp4")


class CelebV(Dataset):
    """CelebV: ``<Name>/Image/*.jpg``, one folder a person."""

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
    """GRID as folders of frames, ``s1/<sentence>/<frame>.jpg``; its sound beside them or as `sounds` says."""

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
        """The folder ``s<number>`` that a clip is in; its own name where it is in none."""
        return next((part for part in clip.split("/") if GRID_SPEAKER.fullmatch(part)), clip)

    @classmethod
    def sounds(cls, root: Path, clip: str) -> list[Path]:
        """Where the sound that is distributed by itself may lie, without suffix."""
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
    """The names of the data sets that have layouts of their own, those of installed packages among them."""
    return list(dict.fromkeys([*LAYOUTS, *plugins.registered("data set")]))


def layout(name: str) -> type[Dataset]:
    """What opens a data set of `names`: a class of this module, or what a package registers.

    Raises PluginError for a plug-in that cannot be used, or whose name is taken.
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
    """Names of the folders in a folder, hidden ones left out; none where there is no such folder."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _below(folder: Path) -> str:
    """``/frames``, or another name of that kind, where a clip's frames are in a folder below its own; else nothing."""
    return next((f"/{name}" for name in FRAMES_BELOW if (folder / name).is_dir()), "")


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which ``f_9`` stands before ``f_10``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
