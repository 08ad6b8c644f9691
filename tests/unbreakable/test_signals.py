"""Ctrl-C and SIGTERM, at once and in mid-run; a start in a folder that is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from support.forked import Forked
from support.run_files import files

from bench.cli.main import FOLDER_GONE
from bench.run.command import SAVED
from bench.runtime import signals
from bench.runtime.signals import MESSAGES
from protocols import interruption

RUN = ["run", "--protocol", "vox1-sameid", "--data", "sample", "--detectors", "embedded", "--models", "copy-source"]
ASKED = [*RUN, "--metrics", "l1", "--limit", "20", "--batch-size", "1", "--no-bounds", "--name", "x"]


def start(cache: Path, folder: Path) -> Forked:
    return Forked(*ASKED, folder=folder, environment=os.environ | {"TALKING_HEAD_BENCH_CACHE": str(cache)})


@pytest.fixture(scope="module")
def whole(cache: Path, sample_set: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run leaves that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    with start(cache, folder) as run:
        assert "report" in run.end(120)
        assert run.returncode == 0
    return files(folder / "runs" / "x")


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143)],
)
def test_a_signal_ends_a_run_in_one_line_and_the_same_command_resumes(cache, whole, tmp_path, number, code):
    left = tmp_path / "runs" / "x"
    with start(cache, tmp_path) as run:
        while not list((left / "work").glob("*/*.parquet")) and run.poll() is None:
            time.sleep(0.002)
        run.send_signal(number)
        text = run.end(120)
        assert run.returncode == code, text
    assert text.splitlines()[-1] == MESSAGES[number] and SAVED.format("runs/x") in text and "Traceback" not in text
    assert not list(left.rglob(".*.tmp"))
    with start(cache, tmp_path) as run:
        assert "report" in run.end(120)
        assert run.returncode == 0
    assert files(left) == whole


INTERRUPTED = """
import random, signal, torch
from bench import metrics

def interrupt(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
chosen = [one for one in metrics.definitions().values() if one.kind is None]
images = torch.rand(2, 1, 3, 16, 16)
counted = 0
while counted < 500:
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
    assert chosen > 4 and counted == 500


def send(number):
    os.kill(os.getpid(), number)


@pytest.fixture
def ctrl_c():
    """Ctrl-C as in a terminal, and both handlers looked at afterwards."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_raised_where_work_looks(number, ctrl_c):
    noted = []

    def work():
        with signals.terminable() as request:
            noted.append(request)
            interruption.check()
            send(number)
            noted.append(request.number)
            with signals.terminable():  # as Ray's, whose own handlers are set meanwhile
                interruption.check()

    with pytest.raises(KeyboardInterrupt):
        work()
    request, seen = noted
    assert seen == number and signals.ending(request) == (signals.MESSAGES[number], signals.EXIT[number])
    interruption.check()  # outside nothing is noted


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_raises_at_once_and_a_second_sigterm_does_not(first, ctrl_c):
    reached = []

    def work():
        with signals.terminable():
            for number in (first, signal.SIGTERM, signal.SIGINT):
                send(number)
                reached.append(number)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == [first, signal.SIGTERM]


def test_a_ctrl_c_that_is_ignored_stays_ignored(ctrl_c):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with signals.terminable() as request:
        for _ in range(2):
            send(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    assert request.number == 0


def for_a_thread():
    interruption.result(Future(), 60)


def for_a_program():
    with subprocess.Popen(["sleep", "60"]) as program:
        try:
            interruption.exit_code(program, 60)
        finally:
            program.kill()


@pytest.mark.parametrize("wait", [for_a_thread, for_a_program])
def test_who_waits_looks_too(wait):
    later = threading.Timer(0.2, send, [signal.SIGTERM])

    def work():
        with signals.terminable():
            later.start()
            wait()

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work()
    later.join()
    assert time.monotonic() - start < 30


def test_waiting_ends_with_what_is_waited_for():
    done, failed = Future(), Future()
    threading.Timer(0.15, done.set_result, [7]).start()
    assert interruption.result(done) == 7
    failed.set_exception(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        interruption.result(failed)
    with pytest.raises(TimeoutError):
        interruption.result(Future(), 0.15)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.15); exit(3)"]) as program:
        assert interruption.exit_code(program, 60) == 3
    with subprocess.Popen(["sleep", "60"]) as program:
        with pytest.raises(subprocess.TimeoutExpired):
            interruption.exit_code(program, 0.15)
        program.kill()


FROM_A_STRING = """
import os, signal, sys
from bench.cli.main import FOLDER_GONE
from bench.runtime import signals
from protocols import interruption

try:
    with signals.terminable() as request:
        exec("os.kill(os.getpid(), signal.SIGTERM); interruption.check()")
except KeyboardInterrupt:
    sys.exit(signals.ending(request)[1])
"""


def test_sigterm_keeps_its_code_where_it_comes_in_code_made_from_a_string(tmp_path):
    (tmp_path / "from_a_string.py").write_text(FROM_A_STRING)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "from_a_string"]
    assert subprocess.run(command, env=environment, timeout=60).returncode == 143


@pytest.mark.parametrize(
    ("error", "code", "values"),
    [("KeyboardInterrupt", 130, [MESSAGES[signal.SIGINT]]), ("MemoryError", 1, ["stopped", "memory"])],
)
def test_what_comes_while_modules_are_loaded_is_one_line(error, code, values, tmp_path):
    (tmp_path / "typer.py").write_text(f"raise {error}")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "bench", "list", "models"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1)
    assert all(value in done.stderr for value in values) and "Traceback" not in done.stderr


def test_a_folder_that_is_gone_before_the_start(bench, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    code, text = bench("list", "models")
    monkeypatch.chdir(tmp_path)
    assert (code, text) == (2, f"{FOLDER_GONE}\n")
