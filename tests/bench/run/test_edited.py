"""Edited code is another model: what was measured before never stands for it."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path

import pandas as pd

from bench.run import command as run_module
from bench.run.command import COMPLETE
from bench.run.outside import CODE
from bench.rundir import directory

COPY = """
import csv, pathlib, shutil, sys
pairs, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
for row in csv.DictReader(pairs.open()):
    shutil.copy(pairs.parent / row["ROLE"], out / f"{row['pair']}.png")
"""


def write(role: str, more: str = "") -> None:
    Path("copy_it.py").write_text(COPY.replace("ROLE", role) + more)


def asked(*more: object, n: int = 4) -> list[object]:
    program = f"mine=cmd:{shlex.quote(sys.executable)} copy_it.py"
    common = ["--metrics", "l1", "--no-bounds", "--batch-size", 2, "--limit", n]
    return ["run", "--protocol", "vox1-sameid", *common, *more, "--models", program]


def l1(run: Path) -> float:
    return pd.read_parquet(run / "samples.parquet")["l1"].mean()


def test_an_edited_program_is_measured_again_and_that_is_said(bench):
    write("driving")
    assert bench(*asked())[0] == 0
    (first,) = Path("runs").iterdir()
    assert l1(first) == 0
    text = bench(*asked())[1]
    assert COMPLETE.format(first) in text and "1 file " in text and "copy_it.py" in text
    write("source")
    code, text = bench(*asked("--save-frames"))
    assert code == 0 and "copy_it.py" in text and str(first) in text
    (second,) = set(Path("runs").iterdir()) - {first}
    assert l1(second) > 0.01 and l1(first) == 0
    manifest = json.loads((second / "manifest.json").read_text())
    (notice,) = [notice for notice in manifest["notices"] if "copy_it.py" in notice]
    assert notice.startswith(CODE) and str(first) in notice
    assert list(manifest["code"]["mine"]["files"]) == ["copy_it.py"]
    assert str(first) in (second / "report.html").read_text()


def test_a_named_run_is_replaced_only_with_force(bench):
    write("driving")
    assert bench(*asked("--name", "x"))[0] == 0
    mine = Path("runs/x/mine.txt")
    mine.write_text("the user's own")
    write("source")
    ended = code, text = bench(*asked("--name", "x"))
    assert code == 2 and ended.error == "other-run" and "copy_it.py" in text and "--force" in text
    assert l1(Path("runs/x")) == 0
    assert bench(*asked("--name", "x", "--force"))[0] == 0
    assert l1(Path("runs/x")) > 0.01 and mine.exists()
    Path("runs/x/summary.json").unlink()
    assert COMPLETE.format("runs/x") in bench(*asked("--name", "x"))[1]
    assert COMPLETE.format("runs/x") not in bench(*asked("--name", "x", "--force"))[1]
    ended = code, text = bench(*asked("--name", "x", n=3))
    assert code == 2 and ended.error == "other-run" and "pair list" in text


def test_batches_of_old_code_are_not_resumed_with_new_code(bench, monkeypatch):
    write("driving")
    replace, shards = directory.replace, []

    def full(file, content):
        shards.extend([file] if file.suffix == ".parquet" else [])
        if len(shards) == 2:
            raise OSError(28, "No space left on device")
        replace(file, content)

    with monkeypatch.context() as patched:
        patched.setattr(directory, "replace", full)
        assert bench(*asked("--name", "x"))[0] == 1
    assert len(list(Path("runs", "x", "work", "mine").glob("*.parquet"))) == 1
    write("source")
    ended = code, text = bench(*asked("--name", "x"))
    assert code == 2 and ended.error == "other-run" and "copy_it.py" in text
    assert bench(*asked("--name", "x", "--force"))[0] == 0
    assert (pd.read_parquet("runs/x/samples.parquet")["l1"] > 0.001).all()


def test_a_program_edited_while_it_works_gives_no_numbers(bench):
    write("driving", "with open('copy_it.py', 'a') as script: script.write('# edited\\n')\n")
    ended = code, text = bench(*asked("--name", "x"))
    assert code == 1 and ended.error == "changed-file" and "copy_it.py" in text
    assert not Path("runs/x/samples.parquet").exists() and not list(Path("runs/x/work").rglob("*.parquet"))


def test_frames_edited_while_they_are_read_give_no_numbers(bench, monkeypatch):
    write("driving")
    bench(*asked("--name", "x", "--save-frames"))
    shutil.copytree("runs/x/frames/mine", "made")
    run = ["run", "--protocol", "vox1-sameid", "--metrics", "l1", "--no-bounds", "--limit", 4, "--name", "y"]
    run += ["--models", "mine=frames:made"]
    evaluate = run_module.evaluate

    def edits(*arguments, **options):
        found = evaluate(*arguments, **options)
        shutil.copy("made/0000.png", "made/0001.png")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(run_module, "evaluate", edits)
        ended = code, text = bench(*run)
    assert code == 1 and ended.error == "changed-file" and text.split(" changed ")[0].endswith("of mine")
    assert bench(*run, "--force")[0] == 0 and l1(Path("runs/y")) > 0


def test_force_keeps_frames_that_are_read(bench):
    write("driving")
    bench(*asked("--name", "x", "--save-frames"))
    run = ["run", "--protocol", "vox1-sameid", "--metrics", "l1", "--limit", 4, "--name", "x", "--force"]
    ended = code, text = bench(*run, "--models", "frames:runs/x/frames/mine")
    assert code == 2 and ended.error == "unwritable-folder" and "runs/x/frames/mine" in text and "--name" in text
    assert len(list(Path("runs/x/frames/mine").glob("*.png"))) == 4


def test_frames_from_another_folder_are_not_those_measured_before(bench, sample_set):
    for root, first in (("one", 0), ("two", 4)):
        for number, frame in enumerate(sorted((sample_set / "w_tilt").glob("*.png"))[first : first + 4]):
            target = Path(root, "clip", f"{number:07d}.png")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(frame, target)
    assert bench("pairs", "make", "--data", "mine=one", "--n", 3, "--out", "mine.csv")[0] == 0
    run = ["run", "--protocol", "own-sameid", "--pairs", "mine.csv", "--metrics", "l1", "--models", "copy-source"]
    assert bench(*run, "--data", "mine=one", "--name", "x")[0] == 0
    code, text = bench(*run, "--data", "mine=one", "--name", "x", "--save-frames")
    assert code == 0 and COMPLETE.format("runs/x") in text and "--force" in text
    ended = code, text = bench(*run, "--data", "mine=two", "--name", "x")
    assert code == 2 and ended.error == "other-run" and "--force" in text
    assert bench(*run, "--data", "mine=two", "--name", "x", "--force")[0] == 0


def test_what_no_hash_covers_is_said_at_the_start_and_when_a_run_is_complete_already(bench):
    write("driving", "try:\n    import nowhere_near\nexcept ImportError:\n    pass\n")
    started, again = bench(*asked(n=1)), bench(*asked(n=1))
    for (code, text), complete in ((started, False), (again, True)):
        said = text.partition(f"{CODE}mine: ")[2]
        assert code == 0 and "nowhere_near" in said and ("--force" in said) == complete, text
