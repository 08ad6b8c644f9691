"""Measure how late the sound is in each file of the sound set, and draw docs/sound_offsets.png.

Lips and speech as in the lip-sync proxies: the opening of the lips at 25 fps, predicted by ridge regression from phones
(hama), and from loudness in four bands, at each lag. Within one clip, it is fitted on each half for the other. `talk_a`
and `talk_b` show the same man, so a regression fitted on one clip must also fit the other: their two lags maximize the
sum of all these correlations. Run from the repository's root; copy the lags into protocols/data/sound_set.json by hand,
since the set is built from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib
import numpy as np

from baselines.speech import hama
from bench.detectors import choose
from bench.metrics.clips import speaking
from bench.runtime.config import cache_folder
from bench.sync import speech
from protocols import sound, sound_set
from protocols.pairs import FrameRef

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

LAGS = np.round(np.arange(-0.6, 0.601, 0.02), 2)
NEAR = np.flatnonzero(np.abs(LAGS) <= 0.2)  # range of the search for offsets
RIDGES = {"phones": 0.3, "loudness": 1.0}
TOGETHER = ("talk_a", "talk_b")


@dataclass(frozen=True)
class Spoken:
    """One clip, for phones and for loudness: features at each of `LAGS` with the lips at those times."""

    at: dict[str, list[tuple[np.ndarray, np.ndarray]]]

    def curve(self, kind: str) -> np.ndarray:
        """Return the correlation at each lag, fitted on each half of the clip for the other one."""
        return np.array([speaking.halves(x, y, RIDGES[kind]) for x, y in self.at[kind]])

    def carried(self, kind: str, other: Spoken) -> np.ndarray:
        """Return the correlation at `NEAR` lags, ``(of this, of the other)``, for a fit on this clip."""
        mine, theirs = ([clip.at[kind][k] for k in NEAR] for clip in (self, other))
        return np.array([[speaking.judged(*fit, *held, RIDGES[kind]) for held in theirs] for fit in mine])


def main() -> None:
    data = sound_set.open(cache_folder())
    mesh = choose("embedded", None, kinds=["landmarks-mesh"], cache=cache_folder() / "detections")["landmarks-mesh"]
    clips = {}
    for facts in sound_set.recipe()["clips"]:
        name = facts["id"]
        frames = [data.frame(FrameRef(data.name, name, frame)) for frame in data.frames(name)]
        found = [mesh.detect(frame[None])[0].values for frame in frames]
        landmarks = np.stack([np.full((68, 2), np.nan) if one is None else one for one in found])
        file = data.sound_file(name)
        heard = sound.read(file) if file else None
        assert heard is not None
        clips[name] = spoken(np.array(data.times(name)), landmarks, heard.later(facts["offset"]))
    for name, offset in offsets(clips).items():
        print(f"{name}: the sound is {offset:+.2f} s late")
    draw(clips)


def spoken(times: np.ndarray, landmarks: np.ndarray, heard: sound.Sound) -> Spoken:
    """Return the features of a clip. heard: as in the file, before the offset is removed."""
    grid, opening, _ = speaking.on_grid(times, speaking.lip_opening(landmarks))
    phones = speaking.without_trend(hama.phones(heard.samples), hama.PHONE_RATE)
    loud = speech.log_mel(heard.samples)
    rows = {"phones": phones, "loudness": (loud - loud.mean(0)).astype(np.float32)}
    clocks = {
        "phones": np.arange(len(phones)) / hama.PHONE_RATE + hama.PHONE_START + heard.start,
        "loudness": np.arange(len(loud)) / speech.MEL_RATE + speech.MEL_START + heard.start,
    }
    lips = {"phones": speaking.without_trend(opening, 1 / speaking.GRID), "loudness": opening}
    at: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {kind: [] for kind in RIDGES}
    for kind in RIDGES:
        for lag in LAGS:
            use = (grid + lag >= clocks[kind][0]) & (grid + lag <= clocks[kind][-1])
            at[kind].append((speaking.surroundings((grid + lag)[use], clocks[kind], rows[kind]), lips[kind][use]))
    return Spoken(at)


def offsets(clips: dict[str, Spoken]) -> dict[str, float]:
    """Return the seconds by which the sound is late, of each clip."""
    near = LAGS[NEAR]
    found = {}
    for name, clip in clips.items():
        found[name] = float(near[np.argmax(np.sum([clip.curve(kind) for kind in RIDGES], axis=0)[NEAR])])
    a, b = (clips[name] for name in TOGETHER)
    total = np.zeros((len(near), len(near)))
    for kind in RIDGES:
        total += a.curve(kind)[NEAR, None] + b.curve(kind)[None, NEAR] + a.carried(kind, b) + b.carried(kind, a).T
    best = np.unravel_index(np.argmax(total), total.shape)
    return found | {name: float(near[position]) for name, position in zip(TOGETHER, best)}


def draw(clips: dict[str, Spoken]) -> None:
    figure, axes = plt.subplots(1, len(clips), figsize=(10, 2.8), sharey=True, layout="constrained")
    stored = {facts["id"]: facts["offset"] for facts in sound_set.recipe()["clips"]}
    for ax, (name, clip) in zip(axes, clips.items()):
        for kind in RIDGES:
            ax.plot(LAGS, clip.curve(kind), label=kind)
        ax.axvline(stored[name], color="0.4", linestyle="--", label="taken out")
        ax.set(title=f"{name}: {stored[name]:+.2f} s", xlabel="the sound is late by (s)", ylim=(-0.4, 0.8))
        ax.grid(alpha=0.25)
    axes[0].set_ylabel("correlation with the lips")
    axes[-1].legend(frameon=False, fontsize="small")
    figure.savefig("docs/sound_offsets.png", dpi=80, metadata={"Software": None})


if __name__ == "__main__":
    main()
