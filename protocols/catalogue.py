"""The protocols: named, versioned questions.

A definition is never changed under its version: what would move a number raises it.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass, replace

from protocols.augment import READINGS
from protocols.errors import DataError

SAME, CROSS = "same-identity", "cross-identity"
SAMPLE = "sample"  # the sample set's name, in lists as in `--data sample`
CUSTOM = "custom data"  # in place of a data set's name, until a run says which
_ALL = ("ssim", "psnr", "l1", "lpips", "akd", "mkr", "aed", "aucon", "prmse")

SIZES = {"256": 256, "512": 512, "native": None}  # of custom data's frames; native: as they are stored


@dataclass(frozen=True)
class Protocol:
    """One protocol.

    dataset: its data set's name. strategy, n, split, videos: how pairs are drawn where no list is given (see
    `sampling.make_pairs`). transform: ``none`` or ``expression-preserving``. mode: motion mode, where a model has
    it. metrics: families that apply. reference: ``same-identity`` (measured against the target) or
    ``cross-identity`` (against driving frame and source). tables: where papers print its numbers: ``mcnet`` is the ICLR
    submission, ``mcnet-s`` the ICCV supplement. sample: its form on the sample set (`sample_lists.NAMES`).
    published: lists that made those tables or may have. frozen: this project's own list that fits, on the real
    data: a file, or a rule (see `lasting`). frame_size: side of the frames in pixels; None: as they are stored.
    readings: variants, the first is default. custom: for custom data, whatever they are; `of` says what they are.
    title: what a report is headed with, after the data's name; empty for the field's own protocols.
    """

    name: str
    version: int
    summary: str
    dataset: str
    strategy: str
    reference: str
    metrics: tuple[str, ...]
    tables: tuple[str, ...]
    sample: str
    frozen: str
    published: tuple[str, ...] = ()
    transform: str = "none"
    mode: str = "absolute"
    n: int = 2083
    split: str | None = "test"
    videos: int | None = None
    frame_size: int | None = 256
    readings: tuple[str, ...] = ()
    custom: bool = False
    title: str = ""

    @property
    def heading(self) -> str:
        """What a report is headed with."""
        return f"{self.dataset}: {self.title}" if self.title else self.name

    def sized(self, size: str | None) -> Protocol:
        """This protocol on frames of one of `SIZES`. Raises DataError for a protocol whose frames have their size."""
        if size is None:
            return self
        if not self.custom:
            raise DataError(f"--size {size}: {self.name} is about frames of {self.frame_size} pixels; leave it out")
        if size not in SIZES:
            raise DataError(f"--size {size}: choose one of {', '.join(SIZES)}")
        return replace(self, frame_size=SIZES[size])

    def of(self, datasets: Collection[str], counts: str, size: str) -> Protocol:
        """This protocol, if it is one for custom data, on these: named in title and summary.

        counts: in words what the pairs are of. size: of the frames, in words.
        """
        if not self.custom:
            return self
        names = ", ".join(datasets)
        whose = "the sample set" if names == SAMPLE else f"{names}, custom data"
        return replace(self, dataset=names, summary=f"{whose} ({counts}, frames of {size}): {self.summary}")


_PROTOCOLS = (
    Protocol(
        name="vox1-sameid",
        version=1,
        summary="VoxCeleb1, same identity and scale: two frames of one video, the driving frame is the truth.",
        dataset="vox1",
        strategy="same-identity",
        videos=100,
        reference=SAME,
        metrics=_ALL,
        tables=(
            "mcnet-1a",
            "mcnet-2",
            "mcnet-3",
            "mcnet-4",
            "mcnet-s1",
            "mcnet-s2",
            "mcnet-s7",
            "ostnet-1",
            "ostnet-4",
        ),
        sample="sameid",
        published=("dagan_vox_evaluation", "vox_evaluation"),
        frozen="vox1-sameid",
    ),
    Protocol(
        name="vox1-crossid",
        version=1,
        summary="VoxCeleb1, cross identity, relative motion from an anchor frame; pose and expression are measured.",
        dataset="vox1",
        strategy="cross-identity",
        reference=CROSS,
        mode="relative-adapt",
        metrics=("aed", "aucon", "prmse"),
        tables=("mcnet-1b",),
        sample="crossid",
        published=("vox_cross_id_evaluation_best_frame", "vox_cross_id_evaluation"),
        frozen="vox1-crossid",
    ),
    Protocol(
        name="vox1-diffscale",
        version=1,
        summary="VoxCeleb1, same identity, other scale: the driving frame is stretched, the truth is not.",
        dataset="vox1",
        strategy="same-identity",
        videos=100,
        reference=SAME,
        transform="expression-preserving",
        metrics=_ALL,
        tables=("ostnet-2", "ostnet-3", "ostnet-5"),
        sample="diffscale",
        published=("dagan_vox_evaluation", "vox_evaluation"),
        frozen="vox1-sameid",
        readings=READINGS,
    ),
    Protocol(
        name="celebv-crossid",
        version=1,
        summary="CelebV, cross identity: absolute motion, since its published list has no anchors.",
        dataset="celebv",
        strategy="cross-identity",
        reference=CROSS,
        metrics=("aed", "aucon", "prmse"),
        tables=("mcnet-1b",),
        sample="portraits",
        published=("celeV_cross_id_evaluation",),
        frozen="celebv-crossid",
    ),
    Protocol(
        name="vox2-sameid",
        version=1,
        summary="VoxCeleb2, same identity: two frames of one video. No list is published.",
        dataset="vox2",
        strategy="same-identity",
        videos=100,
        reference=SAME,
        metrics=_ALL,
        tables=("mcnet-5", "mcnet-s3"),
        sample="sameid",
        frozen="vox2-sameid",
    ),
    Protocol(
        name="hdtf-sameid",
        version=1,
        summary="HDTF, same identity: two frames of one video. Two different lists are published.",
        dataset="hdtf",
        strategy="same-identity",
        reference=SAME,
        metrics=_ALL,
        tables=("mcnet-6", "mcnet-s4", "ostnet-6"),
        sample="sameid",
        published=("HDTF_test_evaluation", "HDTF_test_evaluation_new"),
        frozen="hdtf-sameid",
    ),
    Protocol(
        name="hdtf-crossid",
        version=1,
        summary="HDTF, cross identity: relative motion from an anchor frame. OSTNet prints pictures of it, no table.",
        dataset="hdtf",
        strategy="cross-identity",
        n=100,
        reference=CROSS,
        mode="relative-adapt",
        metrics=("aed", "aucon", "prmse"),
        tables=(),
        sample="crossid",
        published=("HDTF_cross_id_v2",),
        frozen="hdtf-crossid",
    ),
    Protocol(
        name="ted-sameid",
        version=1,
        summary="TED-talks, same identity, 384 pixels. AKD, MKR and AED are of bodies, as in the papers.",
        dataset="ted",
        strategy="same-identity",
        videos=100,
        frame_size=384,
        reference=SAME,
        metrics=("ssim", "psnr", "l1", "lpips", "akd-body", "mkr-body", "aed-body"),
        tables=("mcnet-8", "mcnet-s6"),
        sample="sameid",
        published=("ted_test_evaluation",),
        frozen="ted-sameid",
    ),
    Protocol(
        name="vox1-seenid",
        version=1,
        summary="VoxCeleb1, same identity, people seen in training: 500 training videos. No list is published.",
        dataset="vox1",
        strategy="seen-identity",
        split="train",
        reference=SAME,
        metrics=_ALL,
        tables=("mcnet-7", "mcnet-s5"),
        sample="seenid",
        frozen="vox1-seenid",
    ),
    Protocol(
        name="own-sameid",
        version=1,
        title="same identity",
        summary="two frames of one video, the driving frame is the truth.",
        dataset=CUSTOM,
        custom=True,
        strategy="same-identity",
        split=None,
        reference=SAME,
        metrics=_ALL,
        tables=(),
        sample="sameid",
        frozen="",
    ),
    Protocol(
        name="own-crossid",
        version=1,
        title="cross identity",
        summary="a photo or a frame of somebody else's video as source, relative motion from the video's first frame.",
        dataset=CUSTOM,
        custom=True,
        strategy="video-driven",
        split=None,
        reference=CROSS,
        mode="relative-adapt",
        metrics=("aed", "aucon", "prmse"),
        tables=(),
        sample="crossid",
        frozen="",
    ),
    Protocol(
        name="own-diffscale",
        version=1,
        title="same identity, other scale",
        summary="two frames of one video, the driving frame is stretched, the truth is not.",
        dataset=CUSTOM,
        custom=True,
        strategy="same-identity",
        split=None,
        reference=SAME,
        transform="expression-preserving",
        metrics=_ALL,
        tables=(),
        sample="diffscale",
        frozen="",
        readings=READINGS,
    ),
)


def names() -> list[str]:
    """The names of all protocols."""
    return [protocol.name for protocol in _PROTOCOLS]


def get(name: str) -> Protocol:
    """A protocol by name. Raises DataError, with the nearest names, if there is none."""
    for protocol in _PROTOCOLS:
        if protocol.name == name:
            return protocol
    near = difflib.get_close_matches(name, names(), n=3, cutoff=0.4) or names()
    raise DataError(f"unknown protocol {name!r}; did you mean {', '.join(near)}?")
