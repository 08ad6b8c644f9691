"""What the predictors of our own networks have in common: loading, checks of a batch, facts for the manifest."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from baselines import checkpoints, frame_size
from baselines.card import Card, card, find_weights
from baselines.checkpoints import Checkpoint, States
from baselines.cpu import accelerate, forget
from baselines.frame_size import SizedPredictor
from baselines.origin import judge
from baselines.parallel_map import parallel_map
from baselines.precision import PRECISIONS, compile_network, reduce_precision
from baselines.predictor import ModelError, MotionMode, PairBatch

_UNTRAINED_SEED = 0
WHOLE = ("",)  # all of a network is sensitive
_COMMON_OPTIONS = (*frame_size.OPTIONS, "precision", "compile", "plain")


class NetworkPredictor(SizedPredictor):
    """A network of this package with a checkpoint, in evaluation mode.

    Options of every network: ``weights=FILE``; ``key=ema``, where a file holds the same networks more than once;
    ``precision=bfloat16`` for the generator, ``compile=inductor`` (or another backend of
    torch.compile) for the same part. Both move the numbers a little; the manifest says that they were on.
    ``frame_size=384`` and ``resize=true``: see `baselines.frame_size`.
    ``plain=true`` leaves out what makes it faster on a CPU without changing numbers by more than rounding.
    The modes mean the same for every model: ``relative`` moves the source's keypoints as the driving ones moved since
    the anchor, ``relative-adapt`` also scales the movement by the ratio of the sizes of the two faces. TPSM's released
    code has only the latter, and calls it "relative".
    """

    options: ClassVar[tuple[str, ...]] = ()
    filled_batches = True
    # Functions of the network that see one frame, or what depends on it only: `baselines.cpu.memoize`.
    memoized: ClassVar[tuple[str, ...]] = ("detect", "generator.encode")
    # Submodules whose rounding errors are amplified by what follows.
    sensitive: tuple[str, ...] = ()

    def __init__(
        self,
        about: Card,
        checkpoint: Checkpoint | None,
        device: torch.device,
        options: Mapping[str, str] | None = None,
    ):
        """checkpoint: None for random weights, always the same ones."""
        self.card, self.name, self.motion_modes = about, about.name, about.motion_modes
        self.checkpoint, self.device = checkpoint, device
        if checkpoint is None:
            config = copy.deepcopy(about.config)
        elif checkpoint.config and checkpoints.saved_as(checkpoint) not in (None, about.title):
            raise ModelError(f"{checkpoint.path} {_look(checkpoint)}, asked for as {about.title}", code="other-network")
        else:
            config = checkpoint.config or self.infer_config(about, checkpoint)
        self.origin = judge(about, checkpoint, config)
        try:
            trained = self._trained_side(config, checkpoint) if checkpoint else None
            self.size = frame_size.read(self.name, trained, options or {})
            self.frame_size = self.size.trained or frame_size.USUAL
            if checkpoint is None:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(_UNTRAINED_SEED)
                    self.network = self.build(config, options or {})
            else:
                with torch.device("meta"):  # the checkpoint's tensors take the places: no time goes into random ones
                    self.network = self.build(config, options or {})
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError, ArithmeticError) as error:
            if checkpoint is None:
                raise
            raise ModelError(
                f"{checkpoint.path} {_look(checkpoint)}, asked for as {about.title}: its configuration does not "
                f"fit: {error}",
                code="other-network",
            ) from None
        if checkpoint is not None:
            checkpoints.fill(self.network, checkpoint, about)
        self.network.eval().requires_grad_(False).to(device)
        self._read_options(options or {})
        self.work_at(self.size.own)

    def _read_options(self, options: Mapping[str, str]) -> None:
        self.precision, self.compiled = options.get("precision", PRECISIONS[0]), options.get("compile")
        if self.precision not in PRECISIONS:
            raise ModelError(
                f"{self.name}: precision is {' or '.join(PRECISIONS)}, not {self.precision}", code="bad-value"
            )
        if options.get("plain", "false") not in ("true", "false"):
            raise ModelError(f"{self.name}: plain is true or false, not {options['plain']}", code="bad-value")
        self.plain = options.get("plain") == "true"
        if self.device.type == "cpu" and not self.plain and not self.compiled:  # whose graph they would break
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

    def forget(self) -> None:
        forget(self.network)

    @classmethod
    def load(
        cls, name: str, *, weights: Path | None, device: torch.device, options: Mapping[str, str] | None = None
    ) -> NetworkPredictor:
        """With the checkpoint in the weights folder, else with the sample checkpoint. Raises ModelError."""
        about, options = card(name), dict(options or {})
        chosen, key = options.pop("weights", None), options.pop("key", None)
        unknown = sorted(options.keys() - {*_COMMON_OPTIONS, *cls.options})
        if unknown:
            known = ", ".join(("weights", "key", *_COMMON_OPTIONS, *cls.options))
            raise ModelError(f"{name} has no option {', '.join(unknown)}; it has: {known}", code="unknown-option")
        if chosen == "untrained":
            return cls(about, None, device, options=options)
        file = Path(chosen).expanduser() if chosen else find_weights(about, weights)
        if chosen and file and not file.is_file():
            raise ModelError(f"{name}: weights={chosen}: no such file", code="missing-file")
        if file is None:
            file = about.sample
            if not file.is_file():
                raise ModelError(f"{name} has no weights: {_advice(about, weights)}", code="missing-weights")
        return cls(about, checkpoints.load(file, about, key), device, options)

    @classmethod
    def infer_config(cls, about: Card, checkpoint: Checkpoint) -> dict[str, Any]:
        """The official configuration, with what the tensors say of it. Raises ModelError for another network's."""
        config = copy.deepcopy(about.config)
        try:
            cls.read_shapes(config, checkpoint.states)
        except KeyError as error:
            networks = ", ".join(sorted(checkpoint.states)) or "none"
            raise ModelError(
                f"{checkpoint.path} {_look(checkpoint)}, asked for as {about.title}: it lacks {error.args[0]}; "
                f"its networks: {networks}",
                code="other-network",
            ) from None
        return config

    def _trained_side(self, config: Mapping[str, Any], checkpoint: Checkpoint) -> Any:
        """What the checkpoint says of the side of the frames that it was trained on; None if nothing."""
        ours = frame_size.USUAL if "stages" in checkpoint.facts else None  # of a release that knew no other side
        return config.get("frame_size") or self.side_by_shapes(config, checkpoint.states) or ours

    @classmethod
    def side_by_shapes(cls, config: Mapping[str, Any], states: States) -> int | None:
        """The side of the frames that a checkpoint is for, where its tensors say it."""
        return None

    @classmethod
    @abstractmethod
    def read_shapes(cls, config: dict[str, Any], states: States) -> None:
        """Correct the official `config` by the checkpoint's shapes. Raises KeyError, naming what is not there."""

    @abstractmethod
    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> nn.Module:
        """The network without weights. Raises ModelError for a wrong value of an option."""

    @abstractmethod
    def animate(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        """`predict`, with a checked batch on the right device."""

    def conventions(self) -> dict[str, Any]:
        """Choices that move the numbers, for the manifest."""
        return {}

    def predict(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        self.check(batch, mode)
        with torch.inference_mode():
            batch = _each(batch, lambda images: images.to(self.device, torch.float32))
            if self.device.type != "cpu":
                return self._frames(batch, mode)
            pairs = [_one(batch, i) for i in range(len(batch))]  # not even rounding depends on the rest of the batch
            if self.plain or self.compiled:
                return torch.cat([self._frames(pair, mode) for pair in pairs])
            return torch.cat(parallel_map(lambda pair: self._frames(pair, mode), pairs))

    @torch.inference_mode()  # which a new thread is not in
    def _frames(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        side = batch.source.shape[-1]
        if side != self.frame_size:  # and they are to be resized, or `check` would have refused them
            batch = _each(batch, lambda images: frame_size.resized(images, self.frame_size))
            return frame_size.resized(self._frames(batch, mode), side)
        try:
            return self.animate(batch, mode).float()
        except torch.linalg.LinAlgError:  # a singular matrix of one pair fails its whole batch
            if len(batch) == 1:
                return torch.full_like(batch.source, torch.nan)
            return torch.cat([self._frames(_one(batch, i), mode) for i in range(len(batch))])

    def check(self, batch: PairBatch, mode: MotionMode) -> None:
        """Raises ModelError where the batch cannot be answered in this mode."""
        self.known_mode(mode)
        if mode.startswith("relative") and batch.anchor is None:
            raise ModelError(
                f"{self.name}: motion mode {mode} needs an anchor frame for each pair; this list has none",
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
        return {
            "model": self.card.title,
            "variant_of": self.card.of,
            "weights_status": self.origin.status,
            "weights_note": self.origin.note,
            "published_size": self.origin.published_size,
            "sample_weights": self.origin.status == "sample",
            "untrained": self.checkpoint is None,
            "weights_file": self.checkpoint and self.checkpoint.path.name,
            "weights_sha256": self.checkpoint and self.checkpoint.sha256,
            "weights_read": list(self.checkpoint.read) if self.checkpoint else [],
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "frame_size": self.frame_size,
            "trained_frame_size": self.size.trained,
            "training": self.checkpoint.facts if self.checkpoint else {},
            "conventions": {
                "precision": self.precision,
                "compiled": self.compiled,
                **({"plain": True} if self.plain else {}),
                **({"resize": frame_size.FILTER} if self.resizes else {}),
                **self.conventions(),
            },
        }


def with_failures(frames: Tensor, *points: Tensor | None) -> Tensor:
    """`frames` ``(N, 3, H, W)`` with NaN for the pairs that have non-finite `points` ``(N, …)``.

    Sampling at NaN positions gives finite pixels, so that such a failure would not be seen in the frame. Nothing is
    read from the device here: it is waited for when the frames are.
    """
    bad = torch.stack([p.flatten(1).sum(1) * 0 != 0 for p in points if p is not None]).any(
        0
    )  # NaN and infinity times 0 are NaN
    return torch.where(bad[:, None, None, None], torch.nan, frames)


def _advice(about: Card, weights: Path | None) -> str:
    untrained = f"or take random ones, {about.name}?weights=untrained"
    if not about.files:
        return f"nobody publishes a checkpoint of it; give one that you trained, {about.name}?weights=FILE, {untrained}"
    place = f"{weights / about.package}" if weights else "a weights folder (--weights)"
    return f"put {' or '.join(about.files)} of github.com/{about.repository} into {place}, {untrained}"


def _look(checkpoint: Checkpoint) -> str:
    title = checkpoints.saved_as(checkpoint)
    return f"looks like a {title} checkpoint" if title else "holds no network known here"


def _each(batch: PairBatch, change: Callable[[Tensor], Tensor]) -> PairBatch:
    """The batch with changed frames, without targets."""
    anchor = None if batch.anchor is None else change(batch.anchor)
    return PairBatch(batch.ids, change(batch.source), change(batch.driving), None, anchor, batch.seeds)


def _one(batch: PairBatch, i: int) -> PairBatch:
    seeds, one = batch.seeds[i : i + 1], slice(i, i + 1)
    anchor = None if batch.anchor is None else batch.anchor[one]
    return PairBatch(batch.ids[one], batch.source[one], batch.driving[one], None, anchor, seeds)
