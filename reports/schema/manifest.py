"""``manifest.json``: everything that could move a number of a run.

A run is `Prepared` before the first prediction, `Unfinished` while it is at work or was stopped, then `Complete`.
Fields with a default may be absent in runs of earlier releases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, JsonValue, TypeAdapter

from reports.schema.base import Facts, parse

if TYPE_CHECKING:
    from typing import Self

SCHEMA: Final = 1


class ProtocolEntry(Facts):
    """The evaluation protocol. frame_size: ``WIDTHxHEIGHT``."""

    name: str
    version: int
    dataset: str
    reference: Literal["same-identity", "cross-identity"]
    transform: str
    mode: str
    title: str | None = None
    summary: str
    frame_size: str | None = None
    tables: tuple[str, ...] = ()


class Found(Facts):
    """How many pairs of a list have all their frames."""

    n: int
    of_n: int


class BestAnchors(Facts):
    """Driving frames that relative motion starts from, where ``--anchor best`` chose them.

    detector: signature of the landmark detector. frames: by clip.
    """

    detector: str
    frames: dict[str, str]


class Provenance(Facts):
    """Where pairs and frames come from.

    at_hand: set where some were left out. published: name of a published list. best_anchors: set where those of the
    list were replaced.
    """

    at_hand: Found | None = None
    published: str | None = None
    sample_set: str | None = None
    best_anchors: BestAnchors | None = None


class PairListEntry(Facts):
    """The pair list. sha256: of the pairs alone."""

    name: str
    sha256: str
    n: int
    provenance: Provenance = Provenance()


class ClipsEntry(Facts):
    """What a run of whole clips asks: then `PairListEntry` is of the clip list.

    frames: of all clips together. sound: ``truth``, ``generated`` or ``folder``: whose sound the generated clips are
    scored with. sound_sha256: of the files that hold the sound, None where there is none. unlike: of finished videos,
    by model, in what they differ from the reference (``length``, ``rate``, ``size``, ``sound``), to clips and words.
    """

    frames: int
    sound: str
    sound_sha256: str | None = None
    unlike: dict[str, dict[str, dict[str, str]]] = {}


class Crop(Facts):
    """How a data set's frames were cut. clips: by name, in words, which box of which frame size."""

    mode: str | None = None
    scale: JsonValue = None
    shift: JsonValue = None
    finder: str | None = None
    clips: dict[str, str] = {}


class ModelEntry(Facts):
    """A model of the run, with all that its predictor says of itself.

    weights_status: ``official``, ``sample``, ``unverified`` or ``untrained``. code_sha256: of a program or a plug-in.
    parts: parameters of each, of a model of several networks. started_from: the sample checkpoint that the training
    started from, in words, where it is known. weights_beside: name to SHA-256 of the other files that the checkpoint
    is made of. output_frame_size: side of the frames that it makes, where that is another than of those it is given;
    output_filter: by which these are brought to the run's size, absent where they are of that size.
    driven_by: ``sound`` or ``frames``, in a run whose clips are driven by sound; absent where neither is known.
    """

    name: str
    mode: str | None = None
    driven_by: str | None = None
    model: str | None = None
    variant_of: str | None = None
    weights_status: str | None = None
    weights_note: str | None = None
    published_size: bool | None = None
    sample_weights: bool = False
    untrained: bool = False
    weights_file: str | None = None
    weights_sha256: str | None = None
    weights_beside: dict[str, str] = {}
    weights_read: tuple[str, ...] = ()
    parameters: int | None = None
    parts: dict[str, int] = {}
    frame_size: int | None = None
    trained_frame_size: int | None = None
    output_frame_size: int | None = None
    output_filter: str | None = None
    training: JsonValue = None
    started_from: str | None = None
    conventions: dict[str, JsonValue] = {}
    command: JsonValue = None
    folder: str | None = None
    frames: int | None = None
    frames_sha256: str | None = None
    jpeg_frames: int | None = None
    code_sha256: str | None = None


class CodeEntry(Facts):
    """The files behind a program's or a plug-in's hash, and what it does not cover."""

    files: dict[str, str] = {}
    not_covered: tuple[str, ...] = ()


class MetricEntry(Facts):
    """A definition of a metric.

    shape: what one of its values is of: a pair of frames, a whole clip, or all that a model made.
    against: the frame that a generated one is compared with. detector: kind of the detector that it uses.
    signature: everything that moves its numbers. applies: False where the protocol has nothing to compare with.
    order, decimals: of its family in tables. bounds: of its values, None where there is none. tolerance: of
    a pair and of the mean before `bench check` calls a move drift, where known. library, page: what it
    is checked with, where `bench explain` has it. empty: why nothing could measure it. extra: what a clip's row has of
    it besides its value, in columns ``<name>.<extra>``, to what that is in words.
    """

    name: str
    family: str
    shape: Literal["pair", "clip", "set"] = "pair"
    version: int
    higher_is_better: bool
    unit: str
    against: str | None = None
    detector: str | None = None
    proxy: bool
    signature: str
    short: str = ""
    summary: str
    applies: bool = True
    order: int | None = None
    decimals: int | None = None
    bounds: tuple[float | None, float | None] | None = None
    tolerance: tuple[float, float] | None = None
    library: str = ""
    page: str = ""
    empty: str | None = None
    extra: dict[str, str] = {}


class DetectorEntry(Facts):
    """A detector that metrics of the run use."""

    kind: str
    name: str
    signature: str
    proxy: bool


class Seeds(Facts):
    """run: of sampling, of noise in models, of resamples."""

    run: int


class Machine(Facts):
    """threads: of torch."""

    cpu: str
    cores: int | None
    gpu: str | None
    os: str
    threads: int | None = None


class Prepared(Facts):
    """What is decided before the first prediction. data_sha256, clips_sha256: of the files of the frames.

    plugins: hash of the code of what installed packages bring besides models, by kind and name (``metric sharpness``),
    and of a protocol that a file describes; `code` has their files beside those of the models.
    """

    schema_: Literal[1] = Field(alias="schema")
    protocol: ProtocolEntry
    pairs: PairListEntry
    clips: ClipsEntry | None = None
    crop: dict[str, Crop] = {}
    sample_data: bool
    data_sha256: str | None = None
    clips_sha256: dict[str, str] = {}
    models: tuple[ModelEntry, ...]
    code: dict[str, CodeEntry] = {}
    plugins: dict[str, str] = {}
    metrics: tuple[MetricEntry, ...]
    detectors: tuple[DetectorEntry, ...] = ()
    seeds: Seeds
    versions: dict[str, str]
    machine: Machine
    notices: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str]:
        """The names of the models, in order."""
        return [model.name for model in self.models]

    @property
    def unit(self) -> Literal["pair", "clip"]:
        """What a row of its numbers is of."""
        return "clip" if self.clips else "pair"

    @property
    def measured(self) -> tuple[MetricEntry, ...]:
        """The metrics that apply."""
        return tuple(metric for metric in self.metrics if metric.applies)

    def model(self, name: str) -> ModelEntry:
        """Return the entry of a model. Raises KeyError."""
        return {model.name: model for model in self.models}[name]

    def noticed(self, *lines: str) -> Self:
        """Return a copy with more notices."""
        return self.but(notices=(*self.notices, *lines))


class Worker(Facts):
    """Where a worker of a cluster ran."""

    host: str
    gpu: str | None


class Executor(Facts):
    """workers: None where one was never heard of."""

    name: str
    detector_workers: int | None = None
    version: str | None = None
    workers: tuple[Worker | None, ...] = ()


class Determinism(Facts):
    """Whether the same command gives the same bytes here, and what speaks against it."""

    same_bytes: bool
    because: tuple[str, ...]


class Placement(Facts):
    """Where the models are asked, and what that means for the numbers."""

    device: str | None = None
    batch_size: int | None = None
    executor: Executor | None = None
    arithmetic: dict[str, JsonValue] = {}
    determinism: Determinism | None = None


class Begun(Prepared):
    """A run with a folder. command: as it was typed. created: UTC, ISO 8601. sha256: seal over all else in the file.

    What `Placement` says is absent where the run stopped before it was known.
    """

    name: str
    fingerprint: str
    command: tuple[str, ...]
    created: str
    device: str | None = None
    batch_size: int | None = None
    executor: Executor | None = None
    arithmetic: dict[str, JsonValue] = {}
    determinism: Determinism | None = None
    sha256: str | None = None


class Unfinished(Begun):
    """A run that is at work, or was stopped and can be taken up."""

    state: Literal["running", "interrupted"]


class Timing(Facts):
    """How long a model took. busy: shares of `wall_seconds` by stage."""

    pairs_per_second: float | None = None
    wall_seconds: float | None = None
    busy: dict[str, float] = {}


class Complete(Begun):
    """A finished run. samples_sha256, frames_sha256, summary_sha256: of the files beside it.

    frames_sha256: of ``frames.parquet``, in runs of whole clips. features_sha256: of the files in ``features/``, by
    their name there, in runs with metrics of sets. pictures_sha256: of the list of hashes in ``pictures/``.
    """

    state: Literal["complete"]
    timings: dict[str, Timing] = {}
    samples_sha256: str | None = None
    frames_sha256: str | None = None
    features_sha256: dict[str, str] = {}
    pictures_sha256: str | None = None
    summary_sha256: str | None = None


Manifest = Unfinished | Complete
MANIFEST: TypeAdapter[Manifest] = TypeAdapter(Annotated[Manifest, Field(discriminator="state")])


def parse_manifest(content: bytes) -> Manifest:
    """Read the bytes of ``manifest.json``. Raises Damaged."""
    return parse(MANIFEST, content)
