"""Clips of gray frames driven by a sound that steps up, and a run of models on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bench.run.command import RunSettings, run
from bench.runtime import config
from protocols.clips import Clip, ClipList
from protocols.pairs import WHOLE_CLIP, FrameRef
from protocols.protocol import CUSTOM, EVERY, SAME, Protocol
from support import finished_videos as made
from support import gray_clips

FRAMES, TEMPLATE, FIRST, LAST = 24, 8, 10, 22  # of a video; of its template; of the part that is asked for
SIZE = (48, 48)
LOUDNESS = 20  # by which the samples of each frame are louder than those of the one before
DATA = "mine"

# Gives the template's frame, darker by the loudest sample while it is shown, in steps of `LOUDNESS`, over 255.
HEARER = """
import numpy as np
from baselines.talking import TalkingPredictor

class Hearer(TalkingPredictor):
    name = "hearer"

    def __init__(self, **options):
        pass

    def talk(self, talk):
        assert len(talk.sound.samples) == round(len(talk.times) / talk.rate * talk.sound.rate)
        for time, frame in zip(talk.times, talk.template()):
            heard = np.abs(talk.sound.cut(time, 320).astype(int)).max() // 20
            yield frame - float(heard) / 255
"""


def sound(frames: int = FRAMES) -> np.ndarray:
    """int16 ``(1, n)`` at 16 kHz: `LOUDNESS` k all through frame k."""
    return np.repeat(np.arange(frames, dtype=np.int16) * LOUDNESS, 16000 // made.RATE)[None]


def videos(root: Path, names: Sequence[str] = ("anna", "ben"), heard: np.ndarray | None = None) -> Path:
    """A folder of videos with sound."""
    for name in names:
        pictures = gray_clips.frames(FRAMES, size=SIZE)
        made.write(root / f"{name}.mkv", pictures, sound=sound() if heard is None else heard)
    return root


def clips(
    names: Sequence[str] = ("anna", "ben"), own: bool = False, driven: bool = True, suffix: str = ".mkv"
) -> ClipList:
    """Frames `FIRST` to `LAST` of each, with the first `TEMPLATE` frames as template; own: with themselves.

    suffix: of the clips' names, empty where they are folders.
    """
    begin, end = (FIRST, LAST) if own else (0, TEMPLATE)
    stretch = (begin / made.RATE, end / made.RATE) if driven else ()
    made_of = []
    for name in names:
        ref = FrameRef(DATA, name + suffix, WHOLE_CLIP)
        asked = FIRST / made.RATE, LAST / made.RATE, None, *stretch
        made_of.append(Clip(name, ref, ref, ref, None, name, name, *asked))
    return ClipList("talking", 1, tuple(made_of))


def start(root: Path, models: Sequence[str], listed: ClipList, **more: Any) -> tuple[Path, int]:
    """Run models on a list of clips of ``root/videos``; returns the run's folder and the number of failures."""
    protocol = Protocol(
        name="talking",
        version=1,
        summary="gray frames",
        dataset=CUSTOM,
        strategy="reconstruction",
        reference=SAME,
        metrics=("l1", "psnr"),
        custom=True,
        split=None,
        n=EVERY,
        frame_size=None,
    )
    found = replace(config.load((), None), data={DATA: root / "videos"}, asked=(DATA,), sample=False)
    asked = {"name": "r", "workers": 0, "save_frames": True, "media": False} | more
    settings = RunSettings(models=models, protocol=protocol, config=found, out=root / "runs", clips=listed, **asked)
    directory, failed = run(settings, Console(quiet=True))
    return directory.path, failed
