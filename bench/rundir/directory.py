"""The run directory: all files of one evaluation, written so that a crash loses no finished batch."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow

from bench.rundir.encoding import is_whole, to_parquet
from bench.rundir.lock import FILE, locked
from bench.rundir.seal import intact, sealed
from bench.rundir.whole import digest, replace, video_hash_of, write_png
from bench.runtime.errors import Stopped, UserError
from protocols import files
from protocols.errors import typed_line
from protocols.names import safe_name
from reports.schema.base import Damaged, Facts
from reports.schema.manifest import Complete, Manifest, parse_manifest
from reports.schema.summary import Summary, parse_summary

LARGEST = 1 << 40  # bytes of a table, at most
CONTENT = (
    *("work", "frames", "pictures", "inspect", "report.html", "summary.json", "seconds.parquet", "samples.parquet"),
    *("frames.parquet", "clips.csv", "features", "media", "report-single-file.html", "gallery", "gallery.html"),
    *("pairs.csv", "manifest.json"),
)
UNIT, CLIP, FRAME = "unit", "clip", "frame"  # column of a run of whole clips: row of a clip or of a frame
REAL = "_real"  # name of the real features, next to those of the models
VIDEO = "video"  # column of a clip's row: hash of its video, empty without a video; missing if none was requested
KEPT = "kept"  # column of such a run: whether a picture of the frame, or of the clip, is stored next to the shard
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raise a UserError for whatever inconsistent files of the run in `path` raise inside the block."""
    try:
        yield
    except _MALFORMED as error:
        raise UserError(f"{path} contains no readable run ({typed_line(error)})", code="no-finished-run") from None


class RunDirectory:
    """One run's folder. This class is the only reader and writer of run folders.

    During the run, each finished batch is a small parquet file (a shard) in ``work/<model>/`` next to its frames.
    Every file is written under a temporary name and then renamed; tables are flushed to disk first. A shard's name has
    the hash of its content, and frames have checksums, so files that a power cut or a bad disk damaged are computed
    again and never read as data.
    """

    def __init__(self, path: Path):
        self.path = path
        self.work = path / "work"
        self._held: tuple[int, int] | None = None  # device and inode of the lock file while this process holds it

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for this process.

        Raises UserError if it cannot be written or another run has locked it, and OSError if the disk is full.
        The operating system releases the lock when the process ends, however it ends.
        """
        with locked(self.path, "run", "--name", within=self.work):
            try:
                status = (self.path / FILE).stat()
                self._held = status.st_dev, status.st_ino
                files.remove_unfinished(self.path)  # of a run that was killed
                yield
            finally:
                self._held = None

    def check(self) -> None:
        """Raise Stopped if the locked folder was removed or replaced."""
        if self._held is None:
            return
        try:
            status = (self.path / FILE).stat()
        except OSError:
            status = None
        if status is None or (status.st_dev, status.st_ino) != self._held:
            raise Stopped(
                f"the folder {self.path} was removed or replaced during the run",
                code="missing-folder",
            )

    def manifest(self) -> Manifest | None:
        """Return the manifest, None if there is none yet. Raises UserError if it is unreadable or was changed."""
        file = self.path / "manifest.json"
        if not file.exists():
            return None
        try:
            content = files.content(file)
            manifest, whole = parse_manifest(content), intact(json.loads(content))
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f"{file} is not a readable manifest: {error}", code="bad-manifest") from None
        if not whole:
            raise UserError(f"{file} was changed after it was written", code="changed-file")
        return manifest

    def complete(self) -> Complete:
        """Return the manifest of a finished run. Raises UserError if there is none."""
        manifest = self.manifest()
        if not isinstance(manifest, Complete):
            why = "contains no finished run" if self.path.is_dir() else "is not a folder"
            raise UserError(f"{self.path} {why}", code="no-finished-run")
        return manifest

    def finished(self) -> tuple[Complete, pd.DataFrame]:
        """Return manifest and ``samples.parquet`` of a finished run. Raises UserError if one is missing or changed."""
        manifest = self.complete()
        if not (self.path / "samples.parquet").exists():
            raise UserError(f"{self.path} contains no finished run", code="no-finished-run")
        samples = self.samples(manifest)
        if samples is None:
            raise UserError(
                f"{self.path}: samples.parquet is damaged or was changed after the run", code="changed-file"
            )
        return manifest, samples

    def summary(self, manifest: Complete) -> Summary:
        """Return ``summary.json`` of a finished run. Raises UserError if it is missing, damaged or changed."""
        try:
            content = files.content(self.path / "summary.json")
        except OSError as error:
            raise UserError(
                f"{self.path}: summary.json cannot be read ({error.strerror or error})", code="unreadable-file"
            ) from None
        if manifest.summary_sha256 not in (None, hashlib.sha256(content).hexdigest()):
            raise UserError(f"{self.path}: summary.json is damaged or was changed after the run", code="changed-file")
        try:
            return parse_summary(content)
        except Damaged as error:
            raise UserError(f"{self.path}: summary.json is damaged ({error})", code="changed-file") from None

    def write_manifest(self, manifest: Manifest) -> None:
        """Write ``manifest.json`` with a hash over its content."""
        self.write_json("manifest.json", sealed(manifest))

    def write_json(self, name: str, facts: Facts) -> str:
        """Write a JSON file into the run, whole or not at all; returns its SHA-256."""
        self.check()
        text = json.dumps(facts.content(), indent=1, ensure_ascii=False, allow_nan=False).encode("utf-8")
        replace(self.path / name, text)
        return hashlib.sha256(text).hexdigest()

    def shards(self, model: str, all_frames: bool = False, videos: bool = False) -> Iterator[pd.DataFrame]:
        """Yield the finished batches of a model; remove damaged ones, and those with a missing or damaged frame.

        all_frames: remove clips without all their frames, too. videos: remove clips without an intact video, too.
        """
        for file in sorted((self.work / safe_name(model)).glob("*.parquet")):
            content = file.read_bytes()
            rows = pd.read_parquet(io.BytesIO(content)) if file.name.split(".")[-2] == digest(content) else None
            if (
                rows is not None
                and all(is_whole(self.frame_file(model, name)) for name in _with_picture(rows, all_frames))
                and (not videos or self._has_videos(model, rows))
            ):
                yield rows
            else:
                file.unlink(missing_ok=True)

    def write_shard(self, model: str, name: str, rows: pd.DataFrame) -> None:
        """Write a finished batch."""
        self.check()
        content = to_parquet(rows)
        replace(self.work / safe_name(model) / f"{name}.{digest(content)}.parquet", content)

    def write_samples(self, rows: pd.DataFrame) -> str:
        """Write ``samples.parquet`` and return its SHA-256."""
        return self._write_table("samples.parquet", rows)

    def write_frame_values(self, rows: pd.DataFrame) -> str:
        """Write ``frames.parquet``, a row per frame of a run of whole clips, and return its SHA-256."""
        return self._write_table("frames.parquet", rows)

    def frame_values(self, manifest: Complete) -> pd.DataFrame:
        """Return what `write_frame_values` wrote. Raises UserError if it is missing or was changed."""
        return self._read_table("frames.parquet", manifest.frames_sha256)

    def write_features(self, kind: str, name: str, rows: pd.DataFrame) -> dict[str, str]:
        """Write one network's features of a model or of `REAL`; return the file's name in ``features/`` to its SHA-256.

        rows: columns ``pair`` (the clip for windows), ``person``, ``video`` and ``features``, float32 ``(D,)`` each.
        """
        file = f"{kind}/{safe_name(name)}.parquet"
        return {file: self._write_table(f"features/{file}", rows)}

    def features(self, manifest: Complete, kind: str, name: str) -> pd.DataFrame:
        """Return what `write_features` wrote. Raises UserError if it is missing or was changed."""
        file = f"{kind}/{safe_name(name)}.parquet"
        return self._read_table(f"features/{file}", manifest.features_sha256.get(file, ""))

    def _read_table(self, name: str, sha256: str | None) -> pd.DataFrame:
        """Return a table of a finished run. sha256: None where an earlier release recorded none."""
        try:
            content = files.content(self.path / name, LARGEST)
        except OSError as error:
            raise UserError(
                f"{self.path}: {name} cannot be read ({error.strerror or error})", code="unreadable-file"
            ) from None
        if sha256 not in (None, hashlib.sha256(content).hexdigest()):
            raise UserError(f"{self.path}: {name} is damaged or was changed after the run", code="changed-file")
        return pd.read_parquet(io.BytesIO(content))

    def _write_table(self, name: str, rows: pd.DataFrame) -> str:
        self.check()
        content = to_parquet(rows)
        replace(self.path / name, content)
        return hashlib.sha256(content).hexdigest()

    def samples(self, manifest: Complete) -> pd.DataFrame | None:
        """Return ``samples.parquet``; None if it is missing or differs from its hash in the manifest."""
        try:
            content = files.content(self.path / "samples.parquet", LARGEST)
            if manifest.samples_sha256 not in (None, hashlib.sha256(content).hexdigest()):
                return None
            return pd.read_parquet(io.BytesIO(content))
        except (OSError, ValueError, pyarrow.ArrowException):
            return None

    def frame_file(self, model: str, pair: str) -> Path:
        """Return the path of a generated frame during the run."""
        return self.work / safe_name(model) / "frames" / f"{pair}.png"

    def write_frame(self, model: str, pair: str, png: bytes) -> None:
        """Write a generated frame, encoded by `to_png`."""
        self.check()
        write_png(self.frame_file(model, pair), png)

    def video_file(self, model: str, clip: str) -> Path:
        """Return the path of a generated clip's video during the run."""
        return self.work / safe_name(model) / "videos" / f"{safe_name(clip)}.mp4"

    def write_video(self, model: str, clip: str, content: bytes) -> None:
        """Write the video of a generated clip; remove the file if there is no content."""
        self.check()
        if not content:
            self.video_file(model, clip).unlink(missing_ok=True)
            return
        with files.replacing(
            self.video_file(model, clip)
        ) as temporary:  # the shard has its hash, so a damaged one is noticed
            temporary.write_bytes(content)

    def _has_videos(self, model: str, rows: pd.DataFrame) -> bool:
        """Return whether the videos of a shard's clips are those that were written with it."""
        if VIDEO not in rows:  # of an earlier release
            return False
        clips = rows.loc[rows[UNIT] == CLIP, ["pair", VIDEO]].itertuples(index=False, name=None)
        return all(pd.notna(kept) and kept == video_hash_of(self.video_file(model, clip)) for clip, kept in clips)

    def media_file(self, clip: str) -> Path:
        """Return the path of the video that the report plays for a clip."""
        return self.path / "media" / f"{safe_name(clip)}.mp4"

    def discard_model(self, model: str) -> None:
        """Remove the finished batches of a model."""
        shutil.rmtree(self.work / safe_name(model), ignore_errors=True)

    def discard(self) -> None:
        """Remove a run's files and nothing else; the manifest last, since nothing resumes without it."""
        for name in CONTENT:
            place = self.path / name
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)

    def clear_work(self) -> None:
        """Remove shards and frames; called once samples, summary and pictures are written."""
        shutil.rmtree(self.work, ignore_errors=True)


def _with_picture(rows: pd.DataFrame, all_frames: bool) -> pd.Series:
    """Return the pairs of a shard that have a frame next to it; with `all_frames`, every pair that should have one."""
    made = rows["status"] == "ok"
    if KEPT in rows:
        made = rows[KEPT] | (made & (rows[UNIT] == FRAME)) if all_frames else rows[KEPT]
    return rows["pair"][made]
