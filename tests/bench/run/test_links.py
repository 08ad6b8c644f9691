"""Data roots whose folders are links to another disk, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image


def test_links_out_of_the_root_on_demand(bench, tmp_path: Path):
    for person in ("id10001", "id10002"):
        folder = tmp_path / "disk" / "test" / f"{person}#video#1#9.mp4"
        folder.mkdir(parents=True)
        for number in range(3):
            Image.fromarray(np.full((64, 64, 3), 50 * number, np.uint8)).save(folder / f"{number:07d}.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test").symlink_to(tmp_path / "disk" / "test")
    root = ("--data", "vox1=data")
    assert bench("pairs", "make", *root, "--n", "4", "--out", "list.csv", "--follow-links")[0] == 0
    run = ("run", "--protocol", "vox1-sameid", "--models", "copy-target", "--pairs", "list.csv", "--metrics", "l1")
    run += ("--device", "cpu", "--name", "linked", *root)
    for command in (run, ("pairs", "survey", "list.csv", *root)):
        code, text = bench(*command)
        assert code == 2 and "--follow-links" in text
        assert bench(*command, "--follow-links")[0] == 0
    manifest = json.loads(Path("runs/linked/manifest.json").read_text())
    assert manifest["pairs"]["provenance"]["follow_links"] is True
    Path("bench.toml").write_text('[data]\nvox1 = "data"\nfollow_links = true\n')
    assert bench("pairs", "survey", "list.csv")[0] == 0
