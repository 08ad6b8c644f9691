"""Ctrl-C and SIGTERM, at once and in mid-run; a start in a folder that is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.run_files import files

from bench.runtime import signals

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


TERMINATE = partial(os.kill, os.getpid(), signal.SIGTERM)


def executed(code, module, file, **names):
    exec(compile(code, file, "exec"), {"__name__": module, "terminate": TERMINATE, **names})
    threading.Event().wait(20)


def at_a_lock(released):
    lock = SimpleNamespace(acquire=None, release=None, __enter__=TERMINATE, __exit__=lambda *_: released.append(True))
    with threading.Condition(lock):
        threading.Event().wait(20)


def in_an_import(released):
    executed("terminate(); released.append(True)", "bench", "<frozen importlib._bootstrap>", released=released)


def in_code_that_makes_another_error_of_it(released):
    code = "try: terminate()\nexcept BaseException: raise ValueError\nelse: released.append(True)"
    executed(code, "torch.storage", "storage.py", released=released)


def where_exceptions_are_forgotten(released):
    code = "class Forgotten:\n    def __del__(self): terminate()\nForgotten(); released.append(True)"
    executed(code, "bench", "x.py", released=released)


BAD = [at_a_lock, in_an_import, in_code_that_makes_another_error_of_it, where_exceptions_are_forgotten]


@pytest.mark.parametrize("moment", BAD)
def test_a_signal_in_a_bad_moment_does_no_harm_and_is_not_lost(moment, capsys):
    released, before = [], [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)]
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), signals.terminable():
        moment(released)
    signals.received.clear()
    assert time.monotonic() - start < 8 and released
    assert before == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)]
    assert not capsys.readouterr().err


@pytest.mark.parametrize(("number", "times", "patience"), [(signal.SIGTERM, 1, 0.5), (signal.SIGINT, 2, 60)])
def test_foreign_code_that_never_ends_is_interrupted_after_a_while_or_by_a_second_ctrl_c(
    number, times, patience, monkeypatch
):
    monkeypatch.setattr(signals, "_PATIENCE", patience)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    names = {"send": partial(os.kill, os.getpid(), number), "times": range(times), "sleep": time.sleep}
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), signals.terminable():
        exec("for _ in times: send()\nsleep(20)", {"__name__": "torch.nn", **names})
    signals.received.clear()
    signal.signal(signal.SIGINT, before)
    assert time.monotonic() - start < 8


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
