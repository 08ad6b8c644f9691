"""Runs in Ray: the bytes of a local run, whatever the number of workers and whichever of them dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from support import manifests
from support.command_line import call
from support.refused import refused

from bench.run.command import SAVED
from bench.run.engine import Batch, Model
from bench.run.executors import choose
from bench.run.manifest import essence
from bench.run.ray_shards import LOST
from bench.run.setup import RunSettings
from bench.runtime.errors import Stopped, UserError
from protocols.pairs import FrameRef, Pair

PAIRS = 16
ASKED = ["--protocol", "vox1-diffscale", "--models", "mcnet", "--limit", str(PAIRS), "--batch-size", "2"]
ASKED += ["--metrics", "ssim,l1,akd", "--detectors", "embedded", "--name", "x", "--save-frames"]


@pytest.fixture(scope="module")
def environment(sample_set: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A detection cache of these tests' own, and few threads, since the workers share the cores."""
    cache = tmp_path_factory.mktemp("cache")
    (cache / sample_set.name).symlink_to(sample_set)
    return os.environ | {"TALKING_HEAD_BENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.Popen]:
    """Start `bench run` in the folder of the test."""

    def begin(*more: object) -> subprocess.Popen:
        command = [sys.executable, "-m", "bench", "run", *ASKED, *map(str, more)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes)

    return begin


@pytest.fixture(scope="module")
def expected(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the local run leaves."""
    folder = tmp_path_factory.mktemp("local")
    command = [sys.executable, "-m", "bench", "run", *ASKED]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return files(folder / "runs" / "x")


def files(run: Path) -> dict[str, bytes]:
    """The table and every frame of a finished run."""
    kept = [run / "samples.parquet", *sorted(run.glob("frames/**/*.png"))]
    return {file.relative_to(run).as_posix(): file.read_bytes() for file in kept}


def finish(process: subprocess.Popen, code: int = 0) -> str:
    printed, _ = process.communicate(timeout=900)
    assert process.returncode == code, printed
    assert "Traceback" not in printed, printed
    return printed


def until(process: subprocess.Popen, run: Path, shards: int) -> None:
    """Wait until the run has finished some batches."""
    while len(list((run / "work").glob("*/*.parquet"))) < shards:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)


def workers(process: subprocess.Popen) -> list[int]:
    """The Ray workers below a process that are at work: Ray names a process by what it does."""
    parents, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if (folder / "cmdline").read_bytes().startswith(b"ray::RayWorker"):
                found.append(int(folder.name))
        except OSError:  # it has just ended
            continue

    def below(number: int) -> bool:
        while number in parents:
            number = parents[number]
            if number == process.pid:
                return True
        return False

    return [number for number in found if below(number)]


needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@needs_ray
@pytest.mark.slow
def test_the_bytes_of_a_local_run(start, expected, tmp_path):
    finish(start("--executor", "ray", "--ray-workers", 2))
    assert files(tmp_path / "runs" / "x") == expected
    manifest = json.loads((tmp_path / "runs" / "x" / "manifest.json").read_text())
    assert manifest["executor"]["name"] == "ray" and len(manifest["executor"]["workers"]) == 2
    assert manifest["determinism"] == {"same_bytes": True, "because": []}


@needs_ray
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds workers in /proc")
def test_a_killed_worker_loses_no_pair_and_doubles_none(start, expected, tmp_path):
    run = tmp_path / "runs" / "x"
    process = start("--executor", "ray", "--ray-workers", 4)
    until(process, run, 1)
    os.kill(workers(process)[0], signal.SIGKILL)
    finish(process)
    notices = json.loads((run / "manifest.json").read_text())["notices"]
    assert any(notice.startswith(LOST) for notice in notices), notices
    rows = pd.read_parquet(run / "samples.parquet")
    assert not rows.duplicated(["pair", "model"]).any() and len(rows) == 3 * PAIRS
    assert files(run) == expected


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "number", "code"),
    [("local", signal.SIGINT, 130), ("ray", signal.SIGINT, 130), ("ray", signal.SIGTERM, 143)],
)
def test_a_run_is_interrupted_in_one_executor_and_resumed_in_the_other(start, expected, tmp_path, first, number, code):
    run = tmp_path / "runs" / "x"
    process = start("--executor", first)
    until(process, run, 3)
    process.send_signal(number)
    assert SAVED.format("runs/x") in finish(process, code)
    kept = {file: file.stat().st_mtime_ns for file in (run / "work").glob("*/frames/*.png")}
    assert len(kept) >= 6
    process = start("--executor", "ray" if first == "local" else "local")
    until(process, run, 4)
    assert all(file.stat().st_mtime_ns == written for file, written in kept.items())
    finish(process)
    assert files(run) == expected


@needs_ray
@pytest.mark.slow
def test_the_run_may_be_killed_and_its_workers_end_with_it(start, expected, tmp_path):
    run = tmp_path / "runs" / "x"
    process = start("--executor", "ray", "--ray-workers", 2)
    until(process, run, 2)
    alive = workers(process)
    assert alive
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{number}").exists() for number in alive) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{number}").exists() for number in alive)
    finish(start("--executor", "ray", "--ray-workers", 2))
    assert files(run) == expected


def test_without_ray_one_line_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    arguments = ["run", "--protocol", "vox1-sameid", "--models", "copy-source", "--executor", "ray"]
    ended = code, text = call(monkeypatch, capsys, *arguments)
    assert code == 2 and ended.error == "missing-package"
    assert len(text.splitlines()) == 1 and "talking-head-bench[ray]" in text


def test_settings_that_do_not_go_together_are_refused(tmp_path):
    def settings(**more: object) -> RunSettings:
        return RunSettings(models=["copy-source"], protocol="vox1-sameid", config=None, **more)

    with refused(UserError, "unused-option", "--executor"):
        choose(settings(ray_workers=2))
    with refused(UserError, "unknown-choice"):
        choose(settings(executor="slurm"))


@needs_ray
@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"ray_address": "ray://127.0.0.1:10001"}, "bad-value"),
        ({"ray_address": "127.0.0.1:1"}, "no-cluster"),
        ({"ray_address": "ray://somewhere"}, "bad-value"),
        ({"device": "cuda:1"}, "bad-value"),
    ],
)
def test_what_ray_cannot_do_is_said_before_anything_is_loaded(asked, code):
    with refused(UserError, code, *asked.values()):
        choose(RunSettings(models=["x"], protocol="vox1-sameid", config=None, executor="ray", **asked))


class Fake:
    """Stands in for `RayWorker`: answers with the pairs that it was given, and fails as it is asked to."""

    def __init__(self, number: int, marks: Path, fails: str = "") -> None:
        self.number, self.marks, self.fails = number, marks, fails

    def alive(self):
        return None

    def begin(self):
        from bench.run.ray_worker import Facts

        if self.fails == "user":
            raise UserError("nowhere", code="missing-folder")
        if self.fails == "start":
            os._exit(1)
        return Facts("here", None, ESSENCE | ({"models": "others"} if self.fails == "other" else {}), {})

    def work(self, label, batches):
        from bench.run.ray_worker import Answer

        ids = [pair.id for pairs in batches for pair in pairs]
        if self.fails == "once" and not (self.marks / "died").exists():
            (self.marks / "died").touch()
            os._exit(1)
        if self.fails == "pair" and "0003" in ids:
            os._exit(1)
        done = [Batch(pd.DataFrame({"pair": [pair.id for pair in pairs]}), {}, {}) for pairs in batches]
        if self.fails == "model" and "0003" in ids:
            return Answer(done[:1], ["oh"], ValueError("no more"))
        return Answer(done, [], None)


PLAN = manifests.complete(["fake"], [], versions={})
ESSENCE = essence(PLAN)


@pytest.fixture(scope="module")
def ray():
    """Ray in this process."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    found = pytest.importorskip("ray", reason="Ray is not installed")
    folders = os.pathsep.join([str(Path(__file__).parents[n]) for n in (3, 2, 0)])
    found.init(
        "local",
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        runtime_env={"env_vars": {"PYTHONPATH": folders}},
    )
    yield found
    found.shutdown()


@pytest.fixture
def crew(ray, tmp_path):
    """Have fakes, one for each entry of `fails`, work on ten batches of two pairs; returns pairs and what was said."""
    from bench.run.ray_cluster import Crew

    def work(*fails: str) -> tuple[list[str], list[str]]:
        said: list[str] = []
        kind = ray.remote(Fake).options(max_restarts=-1, num_cpus=1)
        actors = [kind.remote(number, tmp_path, one) for number, one in enumerate(fails)]
        crew = Crew(actors, PLAN, said.append)
        found: list[str] = []
        try:
            for batch in crew(Model("fake", None, "absolute"), batches()):
                found.extend(batch.rows["pair"])
        except Exception as error:
            error.found, error.said = found, said
            raise
        finally:
            for actor in actors:
                ray.kill(actor)
        return found, said

    return work


def batches() -> list[list[Pair]]:
    frame = FrameRef("mine", "clip", "0000001")
    pairs = [Pair(f"{number:04d}", frame, frame, frame, None, "a", "a") for number in range(20)]
    return [pairs[start : start + 2] for start in range(0, 20, 2)]


ALL = [pair.id for pairs in batches() for pair in pairs]


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced(crew):
    found, said = crew("once", "once")
    assert sorted(found) == ALL
    assert any(line.startswith(LOST) for line in said)


@pytest.mark.slow
def test_a_shard_that_costs_one_worker_after_the_other_stops_the_run(crew):
    with refused(Stopped, "worker-failed", "fake", 3, "0002") as stopped:
        crew("pair", "pair")
    assert "0003" not in stopped.value.found


@pytest.mark.slow
def test_what_a_model_finished_before_it_failed_is_kept(crew):
    with pytest.raises(ValueError, match="no more") as stopped:
        crew("model")
    assert stopped.value.said == ["oh"]
    assert stopped.value.found == ["0000", "0001"]


@pytest.mark.slow
def test_a_worker_that_would_compute_something_else_is_refused(crew):
    with refused(UserError, "other-worker"):
        crew("other")


@pytest.mark.slow
def test_what_a_worker_cannot_find_is_said_as_it_is(crew):
    with refused(UserError, "missing-folder") as caught:
        crew("user")
    assert str(caught.value) == "nowhere"


@pytest.mark.slow
def test_workers_that_cannot_be_started_are_left_out_while_there_are_others(crew):
    found, _ = crew("", "start")
    assert sorted(found) == ALL
    with refused(Stopped, "worker-failed"):
        crew("start", "start")
