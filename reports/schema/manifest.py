"""``manifest.json``: everything that can change a number of a run.

A run is `Prepared` before the first prediction, `Unfinished` while it is running or stopped, then `Complete`.
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
    """Number of pairs of a list with all their frames."""

    n: int
    of_n: int


class BestAnchors(Facts):
    """Reference frames of relative motion that ``--anchor best`` chose.

    detector: signature of the landmark detector. frames: by clip.
    """

    detector: str
    frames: dict[str, str]


class Provenance(Facts):
    """Origin of pairs and frames.

    at_hand: set if some pairs were left out because frames are missing. published: name of a published list.
    best_anchors: set if the list's reference frames were replaced.
    """

    at_hand: Found | None = None
    published: str | None = None
    sample_set: str | None = None
    best_anchors: BestAnchors | None = None


class PairListEntry(Facts):
    """The pair list. sha256: of the pairs, without the provenance."""

    name: str
    sha256: str
    n: int
    provenance: Provenance = Provenance()


class ClipsEntry(Facts):
    """The clips of a run of whole clips; its `PairListEntry` is the clip list.

    frames: number in all clips. sound: ``truth``, ``generated`` or ``folder``: the sound that generated clips are
    scored with. sound_sha256: of the sound files, None without sound. unlike: for finished videos, model → property
    that differs from the reference (``length``, ``rate``, ``size``, ``sound``) → clip → words.
    """

    frames: int
    sound: str
    sound_sha256: str | None = None
    unlike: dict[str, dict[str, dict[str, str]]] = {}


class Crop(Facts):
    """How a data set's frames were cropped. clips: name → the crop box and frame size, in words."""

    mode: str | None = None
    scale: JsonValue = None
    shift: JsonValue = None
    finder: str | None = None
    clips: dict[str, str] = {}


class ModelEntry(Facts):
    """A model of the run, with all facts that its predictor states.

    weights_status: ``official``, ``sample``, ``unverified`` or ``untrained``. code_sha256: of a program or a plug-in.
    parts: number of parameters by network, for a model of several networks. started_from: the sample checkpoint that
    the training started from, in words, if known. weights_beside: name → SHA-256 of the checkpoint's other files.
    output_frame_size: side of the output frames, if it differs from the input's; output_filter: the filter that resizes
    them to the run's size, absent if they have that size. driven_by: ``sound`` or ``frames``, in a run of clips driven
    by sound; absent if unknown.
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
    """The files that a program's or a plug-in's hash covers, and what it does not cover."""

    files: dict[str, str] = {}
    not_covered: tuple[str, ...] = ()


class MetricEntry(Facts):
    """A metric definition.

    shape: whether a value is of a pair of frames, a clip, or a model's whole output (``set``).
    against: the reference frame. detector: kind of the detector that it uses.
    signature: everything that changes its numbers. applies: False if the protocol has no reference for it.
    order, decimals: of its family in tables. bounds: of its values, None for an open end. tolerance: largest change of
    a pair and of the mean that `bench check` does not call drift, if known. library: the reference library; page: of
    `bench explain`. empty: why it could not be measured. extra: further columns ``<name>.<extra>`` of a clip's row,
    with their meaning in words.
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
    """A detector that the run's metrics use."""

    kind: str
    name: str
    signature: str
    proxy: bool


class Seeds(Facts):
    """The seeds. run: of sampling, of noise in models, and of resamples."""

    run: int


class Machine(Facts):
    """The machine. threads: of torch."""

    cpu: str
    cores: int | None
    gpu: str | None
    os: str
    threads: int | None = None


class Prepared(Facts):
    """A run before the first prediction. data_sha256, clips_sha256: of the frames' files.

    plugins: code hashes of plug-ins other than models, by kind and name (``metric sharpness``), and of a protocol from
    a file; `code` has their files and those of the models.
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
        """Return the names of the models, in order."""
        return [model.name for model in self.models]

    @property
    def unit(self) -> Literal["pair", "clip"]:
        """Return the unit of its rows: ``pair`` or ``clip``."""
        return "clip" if self.clips else "pair"

    @property
    def measured(self) -> tuple[MetricEntry, ...]:
        """Return the metrics that apply."""
        return tuple(metric for metric in self.metrics if metric.applies)

    def model(self, name: str) -> ModelEntry:
        """Return the entry of a model. Raises KeyError."""
        return {model.name: model for model in self.models}[name]

    def noticed(self, *lines: str) -> Self:
        """Return a copy with more notices."""
        return self.but(notices=(*self.notices, *lines))


class Worker(Facts):
    """A worker of a cluster."""

    host: str
    gpu: str | None


class Executor(Facts):
    """The cluster of a run. workers: None for one that never reported."""

    name: str
    detector_workers: int | None = None
    version: str | None = None
    workers: tuple[Worker | None, ...] = ()


class Determinism(Facts):
    """Whether the same command gives the same bytes on this machine, and reasons why it may not."""

    same_bytes: bool
    because: tuple[str, ...]


class Placement(Facts):
    """Where the models run, and how that affects the numbers."""

    device: str | None = None
    batch_size: int | None = None
    executor: Executor | None = None
    arithmetic: dict[str, JsonValue] = {}
    determinism: Determinism | None = None


class Begun(Prepared):
    """A run with a folder. command: as typed. created: UTC, ISO 8601. sha256: seal over all other fields.

    The fields of `Placement` are absent if the run stopped before they were known.
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
    """A run that is running, or was stopped and can be resumed."""

    state: Literal["running", "interrupted"]


class Timing(Facts):
    """Run time of a model. busy: share of `wall_seconds` by stage."""

    pairs_per_second: float | None = None
    wall_seconds: float | None = None
    busy: dict[str, float] = {}


class Complete(Begun):
    """A finished run. samples_sha256, frames_sha256, summary_sha256: of the files next to it.

    frames_sha256: of ``frames.parquet``, in runs of whole clips. features_sha256: of the files in ``features/``, by
    name, in runs with set metrics. pictures_sha256: of the list of hashes in ``pictures/``.
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
