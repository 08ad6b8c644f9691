"""`bench verify`: what it prints, what it answers, what it refuses."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from support.refused import refused
from torch import Tensor, nn

from baselines.parity import Case, Record, hooks
from baselines.synthetic_weights import fill, image_pair
from bench.parity import compare as golden
from bench.parity import verify
from bench.runtime.errors import UserError

GOLDEN = Path(__file__).parents[2] / "baselines" / "golden"


class Tiny(nn.Module):
    """Stands for a model: small enough that `verify` itself is what is tested."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())


class TinyAdapter:
    """An adapter as a later model would bring it."""

    @staticmethod
    def build(spec: dict) -> Tiny:
        return Tiny()

    @staticmethod
    def compute(net: Tiny, case: Case, record: Record) -> None:
        source, _, _ = case.images()
        with hooks(record) as hook:
            hook.features(net, "net")
            out = net.net(source)
        record("absolute.prediction", out)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A golden folder of `Tiny`, with numbers by plain torch."""
    monkeypatch.setitem(verify.DETECTORS, "tiny", "tiny_adapter")
    monkeypatch.setitem(sys.modules, "tiny_adapter", TinyAdapter)
    spec = {
        "model": "tiny",
        "seed": 5,
        "config": {},
        "networks": {"net": {"0.weight": [2, 3, 3, 3], "0.bias": [2]}},
        "overrides": [{"pattern": r"^net\.0\.bias$", "scale": 0.0, "offset": [0.5, -0.5]}],
    }
    weight = torch.from_numpy(fill("net.0.weight", (2, 3, 3, 3), 5))
    convolved = torch.conv2d(image_pair(5)[0], weight, torch.tensor([0.5, -0.5]))
    arrays = {"meta.seeds": np.array([5, 5, 6]), "loss.total": np.float32(3)}
    arrays |= sampled("feature.net.0", convolved) | sampled("absolute.prediction", convolved.relu())
    write(tmp_path / "tiny", spec, arrays)
    return tmp_path / "tiny"


def sampled(name: str, tensor: Tensor) -> dict[str, np.ndarray]:
    index = np.arange(0, tensor.numel(), 97)
    stats = [tensor.mean(), tensor.std(correction=0), tensor.min(), tensor.max()]
    return {
        f"{name}.shape": np.array(tensor.shape),
        f"{name}.index": index,
        f"{name}.value": tensor.flatten().numpy()[index],
        f"{name}.stats": np.array(stats, dtype=np.float32),
    }


def write(folder: Path, spec: dict, arrays: dict[str, np.ndarray]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "spec.json").write_text(json.dumps(spec))
    np.savez(folder / "golden.npz", **arrays)


def edit(folder: Path, act) -> None:
    """Let `act` change the folder's arrays in place."""
    with np.load(folder / "golden.npz") as file:
        arrays = dict(file)
    act(arrays)
    np.savez(folder / "golden.npz", **arrays)


def change(folder: Path, name: str, value: np.ndarray) -> None:
    edit(folder, lambda arrays: arrays.update({name: value}))


def run(*folders: Path) -> tuple[int, str]:
    text = io.StringIO()
    code = verify.run(list(folders), Console(file=text, width=80))
    return code, text.getvalue()


def test_agreement(tiny):
    code, text = run(tiny)
    assert code == 0
    assert str(tiny) in text and "2 arrays" in text
    assert "1 arrays" in text
    assert "DIFFERS" not in text


def test_plain_files_among_folders_are_skipped(tiny, monkeypatch):
    monkeypatch.chdir(tiny.parent)
    Path("README.md").write_text("x")
    code, text = run(Path("README.md"), Path("tiny"))
    assert code == 0
    assert "README.md" in text and "2 arrays" in text


def test_a_plain_file_alone_and_a_folder_of_other_things_are_refused(tiny):
    file = tiny.parent / "README.md"
    file.write_text("x")
    with refused(UserError, "missing-file", file, "spec.json"):
        run(file)
    (tiny.parent / "other").mkdir()
    with refused(UserError, "missing-file", tiny.parent / "other", "spec.json"):
        run(file, tiny, tiny.parent / "other")
    with refused(UserError, "missing-file"):
        run(tiny, tiny.parent / "nowhere")


def prediction(folder: Path) -> np.ndarray:
    found = {}
    case = golden.read(folder)
    verify.compute(verify.build(folder, case, golden.Comparer(case)), case, lambda n, x: found.update({n: x.numpy()}))
    return found["absolute.prediction"]


@pytest.mark.parametrize(
    ("beside", "flat"),
    [((), False), (("stats",), False), (("shape",), False), (("shape",), True), (("stats", "shape"), True)],
)
def test_a_value_without_positions_is_the_whole_array(tiny, beside, flat):
    whole = prediction(tiny).copy()

    def forms(arrays: dict[str, np.ndarray]) -> None:
        for part in ("index", "stats", "shape"):
            if part not in beside:
                del arrays[f"absolute.prediction.{part}"]
        arrays["absolute.prediction.value"] = whole.ravel() if flat else whole

    edit(tiny, forms)
    code, text = run(tiny)
    assert code == 0 and "2 arrays" in text
    whole.flat[12345] += 6e-4  # a position that no sample has, absolutely just above what is equal
    change(tiny, "absolute.prediction.value", whole.ravel() if flat else whole)
    code, text = run(tiny)
    assert code == 1 and "1 of 2 arrays" in text


def test_a_whole_value_of_another_shape_differs_and_one_that_its_shape_denies_is_refused(tiny):
    def forms(arrays: dict[str, np.ndarray]) -> None:
        for part in ("index", "stats", "shape"):
            del arrays[f"absolute.prediction.{part}"]

    shape = golden.read(tiny).arrays["absolute.prediction.shape"]
    edit(tiny, forms)
    assert run(tiny)[0] == 1
    result = verify.verify(tiny, golden.read(tiny)).results[-1]
    assert (result.name, result.note) == ("absolute.prediction.value", "shape (1, 2, 254, 254), not (1331,)")
    change(tiny, "absolute.prediction.shape", shape)
    with refused(UserError, "other-network", "absolute.prediction"):
        run(tiny)


def test_first_array_that_parts_is_named_in_the_order_of_the_computation(tiny):
    stored = golden.read(tiny).arrays
    change(tiny, "feature.net.0.value", stored["feature.net.0.value"] + 0.05)
    change(tiny, "absolute.prediction.value", stored["absolute.prediction.value"] + 0.5)
    code, text = run(tiny)
    assert code == 1
    assert "2 of 2 arrays" in text
    assert "feature.net.0" in text
    rows = [line for line in text.splitlines() if "DIFFERS" in line]
    assert ["absolute.prediction" in row for row in rows] == [True, False]  # worst first


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("absolute.prediction.shape", np.array([1, 2, 3, 3])),
        ("absolute.prediction.stats", np.array([9, 9, 9, 9], dtype=np.float32)),
        ("absolute.prediction.index", np.full(1332, 10**6)),
        ("weights.net.stats", np.array([9, 9, 9, 9], dtype=np.float32)),
        ("relative.prediction", np.zeros(3, dtype=np.float32)),  # a mode that is not computed
    ],
)
def test_disagreement_of_any_part_counts(tiny, name, value):
    if name.endswith("index"):
        value = value[: len(golden.read(tiny).arrays[name])]
    change(tiny, name, value)
    code, text = run(tiny)
    assert code == 1
    assert name.removesuffix(".shape").removesuffix(".stats").removesuffix(".index") in text


def test_one_folder_that_differs_decides(tiny, tmp_path):
    case = golden.read(tiny)
    other = tmp_path / "other"
    write(other, {**case.spec, "seed": 6}, dict(case.arrays))
    code, text = run(tiny, other)
    assert code == 1
    assert f"{tiny}: agrees" in text and f"{other}: differs" in text


def spec_of(folder: Path, **changes) -> None:
    (folder / "spec.json").write_text(json.dumps({**json.loads((folder / "spec.json").read_text()), **changes}))


@pytest.mark.parametrize(
    ("damage", "code", "words"),
    [
        (lambda f: (f / "spec.json").unlink(), "missing-file", ["spec.json"]),
        (lambda f: (f / "golden.npz").unlink(), "missing-file", ["golden.npz"]),
        (lambda f: (f / "spec.json").write_text("{"), "not-golden", ["spec.json"]),
        (
            lambda f: (f / "spec.json").write_text("{}"),
            "missing-value",
            ["spec.json", "model", "seed", "networks", "config"],
        ),
        (lambda f: (f / "golden.npz").write_bytes(b"no archive"), "not-golden", ["golden.npz"]),
        (lambda f: spec_of(f, model="nobody"), "unknown-model", ["'nobody'", "audio_features", "dagan"]),
        (lambda f: spec_of(f, networks={"net": {"0.weight": [2, 3, 5, 5]}}), "other-network", ["spec.json", "tiny"]),
        (lambda f: np.savez(f / "golden.npz", **{"loss.total": np.float32(1)}), "missing-value", ["golden.npz"]),
        (lambda f: change(f, "absolute.prediction.value", np.zeros(2)), "other-network", ["absolute.prediction"]),
    ],
)
def test_foreign_folders_are_refused_in_one_line(tiny, damage, code, words):
    damage(tiny)
    with refused(UserError, code, tiny, *words) as error:
        run(tiny)
    assert "\n" not in str(error.value)


def test_tolerance():
    values = np.full(1000, 0.25, dtype=np.float32)
    parts = {"whole": values}
    one_off = torch.full((1000,), 0.25)
    one_off[3] += 4e-4
    assert golden.compare("absolute.prediction", one_off, parts).ok
    one_off[3] += 2e-4
    assert not golden.compare("absolute.prediction", one_off, parts).ok
    assert golden.compare("absolute.prediction", torch.full((1000,), 0.25 + 4e-5), parts).ok
    assert not golden.compare("absolute.prediction", torch.full((1000,), 0.25 + 6e-5), parts).ok
    large = {"whole": 100 * values}  # in between, errors are relative to the largest value
    assert golden.compare("feature.net.0", torch.full((1000,), 25 + 1e-3), large).ok
    assert not golden.compare("feature.net.0", torch.full((1000,), 25 + 2e-3), large).ok
    assert not golden.compare("absolute.prediction", torch.full((1000,), torch.nan), parts).ok


@pytest.mark.parametrize(
    ("name", "floor"),
    [
        ("he_source.yaw_degree.value", 5e-4),
        ("rotation.yaw_pitch_roll_degrees.value", 5e-4),
        ("motion_source.angles_degree.value", 5e-4),
        ("he_source.t.value", 5e-5),
        ("absolute.0.stitching_delta", 5e-5),
        ("expert.cosine", 5e-6),
        ("expert.generated.cosine.value", 5e-6),
    ],
)
def test_a_value_near_zero_is_equal_within_the_floor_of_its_kind(name, floor):
    near_zero = {"whole": np.float32([1e-4])}
    assert golden.compare(name, torch.tensor([1e-4 + 0.9 * floor]), near_zero).ok
    assert not golden.compare(name, torch.tensor([1e-4 + 1.1 * floor]), near_zero).ok
    other = golden.compare("feature.net.0.value", torch.tensor([1e-4 + 0.9 * floor]), near_zero)
    assert not other.ok  # an array of no known kind has no scale but its own


def test_an_angle_of_twentieths_of_a_degree_that_was_rounded_otherwise_is_equal():
    angle = np.float32([0.05])
    assert golden.compare("he_source.pitch_degree.value", torch.tensor([0.05 + 7.6e-6]), {"whole": angle}).ok
    large = np.float32([36.0])  # above the floor, as before: relative to the value
    assert golden.compare("he_source.pitch_degree.value", torch.tensor([36 + 1.7e-3]), {"whole": large}).ok
    assert not golden.compare("he_source.pitch_degree.value", torch.tensor([36 + 1.9e-3]), {"whole": large}).ok


@pytest.mark.slow
def test_an_official_network_agrees_in_every_mode():
    """The command; the other networks are compared in their own tests."""
    code, text = run(GOLDEN / "fomm")
    assert code == 0, text
