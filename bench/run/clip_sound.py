"""Choose the sound of a clip: the reference's, that of the generated video itself, or that of a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from baselines.bounds import CopyTarget
from bench.run.engine import Model
from bench.runtime.errors import UserError
from protocols import sound
from protocols.clips import Clip, ClipList
from protocols.datasets import SOUNDS, Dataset
from protocols.folder import VIDEOS
from protocols.matching import match
from protocols.sound import Sound

TRUTH, GENERATED = "truth", "generated"


class Sounds:
    """The sound of every clip of a run, read when needed; the last one is cached.

    choice: ``truth``, ``generated``, or a folder of sound files or videos named as the clips.
    Raises UserError for a folder without any of them.
    """

    def __init__(self, clips: ClipList, datasets: Mapping[str, Dataset], choice: str = TRUTH) -> None:
        self.choice, self._datasets = choice, datasets
        self.files: dict[str, Path] = {}
        self._last: tuple[Path, Sound | None] | None = None
        if choice not in (TRUTH, GENERATED):
            self.files = _in_folder(Path(choice).expanduser(), clips)

    @property
    def mode(self) -> str:
        """Return the choice; ``folder`` instead of a path."""
        return self.choice if self.choice in (TRUTH, GENERATED) else "folder"

    def sha256(self, models: Sequence[Model], clips: ClipList) -> str | None:
        """Return a hash of the contents of all files that are read, in the order of the clips; None for no files."""
        files: dict[Path | None, None] = {}
        for clip in clips.clips:
            files |= dict.fromkeys([self.target_file(clip), *(self._generated_file(model, clip) for model in models)])
        digest = hashlib.sha256()
        found = [file for file in files if file is not None]
        for file in found:
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest() if found else None

    def target(self, clip: Clip) -> Sound | None:
        """Return the reference's sound: of the clip that the list names, else of its target or driving clip."""
        return self._read(self.target_file(clip), clip)

    def generated(self, model: Model, clip: Clip) -> Sound | None:
        """Return the sound that a generated clip is scored with."""
        return self._read(self._generated_file(model, clip), clip)

    def target_file(self, clip: Clip) -> Path | None:
        """Return the file with the reference's sound; None if there is none."""
        ref = clip.sound or clip.target or clip.driving
        return self._datasets[ref.dataset].sound_file(ref.clip)

    def _generated_file(self, model: Model, clip: Clip) -> Path | None:
        if self.choice == GENERATED and not isinstance(model.predictor, CopyTarget):  # the true videos have their own
            return model.predictor.sound_file(clip.id)
        return self.target_file(clip) if self.choice in (TRUTH, GENERATED) else self.files.get(clip.id)

    def _read(self, file: Path | None, clip: Clip) -> Sound | None:
        if file is None:
            return None
        if self._last is None or self._last[0] != file:
            self._last = file, sound.read(file)
        found = self._last[1]
        return found if found is None or not clip.start else found.later(-clip.start)


def names_of(clip: Clip) -> list[str]:
    """Return the names that a finished clip may have, the best first."""
    refs = (clip.target, clip.driving)
    return list(dict.fromkeys([clip.id, *(ref.clip for ref in refs if ref is not None)]))


def _in_folder(folder: Path, clips: ClipList) -> dict[str, Path]:
    if not folder.is_dir():
        raise UserError(f"--sound {folder}: no such folder; choose truth, generated or a folder", code="missing-folder")
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in (*SOUNDS, *VIDEOS))
    by_name = {file.relative_to(folder).with_suffix("").as_posix(): file for file in found}
    matched = match({clip.id: names_of(clip) for clip in clips.clips}, list(by_name))
    if not matched.found:
        raise UserError(f"--sound {folder}: no file in it is named as one of the {len(clips)} clips", code="no-sound")
    return {clip: by_name[name] for clip, name in matched.found.items()}
