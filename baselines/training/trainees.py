"""The trainee of a model, as its card names it."""

from __future__ import annotations

from baselines.card import MODELS, card, named
from baselines.errors import ModelError
from baselines.training.disentangling import DisentanglingTrainee
from baselines.training.settings import TrainSettings
from baselines.training.trainee import Trainee


def trained() -> list[str]:
    """Models with a training of their own; the others are variants of these, and are trained as they are."""
    return [name for name in MODELS if card(name).trainee and not card(name).trained_as]


def trainee(settings: TrainSettings) -> Trainee:
    """Make the trainee of `settings.model`, with weights drawn from the global generator. ModelError if unknown.

    A variant is trained as the model that it varies, with its changes of the configuration.
    """
    made = _made(settings)
    if settings.poses and not made.takes_poses:
        raise ModelError(f"poses: '{settings.model}' has no head pose loss", code="no-training")
    return made


def _made(settings: TrainSettings) -> Trainee:
    if settings.part == "avd":
        return DisentanglingTrainee(settings)
    return named(reference(settings.model))(settings)


def reference(name: str) -> str:
    """The trainee of a model, as its card has it. Raises ModelError where there is none."""
    found = card(name).trainee if name in MODELS else None
    if found is None:
        raise ModelError(
            f"no training for model '{name}': choose one of {', '.join(trained())}, or a variant of these",
            code="no-training",
        )
    return found
