"""Small faults of the kind that slips into a model's code, each planted by patching at run time.

``python tests/support/drift_faults.py docs/drift.md`` measures what the drift check makes of each and writes the table.
"""

from __future__ import annotations

import dataclasses
import io
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from torch.nn import functional as F

from baselines import checkpoints
from baselines.blocks import dense_motion
from baselines.blocks.conv import AntiAliasDownsample
from baselines.blocks.grid import gaussian_heatmaps, resize_flow
from baselines.blocks.keypoints import Keypoints
from baselines.network_predictor import NetworkPredictor
from baselines.predictor import PairBatch
from baselines.tpsm import network as tpsm
from bench.drift.check import Result, check
from bench.drift.reference import Record, read_run
from bench.run import generated
from bench.run.command import RunSettings, run
from bench.runtime import config
from protocols.resolve import Resolved

REFERENCE = Path(__file__).parents[1] / "drift" / "sample.json"
PAIRS = 12

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]


def sample_run(out: Path, model: str) -> Path:
    """The run that the reference is of, with one model of it; its folder."""
    settings = RunSettings(
        models=(model,),
        protocol="vox1-sameid",
        config=config.load(("sample",), None),
        out=out,
        name="sample",
        limit=PAIRS,
        detectors="embedded",
        bounds=False,
        device="cpu",
    )
    return run(settings, Console(quiet=True))[0].path


def batch(**changes: Callable[[PairBatch], object]) -> Plant:
    """What the model is asked is changed."""

    def plant(patch: Patch) -> None:
        real = NetworkPredictor.predict

        def predict(self, asked, mode):
            return real(self, dataclasses.replace(asked, **{k: change(asked) for k, change in changes.items()}), mode)

        patch.setattr(NetworkPredictor, "predict", predict)

    return plant


def loaded(change: Callable[[torch.nn.Module], object]) -> Plant:
    """The network is changed once it is loaded."""

    def plant(patch: Patch) -> None:
        real = NetworkPredictor.__init__

        def init(self, *arguments):
            real(self, *arguments)
            change(self.network)

        patch.setattr(NetworkPredictor, "__init__", init)

    return plant


def weights(change: Callable[[torch.nn.Module], object]) -> Plant:
    """The network gets other weights than its checkpoint has, before anything is derived from them."""

    def plant(patch: Patch) -> None:
        real = checkpoints.fill

        def fill(network, *arguments):
            real(network, *arguments)
            with torch.no_grad():
                change(network)

        patch.setattr(checkpoints, "fill", fill)

    return plant


def bgr(patch: Patch) -> None:
    """As with OpenCV's frames on both ends: the model sees BGR, its output is turned back."""
    batch(source=lambda b: b.source.flip(1), driving=lambda b: b.driving.flip(1))(patch)
    flipped = NetworkPredictor.predict
    patch.setattr(NetworkPredictor, "predict", lambda self, asked, mode: flipped(self, asked, mode).flip(1))


def truncated(patch: Patch) -> None:
    real = generated.as_uint8
    patch.setattr(generated, "as_uint8", lambda output, *rest: real(output.mul(255).floor().div(255), *rest))


def jpeg(patch: Patch) -> None:
    real = generated.as_uint8

    def through_jpeg(frame: np.ndarray) -> np.ndarray:
        stream = io.BytesIO()
        Image.fromarray(frame).save(stream, "JPEG", quality=95)
        return np.asarray(Image.open(stream))

    patch.setattr(generated, "as_uint8", lambda *arguments: [through_jpeg(frame) for frame in real(*arguments)])


def no_antialias(patch: Patch) -> None:
    patch.setattr(AntiAliasDownsample, "forward", lambda self, x: x[..., :: self.stride, :: self.stride])


def aligned(network: torch.nn.Module) -> None:
    network.generator.align_corners = network.generator.dense_motion_network.align_corners = True


def flow_not_aligned(patch: Patch) -> None:
    patch.setattr(tpsm, "resize_flow", lambda flow, h, w, align_corners: resize_flow(flow, h, w, False))


def wider_heatmaps(patch: Patch) -> None:
    patch.setattr(dense_motion, "gaussian_heatmaps", lambda points, h, w: gaussian_heatmaps(points, h, w, 0.012))


def point_dropped(network: torch.nn.Module) -> None:
    """The first keypoint stays where it is in the source."""
    real = network.generate

    def generate(image, source, driving, *rest):
        value, jacobian = driving.value.clone(), driving.jacobian.clone()
        value[:, 0], jacobian[:, 0] = source.value[:, 0], source.jacobian[:, 0]
        return real(image, source, Keypoints(value, jacobian), *rest)

    network.generate = generate


def no_jacobians(network: torch.nn.Module) -> None:
    real = network.detect

    def detect(image):
        points = real(image)
        return Keypoints(points.value, torch.eye(2).expand_as(points.jacobian))

    network.detect = detect


def no_occlusion(patch: Patch) -> None:
    real = dense_motion.DenseMotionNetwork.forward

    def forward(self, *arguments):
        motion = real(self, *arguments)
        return dataclasses.replace(motion, occlusion=torch.ones_like(motion.occlusion))

    patch.setattr(dense_motion.DenseMotionNetwork, "forward", forward)


def frame_before(patch: Patch) -> None:
    """The motion is taken from the frame before the driving one."""
    real = Resolved.load

    def load(self, pair):
        frames = list(self.datasets[pair.driving.dataset].frames(pair.driving.clip))
        before = frames[max(frames.index(pair.driving.frame) - 1, 0)]
        return real(self, dataclasses.replace(pair, driving=dataclasses.replace(pair.driving, frame=before)))

    patch.setattr(Resolved, "load", load)


def kernel_transposed(network: torch.nn.Module) -> None:
    kernel = network.generator.first.conv.weight
    kernel.copy_(kernel.transpose(2, 3).clone())


@dataclass(frozen=True)
class Fault:
    name: str
    model: str
    plant: Plant


FAULTS = (
    Fault("color order: BGR in, BGR out", "fomm", bgr),
    Fault(
        "driving frame cropped one pixel off", "fomm", batch(driving=lambda b: F.pad(b.driving[..., 1:], (0, 1, 0, 0)))
    ),
    Fault("align_corners of the sampling", "fomm", loaded(aligned)),
    Fault("align_corners of the flow's resize", "tpsm", flow_not_aligned),
    Fault("value range -1..1", "fomm", batch(source=lambda b: b.source * 2 - 1, driving=lambda b: b.driving * 2 - 1)),
    Fault("value range 0..255, driving only", "fomm", batch(driving=lambda b: b.driving * 255)),
    Fault("source and driving swapped", "tpsm", batch(source=lambda b: b.driving, driving=lambda b: b.source)),
    Fault("one keypoint of ten dropped", "mcnet", loaded(point_dropped)),
    Fault("batch norm in training mode", "mcnet", loaded(torch.nn.Module.train)),
    Fault("uint8 by truncation", "fomm", truncated),
    Fault("frames through JPEG, quality 95", "fomm", jpeg),
    Fault("downsampling without antialias", "tpsm", no_antialias),
    Fault("jacobians ignored", "fomm", loaded(no_jacobians)),
    Fault("occlusion map ignored", "mcnet", no_occlusion),
    Fault("motion of the frame before", "fomm", frame_before),
    Fault("motion of the neighboring pair", "tpsm", batch(driving=lambda b: b.driving.roll(1, 0))),
    Fault("heatmap variance 0.012, not 0.01", "fomm", wider_heatmaps),
    Fault("one kernel of the checkpoint transposed", "fomm", weights(kernel_transposed)),
    Fault("weights rounded to bfloat16", "tpsm", weights(lambda network: network.bfloat16().float())),
)


def caught(fault: Fault, out: Path) -> tuple[Result, Result]:
    """What the check says of a run with the fault, in exact and in statistical mode."""
    with pytest.MonkeyPatch.context() as patch:
        fault.plant(patch)
        path = sample_run(out, fault.model)
    reference, measured = Record.read(REFERENCE), read_run(path)
    return tuple(check(reference, measured, mode, [fault.model]) for mode in ("exact", "statistical"))


def line(fault: Fault, results: tuple[Result, Result]) -> str:
    """A row of the table: what caught the fault, and the worst ratio to a tolerance."""
    return f"| {fault.name} | {fault.model} | {' | '.join(_caught_by(result) for result in results)} |"


def _caught_by(result: Result) -> str:
    """How many metrics fail, and which, the one that moved furthest first."""
    failures = sorted(result.failures, key=lambda row: -row.ratio)
    if not failures:
        return "none"
    names = [failures[0].metric + f" ({_ratio(failures[0].ratio)} ×)", *(row.metric for row in failures[1:])]
    return f"{len(failures)}: {', '.join(names)}"


def _ratio(ratio: float) -> str:
    return "∞" if np.isinf(ratio) else f"{ratio:.3g}"


def main(page: Path) -> None:
    """Write the table between the page's two markers."""
    rows = [
        "| fault | model | exact mode: metrics that fail | statistical mode: metrics that fail |",
        "| --- | --- | --- | --- |",
    ]
    for fault in FAULTS:
        with tempfile.TemporaryDirectory() as out:
            rows.append(line(fault, caught(fault, Path(out))))
        print(rows[-1], flush=True)
    begin, end = "<!-- faults -->\n", "<!-- end of faults -->\n"
    text = page.read_text(encoding="utf-8")
    head, rest = text.split(begin)
    page.write_text(head + begin + "\n".join([*rows, ""]) + end + rest.split(end)[1], encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
