"""Compare the embedded detectors on talking faces, by noise, misses, agreement and time: tables of docs/detectors.md.

python tools/detector_comparison.py [VIDEO ...] [--frames 120]    # the sample set's clips, and videos

Noise: 1.4826 / sqrt(6) times the median absolute second difference of a number from frame to frame, the standard
deviation of a white noise; the median passes over frames in which the face moves. Everything in one process.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image

from bench import detectors
from bench.detectors.base import Detector, as_array
from bench.detectors.blazeface import BlazeFace
from bench.runtime import config
from protocols import catalogue
from protocols.resolve import resolve

ROUNDS, TIMED = 5, 24
KINDS = ("landmarks", "headpose", "mesh", "landmarks-mesh", "headpose-mesh", "lids", "iris")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=120, help="of a clip, at most")
    options = parser.parse_args()
    choice = detectors.choose("embedded", None, kinds=KINDS, cache=config.load(()).cache)
    clips = dict(each_clip(options.videos, options.frames))
    print("| clip | frames | misses: dlib, mesh | landmarks, px | pitch, yaw, roll | lip gap | lids |")
    print("| --- | ---: | --- | --- | --- | --- | --- |")
    lines = []
    for name, frames in clips.items():
        found = {kind: as_array(choice[kind].detect(frames), choice[kind].shape) for kind in KINDS}
        print(noise_row(name, found), flush=True)
        lines.append(agreement_row(name, found))
    print("\n| clip | mean distance, px | its median | r of the lip gap | r of lids | r of pitch, yaw, roll |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    print("\n".join(lines))
    print("\n| detector | ms per frame, wall | processor time | of dlib's |\n| --- | ---: | ---: | ---: |")
    for line in time_rows(next(iter(clips.values()))[:TIMED]):
        print(line)


def each_clip(videos: list[Path], most: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and frames, uint8 RGB ``(N, H, W, 3)``, of the sample set's clips and of videos."""
    settings = config.load(())
    resolve(catalogue.get("vox1-sameid"), {}, settings.cache, sample=True)  # builds a missing sample set
    for folder in sorted((settings.cache / "sample-v1").glob("?_*")):
        yield (
            folder.name,
            np.stack([np.asarray(Image.open(file).convert("RGB")) for file in sorted(folder.glob("*.png"))[:most]]),
        )
    for video in videos:
        with av.open(str(video)) as container:
            images = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
            yield video.stem, np.stack([image for image, _ in zip(images, range(most))])


def noise(values: np.ndarray) -> float:
    """Return the noise of ``(N, ...)``, the median over its numbers."""
    second = np.abs(np.diff(values.reshape(len(values), -1), 2, axis=0))
    return float(np.nanmedian(np.nanmedian(second, 0)) * 1.4826 / np.sqrt(6))


def lip_gap(points: np.ndarray) -> np.ndarray:
    """Return the lip gap of 68 landmarks over the distance of the eyes, in percent."""
    eyes = np.linalg.norm(points[:, 36:42].mean(1) - points[:, 42:48].mean(1), axis=1)
    return 100 * np.linalg.norm(points[:, 62] - points[:, 66], axis=1) / eyes


def eye_ratio(points: np.ndarray) -> np.ndarray:
    """Return the openness of both eyes from 68 landmarks: mean distance of the lids over that of the corners."""
    sides = []
    for k in (36, 42):
        lids = [np.linalg.norm(points[:, k + a] - points[:, k + b], axis=1) for a, b in ((1, 5), (2, 4))]
        sides.append(np.mean(lids, 0) / np.linalg.norm(points[:, k] - points[:, k + 3], axis=1))
    return np.mean(sides, 0)


def noise_row(name: str, found: dict[str, np.ndarray]) -> str:
    def pair(one: float, other: float, digits: int) -> str:
        return f"{one:.{digits}f}, {other:.{digits}f}"

    dlib, mesh = found["landmarks"], found["landmarks-mesh"]
    lost = [int(np.isnan(points[:, 0, 0]).sum()) for points in (dlib, mesh)]
    poses = [pair(noise(found["headpose"][:, k]), noise(found["headpose-mesh"][:, k]), 2) for k in range(3)]
    lids = pair(noise(eye_ratio(dlib)), noise(found["lids"].mean(1)), 4)
    gap = pair(noise(lip_gap(dlib)), noise(lip_gap(mesh)), 2)
    cells = (len(dlib), f"{lost[0]}, {lost[1]}", pair(noise(dlib), noise(mesh), 3), "; ".join(poses), gap, lids)
    return f"| {name} | {' | '.join(map(str, cells))} |"


def agreement_row(name: str, found: dict[str, np.ndarray]) -> str:
    dlib, mesh = found["landmarks"], found["landmarks-mesh"]
    both = np.isfinite(dlib[:, 0, 0]) & np.isfinite(mesh[:, 0, 0])

    def r(one: np.ndarray, other: np.ndarray) -> str:
        return f"{np.corrcoef(one[both], other[both])[0, 1]:.2f}"

    distance = np.linalg.norm(dlib[both] - mesh[both], axis=2)
    poses = [r(found["headpose"][:, k], found["headpose-mesh"][:, k]) for k in range(3)]
    cells = (f"{distance.mean():.1f}", f"{np.median(distance):.1f}", r(lip_gap(dlib), lip_gap(mesh)),
             r(eye_ratio(dlib), found["lids"].mean(1)), ", ".join(poses))  # fmt: skip
    return f"| {name} | {' | '.join(cells)} |"


def time_rows(frames: np.ndarray) -> Iterator[str]:
    """Time each detector in turn, `ROUNDS` times: least wall time, least CPU time, and the median of the ratios."""
    plain = detectors.choose("embedded", None, kinds=KINDS)
    jobs: dict[str, Detector] = {
        "dlib68": plain["landmarks"], "blazeface": BlazeFace(), "facemesh": plain["mesh"],
        "mesh68": plain["landmarks-mesh"],
        "mesh-procrustes": plain["headpose-mesh"], "iris-lids (mesh and both eyes)": plain["lids"],
    }  # fmt: skip
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for _ in range(ROUNDS + 1):  # the first loads the networks
        for name, detector in jobs.items():
            clock, work = time.perf_counter(), time.process_time()
            detector.detect(frames)
            took[name].append((time.perf_counter() - clock, time.process_time() - work))
    base = np.array(took["dlib68"][1:])
    for name, rounds in took.items():
        seconds = np.array(rounds[1:])
        least, ratio = seconds.min(0) / len(frames) * 1e3, np.median(seconds[:, 1] / base[:, 1])
        yield f"| {name} | {least[0]:.1f} | {least[1]:.1f} | {ratio:.2f} |"


if __name__ == "__main__":
    main()
