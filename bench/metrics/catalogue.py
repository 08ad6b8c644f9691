"""All definitions of all metrics, in the order of a run's columns."""

from __future__ import annotations

from bench.detectors.perceptual import ALEX, SHIFT_TOLERANT, VGG
from bench.detectors.requirement import Requirement
from bench.metrics import l1, lpips, psnr, ssim, st_lpips
from bench.metrics.base import Compute, Definition
from bench.metrics.catalogue_detected import DETECTED
from bench.metrics.families import FAMILIES
from bench.metrics.prmse import ANGLES

# Every image metric gets frames as an 8-bit file holds them; the preprocessing named here is theirs, too.
_IMAGE = {"range": "0..1", "colour": "rgb", "rounding": "uint8-half-even", "resize": "none"}
_BOX = {**_IMAGE, "window": "uniform7", "covariance": "sample", "border": "cropped", "channels": "mean"}
_GAUSS = {**_BOX, "window": "gauss11-1.5", "covariance": "population"}
_LPIPS = _IMAGE | {"lpips": "0.1.4", "version": "0.1"}


def _image(
    name: str, family: str, params: dict, compute: Compute, summary: str, requires: Requirement | None = None
) -> Definition:
    known, proxy = FAMILIES[family], bool(requires and requires.proxy)
    return Definition(
        name,
        family,
        known.version,
        known.higher_is_better,
        known.unit,
        "target",
        None,
        proxy,
        params,
        summary,
        compute,
        requires=requires,
    )


_IMAGES = [
    _image(
        "ssim", "ssim", _GAUSS | {"data_range": 1}, ssim.ssim, "structural similarity, Gaussian window, value range 1"
    ),
    _image(
        "ssim-skimage",
        "ssim",
        _BOX | {"data_range": 1},
        ssim.ssim_skimage,
        "structural similarity, scikit-image's window, value range 1",
    ),
    _image(
        "ssim-published",
        "ssim",
        _BOX | {"data_range": 2},
        ssim.ssim_published,
        "structural similarity as printed in papers: scikit-image's window, value range 2",
    ),
    _image("psnr", "psnr", _IMAGE | {"cap": "100dB"}, psnr.psnr, "peak signal-to-noise ratio"),
    _image(
        "psnr-uint8",
        "psnr",
        _IMAGE | {"arithmetic": "uint8-wraps", "cap": "100dB"},
        psnr.psnr_uint8,
        "PSNR as printed in papers: uint8 differences and squares that wrap around",
    ),
    _image("l1", "l1", _IMAGE, l1.l1, "mean absolute difference of pixels in [0, 1]"),
    _image(
        "lpips-alex",
        "lpips",
        _LPIPS | {"net": "alex", "input": "-1..1"},
        lpips.lpips_alex,
        "LPIPS on AlexNet, images scaled to [-1, 1]",
        ALEX,
    ),
    _image(
        "lpips-vgg",
        "lpips",
        _LPIPS | {"net": "vgg16", "input": "-1..1"},
        lpips.lpips_vgg,
        "LPIPS on VGG16, images scaled to [-1, 1]",
        VGG,
    ),
    _image(
        "lpips-alex-unscaled",
        "lpips",
        _LPIPS | {"net": "alex", "input": "0..1"},
        lpips.lpips_alex_unscaled,
        "LPIPS on AlexNet as one published script computes it: images in [0, 1], not scaled",
        ALEX,
    ),
    _image(
        "st-lpips",
        "lpips",
        _IMAGE | {"net": "alex-shift-tolerant", "input": "-1..1"},
        st_lpips.st_lpips,
        "shift-tolerant LPIPS (ECCV 2022); a proxy for LPIPS, not LPIPS",
        SHIFT_TOLERANT,
    ),
]

DEFINITIONS: dict[str, Definition] = {definition.name: definition for definition in _IMAGES + DETECTED}

# The definitions that a family adds when a protocol lists it: the right one and the published one where they differ.
# The others are computed only when requested by their own names, or by a family that no protocol lists.
ON_REQUEST = frozenset(
    {"ssim-skimage", "akd-norm", "akd-euclid-norm", "akd-euclid-dlib", "akd-norm-dlib", "akd-euclid-norm-dlib"}
    | {"aed-euclid-dlib", "aed-arcface", "aed-euclid-arcface", "aucon-common", "prmse-rad", "prmse-rad-pnp"}
    | {"aed-euclid-body"}
    | {f"{name}-mesh" for name in ("akd", "akd-euclid", "akd-norm", "akd-euclid-norm", "mkr", "prmse", "prmse-rad")}
    | {f"prmse-{angle}-mesh" for angle in ANGLES}
)
# What the authors' scripts computed, by their detectors where this project has them, else by proxies.
PUBLISHED = frozenset(
    {"ssim-published", "psnr-uint8", "l1", "lpips-alex-unscaled", "st-lpips", "akd", "akd-dlib", "aed", "aed-dlib"}
    | {"aucon", "aucon-geom", "prmse", "prmse-pnp", "akd-body", "mkr-body", "aed-body", "akd-mesh", "prmse-mesh"}
)
