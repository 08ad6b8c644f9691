"""Every network in bfloat16 and compiled stays near its float32, eager self."""

from __future__ import annotations

import pytest
import torch
from support.refused import refused
from support.small_networks import ALL, batch, small

from baselines import checkpoints, registry
from baselines.predictor import ModelError

CPU = torch.device("cpu")
COMPILED = ("fomm", "fv2v")  # tracing takes seconds a network: the others are slow tests, once a kind of network
COMPILED_SLOW = ("mcnet", "tpsm", "mraa", "x2face", "lia", "dagan-spade", "fv2v-spade", "ostnet", "liveportrait")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for model in ALL:
        config, network = small(model)
        checkpoints.save_sample(folder / f"{model}.safetensors", model, network, config, {})
    return folder


def frames(files, model, options=""):
    predictor = registry.load(f"{model}?weights={files / model}.safetensors{options}", weights=None, device=CPU)
    return predictor, predictor.predict(batch(2), "absolute")


@pytest.mark.parametrize("model", ALL)
def test_bfloat16(model, files):
    _, exact = frames(files, model)
    predictor, reduced = frames(files, model, "&precision=bfloat16")
    assert reduced.dtype == torch.float32 and reduced.isfinite().all()
    error = (reduced - exact).abs()
    assert 0 < error.mean() < 0.1 * exact.std()
    assert predictor.describe()["conventions"]["precision"] == "bfloat16"


@pytest.mark.parametrize("model", [*COMPILED, *(pytest.param(name, marks=pytest.mark.slow) for name in COMPILED_SLOW)])
def test_compiled(model, files):
    """Traced as for torch.compile, without making machine code of it, which takes minutes."""
    # Compared with the plain form, which is what is compiled: on noise a small random face-vid2vid is 1e-3 from float64
    # at one pixel, and its fast form 2e-3 from the plain one.
    _, exact = frames(files, model, "&plain=true")
    predictor, compiled = frames(files, model, "&compile=aot_eager")
    error = (compiled - exact).abs()
    assert error.max() < 2e-3 and error.mean() < 3e-5
    assert predictor.describe()["conventions"]["compiled"] == "aot_eager"


@pytest.mark.slow
def test_machine_code(files):
    _, exact = frames(files, "fomm", "&plain=true")
    _, compiled = frames(files, "fomm", "&compile=inductor")
    assert (compiled - exact).abs().mean() < 3e-5


def test_wrong_options(files):
    with refused(ModelError, "bad-value", "float32", "bfloat16"):
        frames(files, "fomm", "&precision=half")
    with refused(ModelError, "bad-value", "torch.compile"):
        frames(files, "fomm", "&compile=gcc")
