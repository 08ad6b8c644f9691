"""The project's own lists on the real data sets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.refused import refused

from protocols import catalogue
from protocols.errors import DataError
from protocols.published import FROZEN_PREFIX, RULES, frozen_names, read_pairs
from protocols.resolve import resolve

# Once published they stay: another list gets another name.
HASHES = {
    "celebv-crossid": "a07b69089ddec0fa41ee80a8a5acb5fa7b4d58ec65343c34779f509d3b4f9b11",
    "hdtf-crossid": "1db7976eb7e666e0f14d87de96a98b77c8dd4add85dee9b8ff812650fe6ef26b",
    "hdtf-sameid": "f2ef24b1141ff39a3603f0ada4d70ab56f5d7af86a8201732edb2825d55a97ad",
    "ted-sameid": "35af16d30978e990149262cc289cbce2357f7d5a6b847efe4c9e0e6715d91df9",
    "vox1-crossid": "579d8d2808004bf6141e6a952296a8907db946d410805e68f983527a4237f6fe",
    "vox1-sameid": "4a053276d227ac38387ea736f9b39b8c68719cd44d18c6b782beccd04a8776c4",
}
FITTING = [catalogue.get(name) for name in catalogue.names() if catalogue.get(name).frozen not in ("", *RULES)]


def own(name: str) -> Path:
    return Path(FROZEN_PREFIX + name)


def test_the_lists_are_what_they_were():
    assert {name: read_pairs(own(name)).sha256 for name in frozen_names()} == HASHES


@pytest.mark.parametrize("protocol", FITTING, ids=lambda protocol: protocol.name)
def test_a_list_fits_its_protocol(protocol):
    pairs = read_pairs(own(protocol.frozen))
    assert len(pairs) == protocol.n
    assert {ref.dataset for ref in pairs.refs()} == {protocol.dataset}
    same = protocol.reference == catalogue.SAME
    assert all((pair.target is not None) == same for pair in pairs.pairs)
    assert all((pair.source_identity == pair.driving_identity) == same for pair in pairs.pairs)
    assert len({(pair.source, pair.driving) for pair in pairs.pairs}) == protocol.n


@pytest.mark.parametrize("protocol", FITTING, ids=lambda protocol: protocol.name)
def test_a_list_finds_its_frames_where_the_layout_has_them(protocol, tmp_path):
    folder = {"celebv": "{}/Image"}.get(protocol.dataset, "{}")
    suffix = ".png" if protocol.dataset in ("vox1", "ted") else ".jpg"
    for pair in read_pairs(own(protocol.frozen)).head(2).pairs:
        for ref in pair.refs():
            file = tmp_path / folder.format(ref.clip) / (ref.frame + suffix)
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros((protocol.frame_size, protocol.frame_size, 3), np.uint8)).save(file)
    found = resolve(protocol, {protocol.dataset: tmp_path}, tmp_path, pair_file=own(protocol.frozen), limit=2)
    assert len(found.pair_list) == 2 and not found.load(found.pair_list.pairs[1]).source.any()
    with refused(DataError, "missing-frames"):
        resolve(protocol, {protocol.dataset: tmp_path}, tmp_path, pair_file=own(protocol.frozen))


def test_an_unknown_name_is_told_with_the_known_ones():
    shown = subprocess.run(
        [sys.executable, "-m", "bench", "pairs", "hash", "frozen:vox9"], capture_output=True, text=True
    )
    assert shown.returncode == 2 and "vox1-sameid" in shown.stderr + shown.stdout
