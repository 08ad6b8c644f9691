"""Base of the networks that frames drive: checks of a batch, frame sizes, faster computation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from baselines import frame_size
from baselines.checkpoints import Checkpoint, States
from baselines.cpu import accelerate, forget
from baselines.frame_size import SizedPredictor
from baselines.loaded_network import LoadedNetwork
from baselines.parallel_map import parallel_map
from baselines.precision import PRECISIONS, compile_network, reduce_precision
from baselines.predictor import ModelError, MotionMode, PairBatch

WHOLE = ("",)  # the whole network is sensitive


class NetworkPredictor(LoadedNetwork, SizedPredictor):
    """A network of this package with a checkpoint, in evaluation mode.

    Options of every network: ``weights=FILE``; ``key=ema``, for a file with several copies of the networks;
    ``precision=bfloat16`` for the generator; ``compile=inductor`` (or another backend of torch.compile) for the same
    part. Precision and compile change numbers slightly; the manifest records them.
    ``frame_size=384`` and ``resize=true``: see `baselines.frame_size`.
    ``plain=true``: no acceleration on a CPU, which changes numbers by rounding only.

    The motion modes mean the same for every model: ``relative`` adds the driving keypoints' movement since the anchor
    to the source's keypoints; ``relative-adapt`` also scales the movement by the ratio of the two faces' sizes. TPSM's
    released code has only the latter, and calls it "relative".
    """

    common_options: ClassVar[tuple[str, ...]] = (*frame_size.OPTIONS, "precision", "compile", "plain")
    filled_batches = True
    # Functions of the network that depend on one frame only: see `baselines.cpu.memoize`.
    memoized: ClassVar[tuple[str, ...]] = ("detect", "generator.encode")
    # Submodules whose rounding errors later layers amplify.
    sensitive: tuple[str, ...] = ()

    def prepare(self, config: Mapping[str, Any], options: Mapping[str, str]) -> None:
        trained = self._trained_side(config, self.checkpoint) if self.checkpoint else None
        self.size = frame_size.read(self.name, trained, options)
        self.frame_size = self.size.trained or frame_size.USUAL

    def read_options(self, options: Mapping[str, str]) -> None:
        super().read_options(options)
        self.compiled = options.get("compile")
        if options.get("plain", "false") not in ("true", "false"):
            raise ModelError(f"{self.name}: plain is true or false, not {options['plain']}", code="bad-value")
        self.plain = options.get("plain") == "true"
        if self.device.type == "cpu" and not self.plain and not self.compiled:  # it would break the compiled graph
            accelerate(self.network, exact=self.sensitive, shared=self.memoized)
        if self.precision != PRECISIONS[0]:
            reduce_precision(self.network, self.card.exact, self.device)
        if self.compiled:
            if self.compiled not in torch.compiler.list_backends(exclude_tags=()):
                known = ", ".join(torch.compiler.list_backends())
                raise ModelError(
                    f"{self.name}: compile names a backend of torch.compile ({known}), not {self.compiled}",
                    code="bad-value",
                )
            compile_network(self.network, self.compiled)
        self.work_at(self.size.own)

    def forget(self) -> None:
        forget(self.network)

    def _trained_side(self, config: Mapping[str, Any], checkpoint: Checkpoint) -> Any:
        """Return the side of the training frames from the checkpoint; None if it does not say."""
        ours = frame_size.USUAL if "stages" in checkpoint.facts else None  # of an early release with only this side
        return config.get("frame_size") or self.side_by_shapes(config, checkpoint.states) or ours

    @classmethod
    def side_by_shapes(cls, config: Mapping[str, Any], states: States) -> int | None:
        """Return the side of the frames that a checkpoint is for, if its tensors tell; else None."""
        return None

    @abstractmethod
    def animate(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        """Return the frames of `predict` for a checked batch on the network's device."""

    def predict(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        self.check(batch, mode)
        with torch.inference_mode():
            batch = _each(batch, lambda images: images.to(self.device, torch.float32))
            if self.device.type != "cpu":
                return self._frames(batch, mode)
            pairs = [_one(batch, i) for i in range(len(batch))]  # so that rounding does not depend on the batch
            if self.plain or self.compiled:
                return torch.cat([self._frames(pair, mode) for pair in pairs])
            return torch.cat(parallel_map(lambda pair: self._frames(pair, mode), pairs))

    @torch.inference_mode()  # a new thread does not inherit it
    def _frames(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        side = batch.source.shape[-1]
        if side != self.frame_size:  # `check` made sure that they may be resized
            batch = _each(batch, lambda images: frame_size.resized(images, self.frame_size))
            made = self._frames(batch, mode)
            return made if self.output_size else frame_size.resized(made, side)
        try:
            return self.animate(batch, mode).float()
        except torch.linalg.LinAlgError:  # a singular matrix of one pair fails its whole batch
            if len(batch) == 1:
                own = self.output_size or side
                return batch.source.new_full((1, 3, own, own), torch.nan)
            return torch.cat([self._frames(_one(batch, i), mode) for i in range(len(batch))])

    def check(self, batch: PairBatch, mode: MotionMode) -> None:
        """Raise ModelError if the batch cannot be animated in this mode."""
        self.known_mode(mode)
        if mode.startswith("relative") and batch.anchor is None:
            raise ModelError(
                f"{self.name}: motion mode {mode} needs an anchor frame for each pair, and this list has none",
                code="missing-anchor",
            )
        for role in ("source", "driving", "anchor"):
            images = getattr(batch, role)
            if images is None:
                continue
            side = batch.source.shape[-1] if self.size.resize else self.frame_size
            if images.shape[1:] != (3, side, side):
                size = "x".join(str(n) for n in reversed(images.shape[2:]))
                raise ModelError(
                    f"{self.name} takes {side}x{side} RGB frames; {role} frames are {size} "
                    f"with {images.shape[1]} channels",
                    code="frame-size",
                )

    def describe(self) -> dict[str, Any]:
        facts = super().describe()
        conventions = {
            "precision": self.precision,
            "compiled": self.compiled,
            **({"plain": True} if self.plain else {}),
            **({"resize": frame_size.FILTER} if self.resizes else {}),
            **self.conventions(),
        }
        sides = {"frame_size": self.frame_size, "trained_frame_size": self.size.trained}
        return {**facts, **sides, "conventions": conventions}


def with_failures(frames: Tensor, *points: Tensor | None) -> Tensor:
    """Return `frames` ``(N, 3, H, W)`` with NaN for the pairs that have non-finite `points` ``(N, …)``.

    Sampling at NaN positions gives finite pixels, which would hide the failure. Nothing is copied from the device
    here, so it does not wait for the GPU.
    """
    bad = torch.stack([p.flatten(1).sum(1) * 0 != 0 for p in points if p is not None]).any(
        0
    )  # NaN and infinity times 0 are NaN
    return torch.where(bad[:, None, None, None], torch.nan, frames)


def _each(batch: PairBatch, change: Callable[[Tensor], Tensor]) -> PairBatch:
    """Return the batch with changed frames, without targets."""
    anchor = None if batch.anchor is None else change(batch.anchor)
    return PairBatch(batch.ids, change(batch.source), change(batch.driving), None, anchor, batch.seeds)


def _one(batch: PairBatch, i: int) -> PairBatch:
    seeds, one = batch.seeds[i : i + 1], slice(i, i + 1)
    anchor = None if batch.anchor is None else batch.anchor[one]
    return PairBatch(batch.ids[one], batch.source[one], batch.driving[one], None, anchor, seeds)
