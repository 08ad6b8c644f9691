"""Names, signatures, and which definitions a run computes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support.refused import refused

from bench import detectors, metrics
from bench.detectors.base import Detection, Detector
from bench.metrics import families
from bench.runtime.errors import UserError

FAMILIES = ("ssim", "psnr", "l1", "lpips", "akd", "aed", "aucon", "prmse")


class Fake(Detector):
    """A detector with a name and a kind; what it detects does not matter here."""

    proxy, shape = False, (3,)

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name = kind, name

    @property
    def signature(self) -> str:
        return f"{self.name};v:1"

    def detect(self, frames: np.ndarray) -> list[Detection]:
        return [Detection(np.zeros(3)) for _ in frames]


def paper_choice(weights: Path) -> detectors.DetectorSet:
    """What a machine with all of the papers' weights would choose."""
    choice = detectors.DetectorSet("paper", weights)
    names = {"landmarks": "face-alignment", "identity": "openface", "headpose": "py-feat", "action_units": "py-feat"}
    choice.update({kind: Fake(kind, name) for kind, name in names.items()})
    choice.networks = {"perceptual": ("lpips-alex", "lpips-vgg")}
    return choice


def names(*asked: str, choice: detectors.DetectorSet | None = None) -> list[str]:
    return [d.name for d in metrics.resolve(asked, choice or detectors.choose("embedded", None))]


def test_embedded_detectors_bring_stand_ins_under_names_of_their_own() -> None:
    assert names(*FAMILIES) == [
        "ssim", "ssim-published", "psnr", "psnr-uint8", "l1", "st-lpips",
        "akd-dlib", "mkr-dlib", "aed-dlib", "aucon-geom", "prmse-pnp",
    ]  # fmt: skip
    proxies = {d.name for d in metrics.resolve(FAMILIES, detectors.choose("embedded", None)) if d.proxy}
    assert proxies == {"st-lpips", "akd-dlib", "mkr-dlib", "aed-dlib", "aucon-geom", "prmse-pnp"}


def test_the_papers_detectors_bring_both_definitions(tmp_path: Path) -> None:
    for name in ("alexnet-owt-7be5be79.pth", "vgg16-397923af.pth"):
        (tmp_path / name).write_bytes(name.encode())
    resolved = metrics.resolve(FAMILIES, paper_choice(tmp_path))
    assert [d.name for d in resolved] == [
        "ssim", "ssim-published", "psnr", "psnr-uint8", "l1", "lpips-alex", "lpips-vgg", "lpips-alex-unscaled",
        "akd", "akd-euclid", "mkr", "aed", "aed-euclid", "aucon", "prmse",
    ]  # fmt: skip
    assert not any(d.proxy for d in resolved)
    signatures = {d.name: d.signature() for d in resolved if d.family == "lpips"}
    assert len({re.search(r"weights:(\w{12})", line).group(1) for line in signatures.values()}) == 2


def test_single_definitions_by_name_in_the_order_of_tables() -> None:
    assert names("psnr-uint8", "ssim-skimage") == ["ssim-skimage", "psnr-uint8"]
    assert names("ssim", "ssim-skimage") == ["ssim", "ssim-skimage", "ssim-published"]
    assert names("mkr") == ["mkr-dlib"]


@pytest.mark.parametrize(
    ("name", "code", "values"),
    [
        ("ssmi", "unknown-metric", [" ssmi:", " ssim"]),
        ("SSIM-publish", "unknown-metric", ["ssim-published"]),
        ("vmaf", "unknown-metric", [", ".join(list(families.FAMILIES)[:4])]),
        ("akd-euclid", "missing-detector", ["akd-euclid", " face-alignment,"]),
        ("lpips-vgg", "missing-weights", ["lpips-vgg: ", "vgg16-397923af.pth", "python -m bench doctor"]),
    ],
)
def test_what_cannot_be_computed_is_said(
    name: str, code: str, values: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with refused(UserError, code, *values):
        names(name)


def test_an_unknown_definition_is_refused() -> None:
    with refused(UserError, "unknown-metric", "psnr"):
        metrics.get("pnsr")


def test_what_a_frame_is_held_against() -> None:
    roles = {name: metrics.get(name).role("cross-identity") for name in ("ssim", "akd-dlib", "aed", "aucon", "prmse")}
    assert roles == {"ssim": None, "akd-dlib": None, "aed": "source", "aucon": "driving", "prmse": "driving"}
    assert {d.role("same-identity") for d in metrics.definitions().values()} == {"target"}


def test_every_signature_is_one_line_and_unlike_every_other() -> None:
    assert len(metrics.definitions()) > 60
    lines = [d.signature("det;v:1" if d.detector else None) for d in metrics.definitions().values()]
    assert all("rounding:uint8-half-even" in line for line in lines)
    assert len(set(lines)) == len(lines)
    for definition, line in zip(metrics.definitions().values(), lines):
        assert re.fullmatch(rf"{definition.name}\|v:{definition.version}(\|\w+:[^|\n]+)+", line), line
    assert "data_range:2" in metrics.get("ssim-published").signature()
    assert "uniform7" in metrics.get("ssim-published").signature()
    assert metrics.get("akd").signature("det;v:1").endswith("|detector:[det;v:1]")


def test_a_signature_needs_exactly_the_detector_that_the_metric_has() -> None:
    with pytest.raises(ValueError, match="^akd .*body-landmarks|^akd .*landmarks"):
        metrics.get("akd").signature()
    with pytest.raises(ValueError, match="^ssim "):
        metrics.get("ssim").signature("det;v:1")


def test_each_detector_s_signature_stands_in_the_metric_s() -> None:
    choice = detectors.choose("embedded", None)
    line = metrics.get("prmse-pnp").signature(choice["headpose"].signature)
    assert "pnp14" in line and "dlib68" in line and re.search(r"weights:fbdc2cb80eb9", line)


def test_the_published_definitions_are_not_the_right_ones() -> None:
    right, published = metrics.get("ssim"), metrics.get("ssim-published")
    assert right.params["data_range"] == 1 and published.params["data_range"] == 2
    assert metrics.kinds(["ssim", "prmse"]) == {"headpose"}
    assert metrics.kinds(["lpips", "aed-dlib"]) == {"perceptual", "identity"}


def test_variants_are_computed_only_when_asked_for() -> None:
    asked = ("akd-euclid-dlib", "akd-norm-dlib", "akd-euclid-norm-dlib", "aed-euclid-dlib", "csim", "prmse-rad-pnp")
    assert names(*asked) == [
        "akd-euclid-dlib", "akd-norm-dlib", "akd-euclid-norm-dlib", "aed-euclid-dlib", "csim-dlib", "prmse-rad-pnp",
    ]  # fmt: skip
    assert names("prmse-angles") == ["prmse-pitch-pnp", "prmse-yaw-pnp", "prmse-roll-pnp"]
    units = ["au04", "au12", "au25", "au26", "au43"]
    assert names("aucon-units") == [f"aucon-{unit}-geom" for unit in units]


def test_the_face_mesh_and_dlib_stand_beside_each_other() -> None:
    """By name only; each brings its own detector, and no family or companion brings them unasked."""
    asked = ("akd-mesh", "akd-euclid-mesh", "akd-norm-mesh", "akd-euclid-norm-mesh", "mkr-mesh", "prmse-mesh")
    assert names(*asked) == list(asked)
    assert metrics.kinds(["akd-mesh", "prmse-mesh"]) == {"landmarks-mesh", "headpose-mesh"}
    choice = detectors.choose("auto", None, kinds=metrics.kinds(["akd-mesh", "akd-dlib"]))
    assert names("akd-mesh", "akd-dlib", choice=choice) == ["akd-dlib", "akd-mesh"]
    assert metrics.kinds(["akd", "prmse", "prmse-angles"]) == {"landmarks", "headpose"}
    assert all(metrics.get(name).proxy for name in asked)
    assert [d.name for d in metrics.published(["akd-mesh", "prmse-mesh"], detectors.choose("embedded", None))] == [
        "akd-mesh", "prmse-mesh",
    ]  # fmt: skip


def test_the_papers_detectors_bring_the_same_variants(tmp_path: Path) -> None:
    choice = paper_choice(tmp_path)
    assert len(names("aucon-units", choice=choice)) == 20
    assert names("csim", "prmse-angles", choice=choice) == ["csim", "prmse-pitch", "prmse-yaw", "prmse-roll"]
    assert metrics.get("aucon-common").params["units"] == "AU04+AU12+AU25+AU26+AU43"


def test_as_published_takes_one_definition_a_family_and_truncated_frames() -> None:
    chosen = metrics.published([*FAMILIES, "mkr"], detectors.choose("embedded", None))
    assert [d.name for d in chosen] == [
        "ssim-published", "psnr-uint8", "l1", "st-lpips", "akd-dlib", "aed-dlib", "aucon-geom", "prmse-pnp",
    ]  # fmt: skip
    assert {d.params["rounding"] for d in chosen} == {"uint8-truncated"}


def test_as_published_with_the_papers_weights(tmp_path: Path) -> None:
    (tmp_path / "alexnet-owt-7be5be79.pth").write_bytes(b"alex")
    (tmp_path / "vgg16-397923af.pth").write_bytes(b"vgg")
    chosen = metrics.published(FAMILIES, paper_choice(tmp_path))
    assert [d.name for d in chosen] == [
        "ssim-published", "psnr-uint8", "l1", "lpips-alex-unscaled", "akd", "aed", "aucon", "prmse",
    ]  # fmt: skip


def test_as_published_refuses_what_no_paper_prints() -> None:
    with refused(UserError, "no-published-form", "csim"):
        metrics.published(["ssim", "csim"], detectors.choose("embedded", None))
