"""Base of this package's own networks: loading, precision, facts for the manifest."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import nn

from baselines import checkpoints, samples
from baselines.card import Card, card, find_weights
from baselines.checkpoints import Checkpoint, States
from baselines.origin import judge, started_from
from baselines.precision import PRECISIONS
from baselines.predictor import ModelError, Predictor

_UNTRAINED_SEED = 0


class LoadedNetwork(Predictor):
    """A network of this package with a checkpoint, in evaluation mode.

    options: names of its options besides ``weights``, ``key`` and `common_options`.
    """

    options: ClassVar[tuple[str, ...]] = ()
    common_options: ClassVar[tuple[str, ...]] = ("precision",)
    network: nn.Module

    def __init__(
        self,
        about: Card,
        checkpoint: Checkpoint | None,
        device: torch.device,
        options: Mapping[str, str] | None = None,
    ):
        """Build the network and fill it. checkpoint: None for random weights of a fixed seed. Raises ModelError."""
        self.card, self.name, self.motion_modes = about, about.name, about.motion_modes
        self.checkpoint, self.device = checkpoint, device
        if checkpoint is None:
            config = copy.deepcopy(about.config)
        elif checkpoint.config and checkpoints.saved_as(checkpoint) not in (None, about.title):
            raise ModelError(f"{checkpoint.path} {_look(checkpoint)}, requested as {about.title}", code="other-network")
        else:
            config = checkpoint.config or self.infer_config(about, checkpoint)
        self.origin = judge(about, checkpoint, config)
        try:
            self.prepare(config, options or {})
            if checkpoint is None:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(_UNTRAINED_SEED)
                    self.network = self.build(config, options or {})
            else:
                with torch.device("meta"):  # filled from the checkpoint later: saves the time for random numbers
                    self.network = self.build(config, options or {})
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError, ArithmeticError) as error:
            if checkpoint is None:
                raise
            raise ModelError(
                f"{checkpoint.path} {_look(checkpoint)}, requested as {about.title}: its configuration does not "
                f"fit: {error}",
                code="other-network",
            ) from None
        if checkpoint is not None:
            checkpoints.fill(self.network, checkpoint, about)
        self.network.eval().requires_grad_(False).to(device)
        self.read_options(options or {})

    @classmethod
    def load(
        cls, name: str, *, weights: Path | None, device: torch.device, options: Mapping[str, str] | None = None
    ) -> Self:
        """Load a model with its checkpoint in the folder `weights`, else with its sample checkpoint.

        options: ``weights``: a file, a folder or ``untrained``; ``key``: see `checkpoints.load`; and the model's own.
        Raises ModelError for unknown options, or if there is no checkpoint or it does not fit.
        """
        about, options = card(name), dict(options or {})
        chosen, key = options.pop("weights", None), options.pop("key", None)
        known = (*cls.common_options, *cls.options)
        if unknown := sorted(options.keys() - set(known)):
            every = ", ".join(("weights", "key", *known))
            raise ModelError(f"{name} has no option {', '.join(unknown)}; it has: {every}", code="unknown-option")
        if chosen == "untrained":
            return cls(about, None, device, options=options)
        file = Path(chosen).expanduser() if chosen else find_weights(about, weights)
        if file and file.is_dir() and about.bare:  # the folder of all its files
            file = next((file / name for name in about.files if (file / name).is_file()), file / about.files[0])
        if chosen and file and not file.is_file():
            raise ModelError(f"{name}: weights={chosen}: no such file{_within(file, chosen)}", code="missing-file")
        if file is None:
            file = about.sample
            if not file.is_file():
                raise ModelError(f"{name} has no weights: {_advice(about, weights)}", code="missing-weights")
        return cls(about, checkpoints.load(file, about, key), device, options)

    @classmethod
    def infer_config(cls, about: Card, checkpoint: Checkpoint) -> dict[str, Any]:
        """Return the official configuration, corrected by the tensors' shapes. Raises ModelError if they do not fit."""
        config = copy.deepcopy(about.config)
        try:
            cls.read_shapes(config, checkpoint.states)
        except KeyError as error:
            networks = ", ".join(sorted(checkpoint.states)) or "none"
            raise ModelError(
                f"{checkpoint.path} {_look(checkpoint)}, requested as {about.title}: it lacks {error.args[0]}; "
                f"its networks: {networks}",
                code="other-network",
            ) from None
        return config

    @classmethod
    @abstractmethod
    def read_shapes(cls, config: dict[str, Any], states: States) -> None:
        """Correct the official `config` in place by the checkpoint's shapes. Raises KeyError with the missing key."""

    @abstractmethod
    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> nn.Module:
        """Return the network without weights. Raises ModelError for a wrong value of an option."""

    def prepare(self, config: Mapping[str, Any], options: Mapping[str, str]) -> None:  # noqa: B027 (most need nothing)
        """Read what `build` needs. Raises ModelError for a wrong value of an option."""

    def read_options(self, options: Mapping[str, str]) -> None:
        """Read the options of how the built network computes. Raises ModelError for a wrong value."""
        self.precision = options.get("precision", PRECISIONS[0])
        if self.precision not in PRECISIONS:
            raise ModelError(
                f"{self.name}: precision is {' or '.join(PRECISIONS)}, not {self.precision}", code="bad-value"
            )

    def conventions(self) -> dict[str, Any]:
        """Return the choices that affect numbers, for the manifest."""
        return {}

    def describe(self) -> dict[str, Any]:
        start = started_from(self.checkpoint.facts) if self.checkpoint else None
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
            **(
                {"weights_beside": self.checkpoint.beside_sha256()}
                if self.checkpoint and self.checkpoint.beside
                else {}
            ),
            "weights_read": list(self.checkpoint.read) if self.checkpoint else [],
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "training": self.checkpoint.facts if self.checkpoint else {},
            **({"started_from": start} if start else {}),
            "conventions": {"precision": self.precision, **self.conventions()},
        }


def _advice(about: Card, weights: Path | None) -> str:
    untrained = f"or use random ones, {about.name}?weights=untrained"
    if about.name in samples.recipes():
        untrained = f"or train its sample checkpoint, `python -m bench samples build {about.name}`, {untrained}"
    if not about.files:
        return f"no published checkpoint exists; give your own, {about.name}?weights=FILE, {untrained}"
    place = f"{weights / about.package}" if weights else "a weights folder (--weights)"
    beside = f" with {', '.join(about.beside)}" if about.beside else ""
    return f"put {' or '.join(about.files)}{beside} of github.com/{about.repository} into {place}, {untrained}"


def _within(file: Path, chosen: str) -> str:
    return "" if file == Path(chosen).expanduser() else f" as {file.relative_to(Path(chosen).expanduser())} in it"


def _look(checkpoint: Checkpoint) -> str:
    title = checkpoints.saved_as(checkpoint)
    return f"looks like a {title} checkpoint" if title else "has no known network"
