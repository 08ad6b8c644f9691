"""Read a golden folder and compare recomputed arrays with it, for ``bench verify`` and the tests."""

from __future__ import annotations

import json
import math
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from baselines.parity import Case
from bench.runtime.errors import UserError
from protocols import files

# The official code's own float32 is up to 1.5e-4 from its float64 in a prediction.
WORST = 5e-4
AVERAGE = 5e-5
WEIGHTS = 2e-5  # sums of float32 values, relative
PARTS = ("shape", "index", "value", "stats")
CROP = "crop.npz"
# Motion and predictions are compared absolutely; everything else relative to its largest value, with the floors below.
ABSOLUTE = re.compile(
    r"^((kp|region)_(?!detector\.)\w+\.(?!heatmap)|bg_params)"
    r"|\.(kp|kp_norm|region|bg_params)\.|\.prediction(\.value)?$|head_?pose"
)
TRAINING = re.compile(r"^loss\.")
# Results of other releases of SciPy, and inputs of computations: not compared.
INFORMATION = re.compile(r"^(scipy_\d|lip_array$|crop\.landmarks\d+$)")
# Kinds of arrays with a known scale: errors below this count as equal, in the kind's unit, whatever the array's largest
# value. A single angle near zero has no scale. Degrees are a sum over 66 bins with weights up to 99.
FLOORS = (
    (re.compile(r"degrees?(\.value)?$"), 5e-4),
    # Offsets of keypoints, added to coordinates in [-1, 1]: a tenth of a keypoint's tolerance.
    (re.compile(r"(\.(t|exp)|_delta)(\.value)?$"), 5e-5),
    # Cosines, in [-1, 1]: of sums of products of float32 values.
    (re.compile(r"(^|[._])cosine(_matrix)?(\.value)?$"), 5e-6),
)
# Computed in float64, or with a sharper tolerance; relative to the array's largest value, with a floor. For singular
# products, the scripts' root algorithms differ in rounding, up to 1e-4 of about a hundred.
SHARP = (
    (re.compile(r"^(fid|fvd)\..*\.(exact|exact_population|eps_branch)$"), 1e-10, 0.0),
    (re.compile(r"^kid\..*\.(float64|per_subset|all_samples)$"), 1e-10, 0.0),
    (re.compile(r"^kid\..*\.(torch_fidelity|clean_fid)$"), 0.0, 1e-6),  # float32, of kernels of about 1
    (re.compile(r"^fid\.same\."), 0.0, 1e-6),
    (re.compile(r"^fvd\..*\.videogpt$"), 3e-4, 0.0),  # float32 roots
    (re.compile(r"^(fid|fvd)\."), 3e-7, 0.0),
    (re.compile(r"\.resized$"), 2e-6, 0.0),
    (re.compile(r"^mel\."), 3e-6, 0.0),  # logarithms of float32 sums
    (re.compile(r"^(n\d+(_frames\d+)?|voca)\.(mfcc|input|logits|resampled|windows)(\.value)?$"), 5e-7, 0.0),
)
# Levels truncated from predictions: rounding errors change a few by one; another rounding rule changes half of them.
TRUNCATED = re.compile(r"\.frames_bgr$")
# Levels resampled by OpenCV: releases round differently in about three of a hundred pixels (4.10 and 5.0).
RESAMPLED = (
    (re.compile(r"^crop\..*\.crop\d+(_\w+)?$"), 1.0, 5e-2),
    (re.compile(r"^crop\.paste\.result$"), 2.0, 5e-2),
    (re.compile(r"^crop\.paste\.mask$"), 1.01 / 255, 5e-2 / 255),
)


@dataclass(frozen=True)
class Comparison:
    """Result of one array. worst, mean: largest and mean error; tolerance: for the largest; ratio: of the two."""

    name: str
    worst: float
    mean: float
    tolerance: float
    ratio: float
    note: str = ""

    @property
    def ok(self) -> bool:
        return self.ratio <= 1


def read(folder: Path) -> Case:
    """Read the folder's spec and arrays; those of crop.npz, if present, are named ``crop.*``.

    Raises UserError if it is not a golden folder.
    """
    for name in ("spec.json", "golden.npz"):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: not a golden folder, {name} is missing", code="missing-file")
    try:
        spec = json.loads(files.text(folder / "spec.json"))
        missing = [key for key in ("model", "seed", "networks", "config") if key not in spec]
    except (ValueError, TypeError, OSError, RecursionError) as error:
        raise UserError(f"{folder}/spec.json: {error}", code="not-golden") from None
    if missing:
        raise UserError(f"{folder}/spec.json: lacks {', '.join(missing)}", code="missing-value")
    for key in ("seed", "pair_seed"):
        if type(seed := spec.get(key, 0)) is not int:
            raise UserError(f"{folder}/spec.json: {key} must be an integer, not {seed!r:.40}", code="not-golden")
    arrays = _arrays(folder / "golden.npz")
    if (folder / CROP).is_file():
        arrays |= {f"crop.{name}": array for name, array in _arrays(folder / CROP).items()}
    case = Case(spec, arrays)
    for name, parts in _parts(case).items():
        if not _whole(parts):
            raise UserError(f"{folder}/golden.npz: the parts of {name} are inconsistent", code="other-network")
    return case


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = "contains Python objects, which are not read" if "pickle" in str(error) else error
        raise UserError(f"{path}: {reason}", code="not-golden") from None


class Comparer:
    """Compares recomputed arrays one by one with those of the golden folder."""

    def __init__(self, case: Case):
        self.golden = _parts(case)
        self.results: list[Comparison] = []  # in the order of the computation
        self._done: set[str] = set()

    def __call__(self, name: str, tensor: Tensor) -> None:
        """Compare the array `name` (or ``name.value``), if the folder has it and it is not yet compared."""
        if name not in self.golden:
            name = f"{name}.value"
        if name in self.golden and name not in self._done:
            self._done.add(name)
            self.results.append(compare(name, tensor, self.golden[name]))

    def weights(self, network: str, state: dict[str, Tensor]) -> None:
        """Compare the folder's checksums of a network's state dict."""
        floats = np.concatenate([v.numpy().ravel() for v in state.values() if v.is_floating_point()]).astype(np.float64)
        self(f"weights.{network}", torch.from_numpy(floats))
        self(f"weights.{network}.sum_and_sumsq", torch.tensor([floats.sum(), (floats**2).sum()]))

    def left(self) -> list[str]:
        """Return the arrays of inference that were not recomputed."""
        left = (name for name in self.golden if name not in self._done)
        return [name for name in left if not TRAINING.match(name) and not INFORMATION.match(name)]

    def information(self) -> int:
        """Return the number of arrays for information only."""
        return sum(bool(INFORMATION.match(name)) for name in self.golden)

    def training(self) -> int:
        """Return the number of arrays of training losses, which are not part of inference."""
        return sum(bool(TRAINING.match(name)) for name in self.golden)


def compare(name: str, tensor: Tensor, golden: dict[str, np.ndarray]) -> Comparison:
    """Compare an array with its golden parts: ``whole``, and any of `PARTS`."""
    actual = tensor.detach().cpu().double().numpy()
    shape = golden.get("shape", golden["whole"].shape if "whole" in golden else actual.shape)
    if tuple(actual.shape) != tuple(shape):
        note = f"shape {actual.shape}, not {tuple(map(int, shape))}"
        return Comparison(name, math.inf, math.inf, 0.0, math.inf, note)
    if "index" in golden and golden["index"].max(initial=0) >= actual.size:
        return Comparison(name, math.inf, math.inf, 0.0, math.inf, "positions beyond its end")
    expected, found = [], []
    if "whole" in golden:
        expected.append(golden["whole"].ravel())
        found.append(actual.ravel())
    if "index" in golden:
        expected.append(golden["value"])
        found.append(actual.ravel()[golden["index"]])
    moments = np.zeros(0)
    if "stats" in golden:
        stats = np.array([actual.mean(), actual.std(), actual.min(), actual.max()])
        moments = np.abs(stats[:2] - golden["stats"][:2])
        expected.append(golden["stats"][2:])
        found.append(stats[2:])
    expected_all = np.concatenate(expected).astype(np.float64)
    error = np.abs(np.concatenate(found) - expected_all)
    worst_limit, mean_limit = _tolerance(name, float(np.abs(expected_all).max(initial=0.0)))
    worst = float(np.concatenate([error, moments]).max(initial=0.0))
    body = error[:-2] if "stats" in golden else error  # the mean error leaves out the two extremes of `stats`
    mean = float(np.concatenate([[body.mean()] if len(body) else [], moments]).max(initial=0.0))
    ratio = max(worst / worst_limit, mean / mean_limit)
    return Comparison(name, worst, mean, worst_limit, ratio if math.isfinite(ratio) else math.inf)


def _whole(parts: dict[str, np.ndarray]) -> bool:
    """Whether the parts are numbers, with a value per position (or as many as the shape has) and four statistics."""
    if not all(array.dtype.kind in ("iu" if part in ("index", "shape") else "biuf") for part, array in parts.items()):
        return False
    sizes = {part: array.size for part, array in parts.items()}
    if sizes.get("index", 0) != sizes.get("value", 0) or sizes.get("stats", 4) != 4:
        return False
    return not {"whole", "shape"} <= parts.keys() or int(np.prod(parts["shape"])) == sizes["whole"]


def _tolerance(name: str, largest: float) -> tuple[float, float]:
    """Return largest and mean error that still count as equal."""
    if name.endswith(".ubyte"):
        return 1.0, 1.0
    if TRUNCATED.search(name):
        return 1.0, 5e-3
    for kind, worst, mean in RESAMPLED:
        if kind.search(name):
            return worst, mean
    if name.startswith("weights."):
        return WEIGHTS * max(largest, 1e-3), WEIGHTS * max(largest, 1e-3)
    if ABSOLUTE.search(name):
        return WORST, AVERAGE
    for kind, relative, floor in SHARP:
        if kind.search(name):
            return (max(relative * largest, floor),) * 2
    floor = next((floor for kind, floor in FLOORS if kind.search(name)), 0.0)
    return max(WORST * max(largest, 1e-6), floor), max(AVERAGE * max(largest, 1e-6), floor)


def _parts(case: Case) -> dict[str, dict[str, np.ndarray]]:
    """Group arrays by name into parts; ``meta.*`` is left out.

    ``X.value`` alone is an array of that name; with a shape or statistics but without positions it is the whole of X.
    """
    arrays: dict[str, dict[str, np.ndarray]] = {}
    for key, array in case.arrays.items():
        if key.startswith(("meta.", "crop.meta.")):
            continue
        base, _, part = key.rpartition(".")
        others = {other for other in PARTS if f"{base}.{other}" in case.arrays}
        if part in PARTS and (others & {"stats", "index"} or others >= {"shape", "value"}):
            arrays.setdefault(base, {})["whole" if part == "value" and "index" not in others else part] = array
        else:
            arrays[key] = {"whole": array}
    return arrays
