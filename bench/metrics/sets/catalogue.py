"""All definitions of set metrics, in the order of a run's columns."""

from __future__ import annotations

from bench.metrics.families import FAMILIES
from bench.metrics.sets.base import Distance, SetDefinition
from bench.metrics.sets.estimates import frechet, kid

WINDOW = 16  # frames per feature of a video, as in the papers' FVD


def _definition(
    name: str, family: str, network: str, least: int, summary: str, proxy: bool = False, on_request: bool = False
) -> SetDefinition:
    known, kernel = FAMILIES[family], family == "kid"
    params = {"between": "kernel-cubic-unbiased"} if kernel else {"between": "frechet", "covariance": "sample"}
    distance: Distance = kid if kernel else frechet
    return SetDefinition(
        name,
        family,
        known.version,
        f"features-{network}",
        WINDOW if family == "fvd" else 1,
        least,
        params,
        summary,
        distance,
        proxy=proxy,
        on_request=on_request,
        higher_is_better=known.higher_is_better,
    )


_PAPERS, _PEOPLE = 2048, 100  # features below which a Fréchet distance, and a kernel distance, say little
_DEFINITIONS = [
    _definition("fid", "fid", "inception-torch", _PAPERS, "FID with pytorch-fid's resize"),
    _definition("fid-tf", "fid", "inception-tf-legacy", _PAPERS, "FID with TensorFlow's resize", on_request=True),
    _definition("fid-clean", "fid", "inception-clean", _PAPERS, "FID with clean-fid's resize", on_request=True),
    _definition("fid-lite0", "fid", "efficientnet-lite0", _PAPERS, "FID's distance on EfficientNet-Lite0", proxy=True),
    _definition("fid-vgg", "fid", "st-vgg", _PAPERS, "FID's distance on VGG-16", proxy=True, on_request=True),
    _definition("kid", "kid", "inception-torch", _PEOPLE, "KID with torch's resize, over all frames"),
    _definition("kid-tf", "kid", "inception-tf-legacy", _PEOPLE, "KID with TensorFlow's resize", on_request=True),
    _definition("kid-clean", "kid", "inception-clean", _PEOPLE, "KID with clean-fid's resize", on_request=True),
    _definition("kid-lite0", "kid", "efficientnet-lite0", _PEOPLE, "KID's distance on EfficientNet-Lite0", proxy=True),
    _definition("kid-vgg", "kid", "st-vgg", _PEOPLE, "KID's distance on VGG-16", proxy=True, on_request=True),
    _definition("fvd", "fvd", "i3d", _PAPERS, "FVD on the 400 logits of I3D, windows of 16 frames"),
    _definition(
        "fvd-lite0",
        "fvd",
        "efficientnet-lite0-motion",
        _PAPERS,
        "FVD's distance on features of appearance and motion",
        proxy=True,
    ),
]
SET_DEFINITIONS: dict[str, SetDefinition] = {definition.name: definition for definition in _DEFINITIONS}
