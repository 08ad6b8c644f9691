"""Recompute the golden arrays of set metrics: distances of features, InceptionV3, I3D, front ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.parity import Case, Record, hooks
from baselines.synthetic_weights import image_pair, uniform
from bench.detectors.networks import i3d, inception
from bench.detectors.networks.resize import FRONT_ENDS, centered, fvd_front_end
from bench.metrics.sets import frechet, frechet_scripts, kid

CASE = re.compile(r"n(\d+)_(\d+)\.d(\d+)")
DEAD, SINGLE = "n200_200.d64", "n50_50.d64"
# Up to this width the matrix root is computed by the scripts' own algorithm; for wider features it takes minutes and
# differs from the exact root by rounding only.
WIDEST = 400
SCRIPTS = {
    "fid": {"pytorch_fid": frechet_scripts.pytorch_fid, "torch_fidelity": frechet_scripts.torch_fidelity},
    "fvd": {
        "stylegan_v": frechet_scripts.stylegan_v,
        "common_styleganv": frechet_scripts.common_styleganv,
        "videogpt": frechet_scripts.videogpt,
    },
}


# The folder's names of the front ends.
IMAGE_FRONT_ENDS = {
    "pytorch_fid": "torch",
    "torch_fidelity": "tf-legacy",
    "clean_fid.clean": "clean",
    "clean_fid.legacy_pytorch": "torch",
}


def build(spec: Mapping[str, Any]) -> nn.ModuleDict:
    """See `baselines.parity`."""
    return nn.ModuleDict({"inception": inception.Inception(), "i3d": i3d.I3D()})


def compute(nets: nn.ModuleDict, case: Case, record: Record) -> None:
    """See `baselines.parity`."""
    for name, net in nets.items():
        record(f"weights.{name}.stats", _moments(net))
    distances(case, record)
    for name, image in _images(case.spec["seed"]).items():
        record(f"image.{name}", image[0])
        for script, front_end in IMAGE_FRONT_ENDS.items():
            if case.has(f"{script}.{name}"):
                _image(nets["inception"], f"{script}.{name}", image, front_end, record)
    _videos(nets["i3d"], case, record)
    _front_ends(case, record)


def _moments(net: nn.Module) -> Tensor:
    """Return mean, standard deviation, minimum and maximum of all values of a network."""
    values = torch.cat([value.flatten() for value in net.state_dict().values() if value.is_floating_point()]).double()
    return torch.stack([values.mean(), values.std(correction=0), values.min(), values.max()])


def _images(seed: int) -> dict[str, Tensor]:
    """Return levels ``(1, 3, H, W)``, integers in [0, 255]."""
    pairs = image_pair(seed), image_pair(seed, inception.SIDE)
    source, driving, large = (torch.floor(255 * image + 0.5) for image in (*pairs[0], pairs[1][0]))
    return {"source": source, "driving": driving, "source299": large, "source_crop": driving[..., 30:210, 16:246]}


def _image(net: nn.Module, name: str, image: Tensor, front_end: str, record: Record) -> None:
    assert isinstance(net, inception.Inception)  # see `build`
    resized = FRONT_ENDS[front_end](image, inception.SIDE)
    record(f"{name}.resized", resized)
    stages = net.stages(centered(resized, front_end))
    features = stages.pop(inception.WIDTH).mean((2, 3))
    for width, stage in stages.items():
        record(f"{name}.{width}", stage)
        record(f"{name}.{width}.pooled", stage.mean((2, 3))[0])
    record(f"{name}.2048", features[0])
    record(f"{name}.logits_unbiased", net.logits_unbiased(features)[0])


def _videos(net: nn.Module, case: Case, record: Record) -> None:
    seed = case.spec["seed"]
    videos = {"v0": (seed, 16), "v1": (seed + 1, 16), "v0_10": (seed, 10), "v0_17": (seed, 17)}
    for name, (which, frames) in videos.items():
        clip = _video(image_pair(which, i3d.SIDE), frames)[None] / 127.5 - 1
        with hooks(record) as hook:
            if name == "v0":
                for endpoint, layer in net.named_children():
                    hook.output(layer, f"feature.i3d.{endpoint}")
            record(f"i3d.{name}.logits", net(clip)[0])
        if case.wants(f"i3d.{name}.logits_eps_1e-3"):
            _set_eps(net, i3d.ORIGINAL_EPS)
            record(f"i3d.{name}.logits_eps_1e-3", net(clip)[0])
            _set_eps(net, i3d.EPS)


def _video(pair: tuple[Tensor, Tensor], frames: int) -> Tensor:
    """Return levels ``(3, T, H, W)`` of a video that alternates between two images."""
    source, driving = (image[0].double()[:, None] for image in pair)
    share = torch.tensor([abs((3 * t) % 16 - 8) / 8 for t in range(frames)], dtype=torch.float64)[:, None, None]
    return torch.floor(255 * ((1 - share) * source + share * driving) + 0.5).float()


def _set_eps(net: nn.Module, eps: float) -> None:
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm3d):
            layer.eps = eps


def _front_ends(case: Case, record: Record) -> None:
    video = 0.97 * (_video(image_pair(case.spec["seed"]), 4) / 255) + 0.013
    shapes = {"wide": video[..., 40:220, 8:248], "tall": video[..., 8:248, 40:220]}
    for shape, clip in shapes.items():
        for script, truncated in (("styleganv", False), ("videogpt", True)):
            record(f"preprocess.{shape}.{script}", fvd_front_end(clip, i3d.SIDE, truncated))


def make_features(kind: str, n: int, d: int, seed: int) -> np.ndarray:
    """Return features with correlated columns, float32 ``(n, d)``. kind: "real" or "fake", which differ."""
    u = uniform(f"features.{kind}.{n}x{d}", (n, d), seed)
    j = np.arange(d)
    spread, mean = 0.2 + 0.8 * (j % 17) / 16, 0.3 + 0.1 * (j % 7)
    if kind == "fake":
        spread, mean = 1.15 * spread, mean + 0.04 * (j % 5 - 2)
    mixed = u + 0.6 * u[:, (j + 1) % d] + 0.3 * u[:, (7 * j + 3) % d]
    return (spread * mixed + mean).astype(np.float32)


def distances(case: Case, record: Record) -> None:
    """Record every distance of the folder's features."""
    names = sorted({found[0] for name in case.arrays if (found := CASE.search(name))}, key=_size)
    for name in names:
        real, fake = _pair(name, case.spec["seed"])
        for kind, features in (("real", real), ("fake", fake)):
            record(f"features.{name}.{kind}", torch.from_numpy(features))
        _frechet(case, name, real, fake, record)
        _kid(case, name, real, fake, record)
    real, fake = (side.copy() for side in _pair(DEAD, case.spec["seed"]))
    real[:, ::8] = fake[:, ::8] = 0
    record("features.dead.real", torch.from_numpy(real))
    record("features.dead.fake", torch.from_numpy(fake))
    _frechet(case, "dead", real, fake, record)
    single = [frechet.fit(side[:1]) for side in _pair(SINGLE, case.spec["seed"])]
    record("fvd.single", torch.tensor([frechet.distance(*single).value], dtype=torch.float64))


def _frechet(case: Case, name: str, real: np.ndarray, fake: np.ndarray, record: Record) -> None:
    for array, ddof in ((f"fid.{name}.exact", 1), (f"fvd.{name}.exact_population", 0)):
        if case.wants(array):
            found = frechet.distance(frechet.fit(real, ddof), frechet.fit(fake, ddof))
            record(array, torch.from_numpy(found.parts))
            exact = found.value
    for family, scripts in SCRIPTS.items():
        for script, compute in scripts.items():
            if case.wants(f"{family}.{name}.{script}"):
                value = compute(real, fake) if real.shape[1] <= WIDEST else exact
                record(f"{family}.{name}.{script}", torch.tensor([value], dtype=torch.float64))
    if case.wants(f"fid.{name}.eps_branch"):
        record(f"fid.{name}.eps_branch", torch.tensor([frechet_scripts.with_eps(real, fake)], dtype=torch.float64))
    if case.wants(f"fid.same.{name}"):
        same = [compute(real, real) for compute in SCRIPTS["fid"].values()]
        record(f"fid.same.{name}", torch.tensor(same, dtype=torch.float64))


def _kid(case: Case, name: str, real: np.ndarray, fake: np.ndarray, record: Record) -> None:
    modes = {key.rsplit(".", 1)[0] for key in case.arrays if key.startswith(f"kid.{name}.")}
    everything = kid.kid(real.astype(np.float64), fake.astype(np.float64)) if modes else 0.0
    for mode in sorted(modes):
        count, size = map(int, mode.rsplit("subsets", 1)[1].split("x"))

        kinds = np.float32, np.float64
        single, double = (_subsets(real, fake, kid.torch_fidelity_draw(), count, size, kind) for kind in kinds)
        record(f"{mode}.torch_fidelity", torch.stack([single.mean(), single.std(correction=0)]))
        record(f"{mode}.float64", torch.stack([double.mean(), double.std(correction=0)]))
        record(f"{mode}.per_subset", double)
        first = np.stack(kid.torch_fidelity_draw()(len(real), len(fake), size))[:, :8]
        record(f"{mode}.first_indices", torch.from_numpy(first))
        clean = [_subsets(real, fake, kid.clean_fid_draw(), count, size, kind).mean() for kind in kinds]
        record(f"{mode}.clean_fid", torch.stack(clean))
        record(f"{mode}.all_samples", torch.tensor([everything], dtype=torch.float64))


def _subsets(
    real: np.ndarray, fake: np.ndarray, draw: kid.Draw, count: int, size: int, kind: type[np.floating]
) -> Tensor:
    return torch.tensor(kid.subsets(real, fake, draw, count, size, kind), dtype=torch.float64)


def _pair(name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    reals, fakes, width = _size(name)
    return make_features("real", reals, width, seed), make_features("fake", fakes, width, seed)


def _size(name: str) -> tuple[int, int, int]:
    reals, fakes, width = map(int, CASE.fullmatch(name).groups())  # type: ignore[union-attr]
    return reals, fakes, width
