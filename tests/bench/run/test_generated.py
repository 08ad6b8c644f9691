"""What a model gives: its scale is checked, and each missing frame has its reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.refused import refused

from baselines.predictor import ModelError, PairBatch, Predictor, TimeLimit
from bench.run.failed import SHOWN, by_reason
from bench.run.generated import ROUNDING, as_uint8, generate

NAN, INF = float("nan"), float("inf")


def frames(n: int = 2, seed: int = 0) -> torch.Tensor:
    """Frames that fill [0, 1], as 8-bit files hold them."""
    made = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (n, 3, 8, 8), dtype=np.uint8)).float() / 255
    made[:, 0, 0, 0], made[:, 0, 0, 1] = 0, 1
    return made


def batch(n: int = 2) -> PairBatch:
    return PairBatch(tuple(f"p{i}" for i in range(n)), frames(n), frames(n, 1))


class Gives(Predictor):
    """What it is asked to give."""

    name = "gives"

    def __init__(self, output, why=None):
        self.output, self.why = output, why

    def predict(self, batch, mode):
        if isinstance(self.output, Exception):
            raise self.output
        return self.output

    def why_missing(self, pair):
        return self.why and f"{pair}: {self.why}"


SCALES = {  # to the values that the message names, and what else it must say of the likely cause
    "0 to 255": (lambda x: 255 * x, "0 to 255,", "divide"),
    "-1 to 1": (lambda x: 2 * x - 1, "-1 to 1,", "(x + 1) / 2"),
    "ImageNet": (lambda x: (x - 0.45) / 0.225, "-2 to 2.444,", "deviation"),
    "overshoot": (lambda x: 1.1 * x - 0.05, "-0.05 to 1.05,", "clamps"),
    "percent": (lambda x: 4000 * x, "0 to 4000,", "image"),
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_another_scale_is_refused_with_its_likely_cause(scale, dtype):
    change, values, cause = SCALES[scale]
    pairs = batch()
    with refused(ModelError, "bad-frames", "mine", cause, *([values] if dtype == torch.float32 else [])):
        generate(Gives(change(pairs.source).to(dtype)), pairs, "absolute", "mine")


@given(st.floats(-ROUNDING, ROUNDING), st.booleans())
def test_what_rounding_does_is_clamped(off, truncate):
    pairs = batch()
    sound, moved = (as_uint8(x, pairs.source.shape, "mine", truncate) for x in (pairs.source, pairs.source + off))
    assert max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(sound, moved)) <= 2  # grey levels


@pytest.mark.parametrize("off", [-2 * ROUNDING, 2 * ROUNDING])
def test_more_than_rounding_is_refused(off):
    with refused(ModelError, "bad-frames"):
        as_uint8(frames() + off, frames().shape, "mine")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_floating_point_type_is_taken(dtype):
    for one, other in zip(as_uint8(frames().to(dtype), frames().shape, "m"), as_uint8(frames(), frames().shape, "m")):
        assert np.abs(one.astype(int) - other).max() <= 1


@pytest.mark.parametrize(
    ("output", "values"),
    [
        ((255 * frames()).byte(), ("torch.uint8", 255)),
        ((255 * frames()).int(), ("torch.int32", 255)),
        (frames() > 0.5, ("torch.bool",)),
        (frames().numpy(), ("ndarray", "torch.Tensor")),
        ((frames(), None), ("tuple", "torch.Tensor")),
        (frames().permute(0, 2, 3, 1), ("(2, 8, 8, 3)", "(2, 3, 8, 8)", ".permute(0, 3, 1, 2)")),
        (frames()[:1], ("(1, 3, 8, 8)", "(2, 3, 8, 8)")),
    ],
)
def test_another_type_or_shape_is_refused(output, values):
    with refused(ModelError, "bad-frames", "mine", *values):
        generate(Gives(output), batch(), "absolute", "mine")


def test_a_wrong_scale_shows_beside_what_is_not_finite():
    output = 255 * frames()
    output[0], output[1, 0, 0, 0] = NAN, INF
    with refused(ModelError, "bad-frames", "255"):
        generate(Gives(output), batch(), "absolute", "mine")


def test_each_missing_frame_has_its_reason():
    output = frames(4)
    output[0], output[1, 0, 0, :3], output[2, 1, 2, 3] = NAN, NAN, -INF
    said = generate(Gives(output), batch(4), "absolute", "mine")
    assert "NaN" in said[0] and "192" not in said[0]
    assert "3 of 192" in said[1] and "1 of 192" in said[2] and isinstance(said[3], np.ndarray)
    assert generate(Gives(output, "gone"), batch(4), "absolute", "mine")[:2] == ["p0: gone", "p1: gone"]
    late = generate(Gives(TimeLimit("too slow", output), "gone"), batch(4), "absolute", "mine")
    assert late[:3] == ["too slow"] * 3 and isinstance(late[3], np.ndarray)


def test_a_black_frame_fails_unless_black_was_asked_for():
    """Values of 0 to 1 stored in 8 bits: nothing but 0 and 1."""
    pairs = batch()
    output = torch.stack([pairs.source[0].floor() / 255, pairs.source[1]])
    black, sound = generate(Gives(output), pairs, "absolute", "mine")
    assert "black" in black and isinstance(sound, np.ndarray)
    for role in ("source", "driving"):
        dark = replace(pairs, **{role: getattr(pairs, role) * 0.1})
        assert isinstance(generate(Gives(output), dark, "absolute", "mine")[0], np.ndarray)


def test_many_reasons_are_few_lines():
    failed = [(f"p{i}", "no face") for i in range(3)] + [(f"p{i}", f"no {i}.png") for i in range(3, 40)]
    lines = by_reason(failed)
    assert lines[0] == (["p0", "p1", "p2"], "no face") and lines[1] == (["p3"], "no 3.png")
    assert len(lines) == SHOWN + 1 and sum(len(names) for names, _ in lines) == 40
    assert lines[-1][1].startswith("no 7.png, ") and "32" in lines[-1][1]
    assert len(by_reason(failed[: 3 + SHOWN])) == SHOWN + 1  # one more line says more than a summary of one


def test_reasons_that_differ_in_the_pairs_name_are_one():
    assert by_reason([(f"{k:04d}", f"no out/{k:04d}.png") for k in range(9)]) == [
        ([f"{k:04d}" for k in range(9)], "no out/<pair>.png")
    ]
    assert by_reason([(k, f"no out/{k:07d}.png") for k in (3, 30)]) == [([3, 30], "no out/<pair>.png")]
    assert by_reason([("1", "no out/1.png")]) == [(["1"], "no out/1.png")]  # the one that failed, by name
    assert len(by_reason([("1", "exit code 1"), ("2", "exit code 2")])) == 2
    assert len(by_reason([("1", "out/2.png"), ("2", "out/1.png")])) == 2


def test_a_model_of_another_scale_ends_the_run_and_no_resuming_is_offered(bench):
    Path("scaled.py").write_text(SCALED)
    ended = bench("run", "--models", "x=scaled.py:Scaled", "--protocol", "vox1-sameid", "--limit", 2, "--no-bounds")
    assert ended[0] == 2 and ended.error == "bad-frames" and "re-run" not in ended[1]


SCALED = """
from baselines.bounds import CopySource

class Scaled(CopySource):
    def __init__(self, **_):
        pass

    def predict(self, batch, mode):
        return 255 * super().predict(batch, mode)
"""
