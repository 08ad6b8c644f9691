"""Same inputs on the same machine: the same bytes; other batch sizes and threads: the same numbers to 1e-5."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from support.run_files import files

from baselines import arithmetic, registry
from baselines import parallel_map as parallel_map_module
from baselines.parallel_map import parallel_map
from baselines.training.processes import processes
from bench import detectors
from bench.run.engine import Model
from bench.run.manifest import determinism
from bench.run.measure import Measurer

CPU = torch.device("cpu")
ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, sample_set: Path, *more: object, threads: int = 1) -> Path:
    """A run in a process and with a detection cache of its own, so that nothing is remembered from another."""
    cache = folder / "cache"
    cache.mkdir(parents=True)
    (cache / sample_set.name).symlink_to(sample_set)
    command = [sys.executable, "-m", "bench", "run", "--protocol", "vox1-diffscale", "--detectors", "embedded"]
    command += ["--limit", "6", "--out", str(folder), "--name", "x", "--save-frames", *map(str, more)]
    environment = os.environ | {"TALKING_HEAD_BENCH_CACHE": str(cache), "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "x"


@pytest.mark.slow
def test_same_bytes_twice_and_same_numbers_in_other_batches(sample_set, tmp_path):
    """All metrics with the embedded detectors; MCNet draws random numbers."""
    models = ["--models", "fomm,mcnet"]
    first = run(tmp_path / "a", sample_set, *models)
    assert files(run(tmp_path / "b", sample_set, *models)) == files(first)
    assert json.loads((first / "manifest.json").read_text())["determinism"] == {"same_bytes": True, "because": []}
    expected = pd.read_parquet(first / "samples.parquet")
    numbers = expected.select_dtypes("number").columns
    assert len(numbers) > 8
    for name, options, threads in (("c", ["--batch-size", 1], 1), ("d", ["--batch-size", 6], 2)):
        found = pd.read_parquet(
            run(tmp_path / name, sample_set, *models, *options, threads=threads) / "samples.parquet"
        )
        difference = (found[numbers] - expected[numbers]).abs()
        print(name, difference.max().to_dict())
        np.testing.assert_allclose(found[numbers], expected[numbers], rtol=1e-5, atol=1e-5)
        pd.testing.assert_frame_equal(found.drop(columns=numbers), expected.drop(columns=numbers))


@pytest.mark.slow
def test_a_run_of_pixels_gives_the_same_bytes_twice(sample_set, tmp_path):
    few = ["--models", "copy-source", "--metrics", "ssim,psnr,l1"]
    first, second = (run(tmp_path / name, sample_set, *few) for name in "ab")
    assert files(first) == files(second)


FOREIGN = """
from baselines.bounds import CopySource

class Foreign(CopySource):
    def __init__(self, *_, **__):
        pass
"""


def test_the_manifest_says_what_is_not_deterministic(tmp_path):
    measurer = Measurer(["l1"], detectors.choose("embedded", None, kinds=set()), "same-identity", CPU)

    def facts(spec, device=CPU):
        predictor = registry.load(spec, weights=None, device=CPU)
        return determinism([Model("x", predictor, "absolute", code=registry.code(spec, predictor))], measurer, device)

    assert facts("copy-source").content() == {"same_bytes": True, "because": ()}
    (tmp_path / "foreign.py").write_text(FOREIGN)
    for spec in (f"{tmp_path / 'foreign.py'}:Foreign", "cmd:true"):
        found = facts(spec)
        assert not found.same_bytes and [why.partition(":")[0] for why in found.because] == ["model x"]
    assert "cuda:0" in facts("copy-source", torch.device("cuda:0")).because[0]


# A product of matrices, then the process's first vector function, by two threads at once.
FIRST_CALL = """
import sys
import torch
from baselines.arithmetic import exact

exact()
torch.set_num_threads(2)
torch.rand(512, 512) @ torch.rand(512, 512)
places = torch.linspace(0.01, 0.99, 131072)
function = getattr(torch, sys.argv[1])
sys.exit(not torch.equal(function(places), function(places)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("function", ["exp", "log"])
def test_the_first_vector_function_of_a_process_is_as_exact_as_the_next(function):
    """Without `prepare_vector_functions`, on a processor that shows it, every fifth process or so fails."""
    for _ in range(25):
        subprocess.run([sys.executable, "-c", FIRST_CALL, function], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    "begin",
    [
        arithmetic.exact,
        lambda: processes(CPU, 1),
        lambda: parallel_map(abs, [1]),
    ],
    ids=["a command", "a training", "threads"],
)
def test_whatever_computes_has_vector_functions_ready(begin, monkeypatch):
    called, first = [], torch.exp
    parallel_map_module._pool.cache_clear()
    monkeypatch.setattr(torch, "exp", lambda x: called.append(x) or first(x))
    begin()
    assert len(called) == 1
