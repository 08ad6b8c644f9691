"""The inputs of `animate`: a photograph and a driving video, cropped and resized for a network."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from scipy.sparse import csr_array
from skimage.transform import resize as skimage_resize

from baselines.levels import array_from_levels
from bench.animate.crop import Crop, cropped
from bench.runtime.errors import UserError
from protocols import frame_numbers
from protocols.datasets import natural
from protocols.errors import DataError
from protocols.folder import PICTURES, is_picture, is_video, some
from protocols.images import facts, opened, read_rgb
from protocols.moving import open_video
from protocols.notices import Notice
from protocols.reading import Reading, remarks
from protocols.words import counted

SMALLEST = 32


class Clock(Protocol):
    """Presentation times of the frames of a video, and its sound.

    times: of each frame, in units of `time_base` seconds; end: of the last frame. start: of the clock, in seconds.
    rate: average frames per second. sound: file with the sound, or None. notices: warnings to print.
    """

    times: Sequence[int]
    end: int
    time_base: Fraction
    start: Fraction
    rate: Fraction
    sound: Path | None
    notices: list[str]


class Driving(Clock, Protocol):
    """Driving frames with their clock."""

    def frame(self, number: int) -> np.ndarray:
        """Return a frame, RGB uint8 ``(H, W, 3)``. Raises DataError if it cannot be read."""


class VideoDriving:
    """A video file; its sound is used only if the file has timestamps."""

    def __init__(self, file: Path, fps: Fraction | None):
        video = open_video(file, fps)
        self.notices = remarks(str(file), video.facts)
        self.times: Sequence[int] = video.times
        self.end, self.time_base, self.start, self.rate = video.end, video.time_base, video.start, video.rate
        self.frame = video.frame
        timed = "clock" not in video.facts
        if fps and timed:
            video.close()
            raise UserError(
                f"--fps {float(fps):g}: the video {file} has timestamps; remove --fps", code="unused-option"
            )
        self.sound = file if video.has_sound and timed else None
        if video.has_sound and not timed:
            self.notices.append(f"{file}: sound left out, because the file has no timestamps")


class FramesDriving:
    """Image files in the order of their names, each shown for ``1 / fps`` seconds; without sound."""

    start = Fraction(0)
    sound: Path | None = None

    def __init__(self, files: Sequence[Path], fps: Fraction | None):
        self.files, self.rate = files, fps or Fraction(25)
        self.time_base = 1 / self.rate
        self.notices = picture_notices(files)
        self.times: Sequence[int] = range(len(files))
        self.end = len(files)

    def frame(self, number: int) -> np.ndarray:
        return read_rgb(self.files[number])


def open_driving(path: Path, fps: Fraction | None, option: str = "--driving") -> Driving:
    """Open a video file, a folder of images, or one image (a video of one frame). Raises UserError, DataError.

    option: for messages. fps: only for images and streams without timestamps; default: 25, or as the stream states.
    """
    if path.is_dir():
        found = sorted(
            (file for file in path.iterdir() if not file.name.startswith(".")), key=lambda f: natural(f.name)
        )
        files = [file for file in found if is_picture(file)]
        if not files:
            clip = next((one for one in found if is_video(one) or _has_pictures(one)), None)
            hint = f"; give one clip, such as {clip}" if clip else f" ({', '.join(PICTURES)})"
            raise UserError(f"{option} {path}: no image in this folder{hint}", code="missing-frames")
        frames = FramesDriving(files, fps)
        try:
            frame_numbers.step([file.stem for file in files])
        except DataError as error:
            frames.notices.append(Notice(f"{path}: images are read as consecutive: {error}", error.code))
        if others := [file.name for file in found if not is_picture(file)]:
            frames.notices.append(
                f"{path}: ignored {counted(len(others), 'file')} without an image's suffix: {some(others)}"
            )
        return frames
    if not path.is_file():
        raise UserError(f"{option} {path}: no such file or folder", code="missing-file")
    return FramesDriving([path], fps) if _is_still(path) else VideoDriving(path, fps)


def _has_pictures(path: Path) -> bool:
    with suppress(OSError):  # a file, or a folder that may not be read
        return any(map(is_picture, path.iterdir()))
    return False


def read_source(path: Path) -> tuple[np.ndarray, list[str]]:
    """Return the photograph, upright RGB uint8 ``(H, W, 3)``, and warnings to print.

    Raises UserError or DataError if it is neither an image nor a video.
    """
    if path.is_dir():
        raise UserError(f"--source {path}: is a folder; give one image", code="missing-file")
    if not path.is_file():
        raise UserError(f"--source {path}: no such file", code="missing-file")
    try:
        return read_rgb(path), picture_notices([path])
    except DataError as error:
        try:
            video = open_video(path)
        except DataError:
            raise error from None
    try:
        first = f"{path} is a video: using its first frame as the photograph"
        return video.frame(0), [first, *remarks(str(path), video.facts)]
    finally:
        video.close()


def picture_notices(files: Sequence[Path]) -> list[str]:
    """Return warnings about images; unreadable ones are skipped."""
    reading = Reading()
    for file in files:
        with suppress(DataError), opened(file) as image:
            reading.add("pictures", str(file), facts(image))
    return list(reading.notices())


def fit(image: np.ndarray, crop: Crop, size: int, what: str) -> np.ndarray:
    """Crop and resize RGB uint8 ``(H, W, 3)`` to ``(size, size, 3)``, float32 in [0, 1].

    crop: from `crop.settle`. Raises like `cropped`, and UserError if the crop is smaller than `SMALLEST`.
    """
    image = cropped(image, crop, what)
    if min(image.shape[:2]) < SMALLEST:
        left = f"{image.shape[1]}x{image.shape[0]} pixels"
        raise UserError(
            f"{what}: too small, {left} after the crop; at least {SMALLEST}x{SMALLEST} are needed",
            code="picture-too-small",
        )
    return resize(image, size)


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Return ``skimage.transform.resize(image, (size, size))`` with its defaults, as the authors' demos call it.

    The filter is linear and separable, so it is computed as two products with sparse matrices: equal to 2e-7 and, for
    1080 lines, eighteen times as fast.
    """
    image = array_from_levels(image)
    for _ in range(2):  # rows, then columns
        rows = _weights(len(image), size) @ image.reshape(len(image), -1)
        image = rows.reshape(size, *image.shape[1:]).transpose(1, 0, 2)
    return np.ascontiguousarray(image)


@lru_cache
def _weights(length: int, size: int) -> csr_array:
    """Return the filter as a matrix ``(size, length)``: skimage's result for the identity."""
    return csr_array(skimage_resize(np.eye(length), (size, length)).astype(np.float32))


def _is_still(path: Path) -> bool:
    """Return whether Pillow reads the file as an image of one frame."""
    try:
        with opened(path) as image:
            return getattr(image, "n_frames", 1) == 1
    except DataError:
        return False
