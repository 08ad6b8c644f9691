"""The trainee of a model, from its card."""

from __future__ import annotations

from baselines.card import MODELS, card, named
from baselines.errors import ModelError
from baselines.training.disentangling import DisentanglingTrainee
from baselines.training.settings import TrainSettings
from baselines.training.trainee import Trainee


def trained() -> list[str]:
    """Return the models with their own training; others are variants and use their model's."""
    return [name for name in MODELS if card(name).trainee and not card(name).trained_as]


def trainee(settings: TrainSettings) -> Trainee:
    """Return the trainee of `settings.model`, with initial weights from the global generator.

    A variant has its model's trainee, with its own configuration. Raises ModelError for a model without training.
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
    """Return the trainee in a model's card. Raises ModelError if it has none."""
    found = card(name).trainee if name in MODELS else None
    if found is None:
        raise ModelError(
            f"no training for model '{name}': choose one of {', '.join(trained())}, or a variant of these",
            code="no-training",
        )
    return found
