"""Ctrl-C and SIGTERM, at once and in mid-run; a start in a folder that is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from run_files import files

from bench import signals

RUN = ["run", "--protocol", "vox1-sameid", "--data", "sample", "--detectors", "embedded", "--models", "copy-source"]
ASKED = [*RUN, "--metrics", "l1", "--limit", "40", "--batch-size", "1", "--no-bounds", "--name", "x"]


def start(cache, *arguments):
    environment = os.environ | {"TALKING_HEAD_BENCH_CACHE": str(cache)}
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [(signal.SIGINT, 130, "stopped by Ctrl-C"), (signal.SIGTERM, 143, "stopped by SIGTERM")],
)
def test_a_signal_ends_a_run_in_one_line_and_the_same_command_goes_on(
    cache, sample_set, tmp_path, monkeypatch, number, code, line
):
    monkeypatch.chdir(tmp_path)
    with start(cache, *ASKED) as run:
        while not list(Path("runs/x/work").glob("*/*.parquet")) and run.poll() is None:
            time.sleep(0.002)
        run.send_signal(number)
        text = run.communicate(timeout=120)[0]
    assert run.returncode == code, text
    assert text.splitlines()[-1] == line and "what was finished is kept in runs/x" in text and "Traceback" not in text
    assert not list(Path("runs/x").rglob(".*.tmp"))
    for name in ("x", "y"):
        with start(cache, *ASKED[:-1], name) as run:
            assert "report" in run.communicate(timeout=120)[0]
        assert run.returncode == 0
    assert files(Path("runs/x")) == files(Path("runs/y"))


INTERRUPTED = """
import random, signal, time, torch
from bench import metrics

def interrupt(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
chosen = [one for one in metrics.definitions().values() if one.family in metrics.PIXELS and one.detector is None]
images = torch.rand(2, 1, 3, 16, 16)
counted, end = 0, time.monotonic() + 3
while time.monotonic() < end:
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 1e-3))
        while True:
            for one in chosen:
                one.compute(*images)
    except KeyboardInterrupt:
        counted += 1
print(len(chosen), counted)
"""


def test_a_signal_in_the_middle_of_a_pixel_metric_is_an_exception_and_not_a_crash():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    chosen, counted = map(int, done.stdout.split())
    assert chosen > 4 and counted > 100


class Door:
    """A lock whose `with` is Python code, as those of `threading.Condition` and of `import` are."""

    def __init__(self, lock):
        self.lock = lock

    def __enter__(self):
        self.lock.acquire()
        os.kill(os.getpid(), signal.SIGTERM)
        return self

    def __exit__(self, *_):
        self.lock.release()


class Forgotten:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)


IMPORT = "lock.acquire(); os.kill(os.getpid(), signal.SIGTERM); lock.release()"


def through_a_door(lock):
    with Door(lock):
        time.sleep(10)


def in_an_import(lock):
    exec(compile(IMPORT, "<frozen importlib>", "exec"), {"lock": lock, "os": os, "signal": signal})
    time.sleep(10)


def where_exceptions_are_forgotten(lock):
    Forgotten()
    time.sleep(10)


@pytest.mark.parametrize("moment", [through_a_door, in_an_import, where_exceptions_are_forgotten])
def test_a_signal_in_a_bad_moment_leaves_no_lock_behind_and_is_not_lost(moment, capsys):
    lock, before = threading.Lock(), [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)]
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), signals.terminable():
        moment(lock)
    signals.received.clear()
    assert time.monotonic() - start < 5 and lock.acquire(blocking=False)
    assert before == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)]
    assert not capsys.readouterr().err


FROM_A_STRING = """
import os, signal, sys
from bench import signals

try:
    with signals.terminable():
        exec("os.kill(os.getpid(), signal.SIGTERM)")
except KeyboardInterrupt:
    sys.exit(signals.EXIT)
"""


def test_sigterm_keeps_its_code_where_it_comes_in_code_made_from_a_string(tmp_path):
    (tmp_path / "from_a_string.py").write_text(FROM_A_STRING)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "from_a_string"]
    assert subprocess.run(command, env=environment, timeout=60).returncode == 143


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [("KeyboardInterrupt", 130, "stopped by Ctrl-C"), ("MemoryError", 1, "stopped: out of memory")],
)
def test_what_comes_while_modules_are_loaded_is_one_line(error, code, line, tmp_path):
    (tmp_path / "typer.py").write_text(f"raise {error}")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "bench", "list", "models"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert (done.returncode, done.stderr) == (code, f"{line}\n")


def test_a_folder_that_is_gone_before_the_start(bench, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    code, text = bench("list", "models")
    monkeypatch.chdir(tmp_path)
    assert (code, text) == (2, "error: the folder that this command was started in is gone\n")
