"""The folder of a run: locked against others, full, read-only, gone."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from support.run_files import files

import bench.run.command  # noqa: F401  (what it imports by name is bound before writes are counted)
from bench.rundir import directory

RUN = ["run", "--protocol", "vox1-diffscale", "--detectors", "embedded", "--models", "copy-source", "--metrics", "l1"]
ASKED = [*RUN, "--limit", 3, "--batch-size", 2, "--no-bounds", "--save-frames"]
HOLDER = """
    import sys, time
    from pathlib import Path
    from bench.rundir.directory import RunDirectory
    with RunDirectory(Path(sys.argv[1])).locked():
        print("held", flush=True)
        time.sleep(600)
"""


@pytest.fixture(scope="module")
def expected(sample_set, tmp_path_factory):
    """The files of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    command = [sys.executable, "-m", "bench", *map(str, ASKED), "--out", str(folder), "--name", "x"]
    environment = os.environ | {"TALKING_HEAD_BENCH_CACHE": str(sample_set.parent)}
    subprocess.run(command, check=True, capture_output=True, timeout=120, env=environment)
    return files(folder / "x")


def test_a_held_folder_is_refused_and_the_process_named_until_it_dies(bench, expected):
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), "runs/x"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        try:
            code, text = bench(*ASKED, "--name", "x")
        finally:
            holder.send_signal(signal.SIGKILL)
        assert code == 2
        assert str(holder.pid) in text.splitlines()[-1] and "--name" in text.splitlines()[-1]
        assert "Traceback" not in text
    assert Path("runs/x/.lock.json").exists()  # what the dead process left
    code, text = bench(*ASKED, "--name", "x")
    assert code == 0, text
    assert files(Path("runs/x")) == expected
    assert not Path("runs/x/.lock.json").exists()


def test_what_a_killed_writer_left_is_swept_up(bench, expected):
    left = [
        Path("runs/x") / name for name in (".a.parquet.77.tmp", "work/m/.b.parquet.77.tmp", "pictures/m/.c.png.77.tmp")
    ]
    for file in left:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"torn")
    assert bench(*ASKED, "--name", "x")[0] == 0
    assert not any(file.exists() for file in left)
    assert files(Path("runs/x")) == expected


@pytest.mark.parametrize("damage", [b"", bytes(3000), None, "half"])
def test_a_frame_that_a_power_cut_tore_is_made_again(bench, expected, monkeypatch, damage):
    write, shards = directory.RunDirectory.write_shard, []

    def full(self, *arguments):
        shards.append(arguments)
        if len(shards) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(directory.RunDirectory, "write_shard", full)
        assert bench(*ASKED, "--name", "x")[0] == 1
    frame = sorted(Path("runs/x").glob("work/copy-source/frames/*.png"))[0]
    content = frame.read_bytes()
    frame.unlink() if damage is None else frame.write_bytes(content[:-200] if damage == "half" else damage)
    assert bench(*ASKED, "--name", "x")[0] == 0
    assert files(Path("runs/x")) == expected


class Faults:
    """Counts the writes of a run and makes the one with the given number fail."""

    def __init__(self, monkeypatch, number: int, code: int):
        self.count, self.number, self.code, self.failed = 0, number, code, None
        self.lock = threading.Lock()
        for owner, name in (
            (directory, "replace"),
            (directory, "write_png"),
            (Path, "write_text"),
            (shutil, "copyfile"),
        ):
            monkeypatch.setattr(owner, name, self.counting(getattr(owner, name)))

    def counting(self, write):
        def counted(*arguments, **options):
            with self.lock:  # frames are written by a thread of their own
                self.count += 1
                count = self.count
            if count == self.number:
                self.failed = str(arguments[0])
                raise OSError(self.code, os.strerror(self.code), self.failed)
            return write(*arguments, **options)

        return counted


@pytest.mark.parametrize(
    ("code", "step"),
    [
        pytest.param(errno.ENOSPC, 1, id="disk full", marks=pytest.mark.slow),
        pytest.param(errno.EROFS, 8, id="read-only"),
    ],
)
def test_whichever_write_fails_the_same_command_goes_on(bench, expected, monkeypatch, code, step):
    with monkeypatch.context() as patched:
        whole = Faults(patched, 0, code)
        assert bench(*ASKED, "--name", "whole")[0] == 0
    assert whole.count > 12  # lock, manifest, list, frames, shards, tables, pictures, summary, report
    for number in range(1, whole.count + 1, step):
        with monkeypatch.context() as patched:
            faults = Faults(patched, number, code)
            stopped, text = bench(*ASKED, "--name", "x")
        assert faults.failed, number
        assert stopped == 1 or (code == errno.EROFS and stopped == 2), (faults.failed, text)
        assert "Traceback" not in text, (faults.failed, text)
        assert os.strerror(code) in text.splitlines()[-1], (faults.failed, text)
        again, text = bench(*ASKED, "--name", "x")
        assert again == 0, (faults.failed, text)
        assert files(Path("runs/x")) == expected, faults.failed
        shutil.rmtree("runs/x")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_folder_that_disappears_stops_the_run(bench, expected, monkeypatch, replaced):
    write, shards = directory.RunDirectory.write_shard, []

    def vanishing(self, *arguments):
        shards.append(arguments)
        if len(shards) == 2:
            shutil.rmtree(self.path)
            if replaced:  # by another run in a folder of the same name
                self.path.mkdir()
                (self.path / ".lock").touch()
        write(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(directory.RunDirectory, "write_shard", vanishing)
        ended = code, text = bench(*ASKED, "--name", "x")
    assert code == 1 and ended.error == "missing-folder" and "runs/x" in text.splitlines()[-1]
    left = [file for file in Path("runs/x").rglob("*") if file.name != ".lock"]
    assert left == [], "nothing may be written into a folder that is another's"
    assert bench(*ASKED, "--name", "x")[0] == 0
    assert files(Path("runs/x")) == expected


@pytest.mark.parametrize("damage", ["cut", "zeros", "one byte", "gone"])
def test_changed_tables_of_a_finished_run_are_not_believed(bench, expected, damage):
    assert bench(*ASKED, "--name", "x")[0] == 0
    file = Path("runs/x/samples.parquet")
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    damaged = {"cut": content[:-9], "zeros": bytes(len(content)), "one byte": content}.get(damage)
    file.unlink() if damaged is None else file.write_bytes(damaged)
    code, text = bench(*ASKED, "--name", "x")
    assert code == 0 and "complete already" not in text
    assert files(Path("runs/x")) == expected
    assert json.loads(Path("runs/x/manifest.json").read_text())["state"] == "complete"
