"""Draw this project's lists on the real data sets from the clips named in published lists.

    python tools/freeze_lists.py FOLDER    # with the published CSV files

A clip of numbered frames has at least the frames up to the largest number that a published list names; in CelebV, whose
frames have no such numbers, the named ones are known. The pairs are drawn from these by the authors' strategy, so every
frame of a list exists wherever the clip was prepared as its authors did. Written to protocols/data/frozen/.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from protocols.catalogue import get
from protocols.datasets import LAYOUTS, Dataset, natural
from protocols.pairs import WHOLE_CLIP
from protocols.published import FROZEN, import_published
from protocols.sampling import make_pairs

# The lists whose clips a protocol's pairs are drawn from: for same-identity pairs those with many named frames.
SOURCES = {
    "vox1-sameid": ("dagan_vox_evaluation",),
    "vox1-crossid": ("dagan_vox_evaluation", "vox_cross_id_evaluation", "vox_cross_id_evaluation_best_frame"),
    "celebv-crossid": ("celeV_cross_id_evaluation",),
    "hdtf-sameid": ("HDTF_test_evaluation", "HDTF_test_evaluation_new"),
    "hdtf-crossid": ("HDTF_test_evaluation", "HDTF_test_evaluation_new", "HDTF_cross_id_v2"),
    "ted-sameid": ("ted_test_evaluation",),
}


def main(folder: Path) -> None:
    for name, lists in SOURCES.items():
        protocol = get(name)
        published = [import_published(folder / f"{source}.csv") for source in lists]
        named: dict[str, set[str]] = defaultdict(set)
        for ref in (ref for pairs in published for ref in pairs.refs() if ref.frame != WHOLE_CLIP):
            named[ref.clip].add(ref.frame)
        dataset = known(protocol.dataset, {clip: frames(names) for clip, names in named.items()})
        drawn = make_pairs(
            dataset, protocol.strategy, protocol.n, split=protocol.split, videos=protocol.videos, name=f"frozen-{name}"
        )
        origin = {pairs.provenance["file"]: pairs.provenance["file_sha256"] for pairs in published}
        drawn = replace(drawn, provenance=drawn.provenance | {"clips_of": origin})
        drawn.write(FROZEN / f"{name}.csv")
        print(name, drawn.counts(), drawn.sha256)


def frames(names: set[str]) -> list[str]:
    if not all(name.isdigit() for name in names):
        return sorted(names, key=natural)
    width = len(next(iter(names)))
    return [f"{number:0{width}d}" for number in range(max(map(int, names)) + 1)]


def known(name: str, clips: dict[str, list[str]]) -> Dataset:
    """Return the data set of this name as if it had these clips and frames."""

    class Known(LAYOUTS[name]):
        def clips(self, split: str | None = None) -> list[str]:
            return sorted(clips)

        def frames(self, clip: str) -> list[str]:
            return clips[clip]

    return Known(name, Path())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
