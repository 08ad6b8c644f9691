"""An external program as a model."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from dataclasses import replace

import pytest
import torch
from support.refused import refused
from support.small_networks import batch, part

from baselines import registry
from baselines.external.process import TIMEOUT, ProgramError
from baselines.predictor import ModelError, TimeLimit

CPU = torch.device("cpu")
# Half of source plus half of driving (or of the anchor, in a relative mode), but nothing for pair p1.
BLEND = """
import csv, pathlib, sys
import numpy as np
from PIL import Image
pairs, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
for row in csv.DictReader(pairs.open()):
    other = row["driving"] if row["mode"] == "absolute" else row["anchor"]
    images = [np.asarray(Image.open(pairs.parent / file), dtype=float) for file in (row["source"], other)]
    if row["pair"] != "p1":
        Image.fromarray((sum(images) / 2).astype(np.uint8)).save(out / (row["pair"] + ".png"))
"""


@pytest.fixture
def program(tmp_path):
    """Write a Python program; returns the command that calls it, with `rest` behind."""

    def write(text: str, rest: str = "") -> str:
        file = tmp_path / "a program.py"
        file.write_text(text)
        return f"cmd:{shlex.quote(sys.executable)} {shlex.quote(str(file))} {rest}".strip()

    return write


def load(spec):
    return registry.load(spec, weights=None, device=CPU)


def test_the_program_gets_the_pairs(program):
    predictor, pairs = load(program(BLEND)), batch(3, 16)
    frames = predictor.predict(pairs, "absolute")
    assert frames[1].isnan().all()
    torch.testing.assert_close(frames[[0, 2]], ((pairs.source + pairs.driving) / 2)[[0, 2]], atol=1.01 / 255, rtol=0)
    assert predictor.why_missing("p1").endswith(" out/p1.png")
    relative = predictor.predict(part(pairs, 2), "relative")
    torch.testing.assert_close(relative, ((pairs.source + pairs.anchor) / 2)[2:], atol=1.01 / 255, rtol=0)


def test_placeholders_and_columns(program, tmp_path):
    kept = tmp_path / "kept"
    text = (
        "import os, shutil, sys\n"
        "assert sys.argv[1] == '--list' and sys.argv[3].startswith('--out='), sys.argv\n"
        f"shutil.copytree(os.path.dirname(sys.argv[2]), {str(kept)!r})\n"
    )
    pairs = replace(batch(1, 16), anchor=None, info=({"source_identity": "id1", "alpha": 1.2},))
    load(program(text, "--list {pairs} --out={out}")).predict(pairs, "absolute")
    header, row = (kept / "pairs.csv").read_text().splitlines()
    assert header.split(",") == ["pair", "source", "driving", "anchor", "mode", "seed", "info"]
    assert row.startswith("p0,source/p0.png,driving/p0.png,,absolute,100,")
    assert json.loads(row.split(",100,")[1].strip('"').replace('""', '"')) == pairs.info[0]
    assert not list(kept.rglob("*target*"))


def test_what_was_written_under_another_name_is_named(program):
    predictor = load(program(BLEND.replace('".png"', '"_out.png"').replace('!= "p1"', '!= "p0"')))
    assert predictor.predict(batch(2, 16), "absolute").isnan().all()
    assert predictor.why_missing("p0").endswith(" out/p0.png (but out/p1_out.png)")
    predictor = load(program(BLEND.replace('".png"', '".jpg"')))
    predictor.predict(batch(3, 16), "absolute")
    assert predictor.why_missing("p2").endswith(" out/p2.png (but out/p2.jpg)")


def test_the_folder_is_gone_afterwards(program, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    load(program(BLEND)).predict(batch(1, 16), "absolute")
    assert not list(tmp_path.glob("talking-head-bench-*"))


def test_failures_of_the_program(program):
    text = "import sys; print('first', file=sys.stderr); print('out of memory', file=sys.stderr); sys.exit(3)"
    with refused(ProgramError, "program-failed", "code 3", "out of memory"):
        load(program(text)).predict(batch(1, 16), "absolute")
    half = BLEND.replace("(sum(images) / 2)", "images[0][:8]")
    with refused(ProgramError, "frame-size", "p0.png", "16x8", "16x16"):
        load(program(half)).predict(batch(1, 16), "absolute")


def test_a_program_that_hangs_is_ended_with_its_children(program, tmp_path, monkeypatch):
    monkeypatch.setenv(TIMEOUT, "1.5")
    child = tmp_path / "child"
    text = (
        "import subprocess, time\n"
        f"open({str(child)!r}, 'w').write(str(subprocess.Popen(['sleep', '60']).pid))\n"
        "time.sleep(60)\n"
    )
    start = time.monotonic()
    with pytest.raises(TimeLimit, match="longer than 1.5 s"):
        load(program(text)).predict(batch(1, 16), "absolute")
    assert time.monotonic() - start < 10
    assert not alive(int(child.read_text()))


def test_what_was_written_before_the_time_limit_counts(program, monkeypatch):
    """p0 and p2 are whole, p1 is missing, p3 is cut off."""
    monkeypatch.setenv(TIMEOUT, "5")
    text = (
        "import pathlib, sys, time\n"
        "pairs, out = map(pathlib.Path, sys.argv[1:])\n"
        "for name, size in (('p0', None), ('p2', None), ('p3', 60)):\n"
        "    (out / f'{name}.png').write_bytes((pairs.parent / 'source' / f'{name}.png').read_bytes()[:size])\n"
        "time.sleep(60)\n"
    )
    with pytest.raises(TimeLimit, match="longer than 5 s") as limit:
        load(program(text)).predict(batch(4, 16), "absolute")
    assert limit.value.frames.isfinite().flatten(1).all(1).tolist() == [True, False, True, False]


def alive(process: int) -> bool:
    for _ in range(50):
        try:
            os.kill(process, 0)
            with open(f"/proc/{process}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return False
        except (ProcessLookupError, FileNotFoundError):
            return False
        time.sleep(0.05)
    return True


def test_unusable_commands(monkeypatch, tmp_path):
    for spec, message in {
        "cmd:": "needs a command",
        "cmd:no-such-program-anywhere x": "no-such-program-anywhere is not found",
        "cmd:python 'open": "no closing quotation",
    }.items():
        with pytest.raises(ModelError, match=message):
            load(spec)
    monkeypatch.setenv(TIMEOUT, "soon")
    with refused(ModelError, "bad-value", "soon"):
        load("cmd:true")


def test_no_shell_and_no_path_in_a_pair_id(program, tmp_path):
    pairs = batch(1, 16)
    load(f"cmd:true ; touch {tmp_path / 'x'} && true").predict(pairs, "absolute")
    assert not (tmp_path / "x").exists()
    with refused(ModelError, "bad-name"):
        load(program(BLEND)).predict(replace(pairs, ids=("../p0",)), "absolute")


def test_what_a_program_says_is_cut_and_free_of_the_folder(program):
    """The folder has another name each time; what is said goes into the table of samples."""
    text = "import sys; sys.stderr.write('x' * 10**7 + sys.argv[1]); sys.exit(3)"
    with pytest.raises(ProgramError) as error:
        load(program(text)).predict(batch(1, 16), "absolute")
    assert len(str(error.value)) < 1000 and str(error.value).endswith("xpairs.csv")
    for body in ("b'no picture'", "b''"):
        text = f"import sys; open(sys.argv[2] + '/p0.png', 'wb').write({body})"
        with refused(ProgramError, "unreadable-image", "out/p0.png"):
            load(program(text)).predict(batch(1, 16), "absolute")


@pytest.mark.parametrize("content", [b"#!/no/such/interpreter\n", b"\x7fELFxx"])
def test_a_program_that_cannot_be_started_stops_the_run(content, tmp_path):
    file = tmp_path / "program"
    file.write_bytes(content)
    file.chmod(0o755)
    with refused(ModelError, "program-not-found"):
        load(f"cmd:{file}").predict(batch(1, 16), "absolute")
