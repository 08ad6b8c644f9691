"""All definitions of all metrics, in the order in which tables show them."""

from __future__ import annotations

from bench.metrics import aed, akd, aucon, l1, lpips, prmse, psnr, ssim, st_lpips
from bench.metrics.base import Compute, Definition, Role

# Images reach the metrics as an 8-bit file holds them; what is said of frames holds for every image metric.
_IMAGE = {"range": "0..1", "colour": "rgb", "rounding": "uint8-half-even", "resize": "none"}
_BOX = {**_IMAGE, "window": "uniform7", "covariance": "sample", "border": "cropped", "channels": "mean"}
_GAUSS = {**_BOX, "window": "gauss11-1.5", "covariance": "population"}
_PAIR = {"failed": "nan-counted"}  # a pair without a value is counted in the failure rate, never dropped


def _image(
    name: str, family: str, unit: str, higher: bool, params: dict, compute: Compute, summary: str, proxy: bool = False
) -> Definition:
    return Definition(name, family, 1, higher, unit, "target", None, proxy, params, summary, compute)


def _detected(
    name: str, family: str, kind: str, detector: str, unit: str, higher: bool, against: Role, params: dict,
    compute: Compute, summary: str, proxy: bool = False,
) -> Definition:
    params = _PAIR | params
    return Definition(name, family, 1, higher, unit, against, kind, proxy, params, summary, compute, detector)


_PIXELS = [
    _image("ssim", "ssim", "", True, _GAUSS | {"data_range": 1}, ssim.ssim,
           "structural similarity, Gaussian window, value range 1"),
    _image("ssim-skimage", "ssim", "", True, _BOX | {"data_range": 1}, ssim.ssim_skimage,
           "structural similarity, scikit-image's window, value range 1"),
    _image("ssim-published", "ssim", "", True, _BOX | {"data_range": 2}, ssim.ssim_published,
           "structural similarity as printed in papers: scikit-image's window, value range 2"),
    _image("psnr", "psnr", "dB", True, _IMAGE | {"cap": "100dB"}, psnr.psnr, "peak signal-to-noise ratio"),
    _image("psnr-uint8", "psnr", "dB", True, _IMAGE | {"arithmetic": "uint8-wraps", "cap": "100dB"}, psnr.psnr_uint8,
           "PSNR as printed in papers: uint8 differences and squares that wrap around"),
    _image("l1", "l1", "", False, _IMAGE, l1.l1, "mean absolute difference of pixels in [0, 1]"),
]

_LPIPS = _IMAGE | {"lpips": "0.1.4", "version": "0.1"}
_PERCEPTUAL = [
    _image("lpips-alex", "lpips", "", False, _LPIPS | {"net": "alex", "input": "-1..1"}, lpips.lpips_alex,
           "LPIPS on AlexNet, images scaled to [-1, 1]"),
    _image("lpips-vgg", "lpips", "", False, _LPIPS | {"net": "vgg16", "input": "-1..1"}, lpips.lpips_vgg,
           "LPIPS on VGG16, images scaled to [-1, 1]"),
    _image("lpips-alex-unscaled", "lpips", "", False, _LPIPS | {"net": "alex", "input": "0..1"},
           lpips.lpips_alex_unscaled, "LPIPS on AlexNet as one published script feeds it: [0, 1], not scaled"),
    _image("st-lpips", "lpips", "", False, _IMAGE | {"net": "alex-shift-tolerant", "input": "-1..1"},
           st_lpips.st_lpips, "shift-tolerant LPIPS (ECCV 2022); a stand-in for LPIPS, not LPIPS", proxy=True),
]

_PER_COORDINATE = {"distance": "mean-abs-per-coordinate", "points": 68, "scale": "width-256"}
_EUCLIDEAN = _PER_COORDINATE | {"distance": "euclidean"}
_MISSING = {"points": 68, "failed": "counts-as-missing"}
_DETECTED = [
    _detected("akd", "akd", "landmarks", "face-alignment", "px", False, "target", _PER_COORDINATE, akd.akd,
              "landmark difference per coordinate, as printed in papers"),
    _detected("akd-euclid", "akd", "landmarks", "face-alignment", "px", False, "target", _EUCLIDEAN, akd.akd_euclid,
              "Euclidean distance of landmarks"),
    _detected("mkr", "mkr", "landmarks", "face-alignment", "share", False, "target", _MISSING, akd.mkr,
              "share of the reference's landmarks that are not found in the generated frame"),
    _detected("akd-dlib", "akd", "landmarks", "dlib68", "px", False, "target", _PER_COORDINATE, akd.akd,
              "as akd, with dlib's landmarks; a stand-in", proxy=True),
    _detected("mkr-dlib", "mkr", "landmarks", "dlib68", "share", False, "target", _MISSING, akd.mkr,
              "as mkr, with dlib's landmarks; a stand-in", proxy=True),
    _detected("aed", "aed", "identity", "openface", "", False, "source", {"distance": "squared-l2"}, aed.aed,
              "squared L2 distance of OpenFace embeddings, as printed in papers"),
    _detected("aed-l2", "aed", "identity", "openface", "", False, "source", {"distance": "l2"}, aed.aed_l2,
              "L2 distance of OpenFace embeddings"),
    _detected("aed-dlib", "aed", "identity", "dlib-identity", "", False, "source", {"distance": "squared-l2"}, aed.aed,
              "squared L2 distance of dlib's face embeddings; a stand-in for AED", proxy=True),
    _detected("aucon", "aucon", "action_units", "py-feat", "share", True, "driving",
              {"units": 20, "threshold": aucon.THRESHOLD}, aucon.aucon, "agreement of py-feat's action units"),
    _detected("aucon-geom", "aucon", "action_units", "geometric-aus", "share", True, "driving",
              {"units": 5, "threshold": aucon.THRESHOLD}, aucon.aucon,
              "agreement of five action units read off dlib's landmarks; a stand-in for AUCON", proxy=True),
    _detected("prmse", "prmse", "headpose", "py-feat", "deg", False, "driving", {"angles": "pitch-yaw-roll"},
              prmse.prmse, "root mean square error of py-feat's head pose angles"),
    _detected("prmse-pnp", "prmse", "headpose", "pnp14", "deg", False, "driving", {"angles": "pitch-yaw-roll"},
              prmse.prmse, "as prmse, with a pose fitted to dlib's landmarks; a stand-in", proxy=True),
]

DEFINITIONS: dict[str, Definition] = {definition.name: definition for definition in _PIXELS + _PERCEPTUAL + _DETECTED}
FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(definition.family for definition in DEFINITIONS.values()))

# What a family brings when a protocol asks for it: the right definition and the published one where they differ.
# `ssim-skimage` is computed only when asked for by its own name.
ON_REQUEST = frozenset({"ssim-skimage"})
COMPANIONS = {"akd": ("mkr",)}
