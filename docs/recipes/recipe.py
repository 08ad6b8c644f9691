"""What the recipes of this folder share: reading a clip, calling a program in its environment, checking its video.

They run in this program's own Python; the program that they call has one of its own, or a container.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import av

VIDEOS = (".mp4", ".mkv", ".mov", ".avi", ".webm")
SEEDS = 2**31  # official programs take seeds below


class Failed(SystemExit):
    """A clip that cannot be made: the text becomes the program's last line, and with it the reason of the clip."""


def parser(about: str) -> argparse.ArgumentParser:
    """Arguments of every recipe. about: its first line."""
    made = argparse.ArgumentParser(description=about)
    made.add_argument(
        "--repo",
        type=lambda text: Path(text).expanduser(),
        required=True,
        help="folder of the official code, weights inside",
    )
    made.add_argument("--python", default="python", help="its Python, or as in 'conda run -n NAME python'")
    return made


def clip_arguments(about: str) -> argparse.ArgumentParser:
    """Arguments of a recipe for ``cmd:... {clip} {out}``."""
    made = parser(about)
    made.add_argument("clip", type=Path, help="clip.json, in a run {clip}")
    made.add_argument("out", type=Path, help="folder for the video, in a run {out}")
    return made


def read(file: Path) -> SimpleNamespace:
    """The facts of ``clip.json``; its files as absolute paths, and `work`, a new folder beside it."""
    about = json.loads(file.read_text(encoding="utf-8"))
    root = file.resolve().parent
    for name in ("sound", "source", "template", "template_frames"):
        about[name] = root / about[name]
    work = root / "work"
    work.mkdir()
    return SimpleNamespace(**about, work=work)


def call(options: argparse.Namespace, script: Sequence[str], flags: dict[str, object]) -> None:
    """Run ``python SCRIPT --flag value ...`` in the folder of the official code.

    script: a file, or ``-m`` and a module. flags: by name with dashes; a value of True stands for none.
    Raises Failed with the program's last line where it ends with another code than 0.
    """
    program, *rest = shlex.split(options.python)
    if os.sep in program:  # of a virtual environment, whose link must not be followed
        program = os.path.abspath(os.path.expanduser(program))
    arguments = [program, *rest, *script]
    for name, value in flags.items():
        arguments += [name] if value is True else [name, str(value)]
    try:
        done = subprocess.run(arguments, cwd=options.repo, capture_output=True, text=True, errors="replace")
    except OSError as error:
        raise Failed(f"{arguments[0]} in {options.repo} cannot be run: {error.strerror}") from None
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Failed(f"{script[-1]} ended with code {done.returncode}: {lines[-1] if lines else 'no message'}")


def below(folder: Path) -> set[Path]:
    """All videos below a folder."""
    return {file for file in folder.rglob("*") if file.suffix.lower() in VIDEOS}


def only(videos: set[Path], where: Path) -> Path:
    """The one video that a program wrote. Raises Failed."""
    if len(videos) != 1:
        raise Failed(f"{len(videos)} new videos in {where.name}, not one")
    return videos.pop()


def check(video: Path, *, rate: float, size: tuple[int, int], frames: int, slack: int) -> None:
    """Raise Failed unless a video has this rate, (width, height) and number of frames.

    It may have `slack` frames fewer, and as many more, though not more than two.
    """
    try:
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            found = (stream.codec_context.width, stream.codec_context.height)
            count = sum(packet.size > 0 for packet in container.demux(stream))
            own = float(stream.average_rate or 0)
    except (av.error.FFmpegError, IndexError) as error:
        raise Failed(f"its video cannot be read: {str(error).splitlines()[0]}") from None
    if found != size:
        raise Failed(f"its frames are {found[0]}x{found[1]}, not {size[0]}x{size[1]}")
    if abs(own / rate - 1) > 0.01:
        raise Failed(f"its video has {own:g} frames a second, not {rate:g}")
    if not frames - slack <= count <= frames + min(slack, 2):
        raise Failed(f"its video has {count} frames, not {frames}")


def deliver(video: Path, clip: SimpleNamespace, out: Path, *, rate: float, size: tuple[int, int], slack: int) -> None:
    """`check` a clip's video, as long as its sound, and put it where the run looks for it."""
    check(video, rate=rate, size=size, frames=round(clip.seconds * rate), slack=slack)
    shutil.copyfile(video, out / f"video{video.suffix.lower()}")


def with_cases(config: Path, cases: dict[str, str], new: Path) -> Path:
    """Copy a YAML configuration with other ``test_cases``: pictures to the file that drives each. Returns `new`."""
    kept, inside = [], False
    for line in config.read_text(encoding="utf-8").splitlines():
        if line[:1].strip() and not line.startswith(("#", "-")):  # a key of the top level
            inside = line.partition(":")[0].strip() == "test_cases"
        if not inside:
            kept.append(line)
    listed = [f"  {json.dumps(picture)}:\n    - {json.dumps(driver)}" for picture, driver in cases.items()]
    new.write_text("\n".join([*kept, "test_cases:", *listed, ""]), encoding="utf-8")
    return new
