"""What weights are follows from what their file holds, whatever it is called."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import torch
from support.small_networks import official_content, place, small

from baselines import checkpoints, origin, registry
from baselines.card import NO_CHECKSUM, card
from baselines.checkpoints import Checkpoint
from baselines.origin import judge
from bench.weights.export import export

CPU = torch.device("cpu")


def facts(file: Path, model: str = "fomm") -> dict:
    return registry.load(f"{model}?weights={file}", weights=None, device=CPU).describe()


def test_a_sample_checkpoint_stays_one_under_every_name_and_layout(tmp_path):
    official = tmp_path / "fomm" / "vox-cpk.pth.tar"
    shutil.copy(card("fomm").sample, tmp_path / "mine.safetensors")
    export(card("fomm").sample, official)
    export(official, tmp_path / "back.safetensors")
    for file in (card("fomm").sample, tmp_path / "mine.safetensors", official, tmp_path / "back.safetensors"):
        found = facts(file)
        assert (found["weights_status"], found["sample_weights"], found["untrained"]) == ("sample", True, False), file
    bare = {key: value for key, value in torch.load(official, weights_only=True).items() if key != checkpoints.OWN}
    torch.save(bare, official)  # its sizes still tell
    assert facts(official)["weights_status"] == "sample"
    found = registry.load("fomm", weights=tmp_path, device=CPU).describe()
    assert (found["weights_file"], found["weights_status"]) == ("vox-cpk.pth.tar", "sample")


def test_other_files_are_unverified_and_random_ones_untrained(tmp_path):
    config, network = small("fomm")
    found = facts(place(tmp_path, "fomm", official_content(network), config))
    assert found["weights_status"] == "unverified" and not found["published_size"] and not found["sample_weights"]
    assert found["weights_note"] == origin.OTHER_SIZE
    checkpoints.save_sample(tmp_path / "own.safetensors", "fomm", network, config, {"steps": 5, "clips": ["mine"]})
    found = facts(tmp_path / "own.safetensors")
    assert (found["weights_status"], found["weights_note"]) == ("unverified", f"{origin.TRAINED_HERE}, 5 steps")
    assert judge(card("fomm"), None, card("fomm").config).status == "untrained"


def test_only_a_checksum_makes_published_weights_of_the_right_sizes(tmp_path, monkeypatch):
    about = card("fomm")
    file = tmp_path / "vox-cpk.pth.tar"
    file.write_bytes(b"any")
    checkpoint = Checkpoint(file, {}, None, {})
    found = judge(about, checkpoint, copy.deepcopy(about.config))
    assert found.status == "unverified" and found.published_size and NO_CHECKSUM in found.note
    monkeypatch.setitem(vars(about), "checksums", {"another.pth.tar": checkpoint.sha256})  # the content, not the name
    assert judge(about, checkpoint, about.config).status == "official"
    file.write_bytes(b"another")
    assert judge(about, checkpoint, about.config).status == "unverified"
