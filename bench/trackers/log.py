"""`--log` and `bench log`: log a finished run to experiment trackers, by their own libraries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from bench.runtime.errors import Stopped, UserError
from bench.trackers import mlflow, tensorboard, wandb
from bench.trackers.record import Record, of_run
from protocols.errors import typed_line

TRACKERS: dict[str, Callable[[Record], str]] = {
    "wandb": wandb.write,
    "mlflow": mlflow.write,
    "tensorboard": tensorboard.write,
}


def check(option: str, names: Sequence[str]) -> None:
    """Raise UserError for an unknown tracker, or one without its package."""
    for name in names:
        if name not in TRACKERS:
            raise UserError(f"{option} {name}: choose one of {', '.join(TRACKERS)}", code="unknown-choice")
        try:
            found = find_spec(name)
        except ValueError:  # a module without a spec
            found = None
        if found is None or found.origin is None:  # without a file it is another folder of that name
            raise UserError(
                f"{option} {name} needs {name}: pip install 'talking-head-bench[{name}]'", code="missing-package"
            )


def log(folder: Path, names: Sequence[str]) -> list[str]:
    """Log a finished run to trackers; return a line each, with the place.

    Raises UserError if there is no such run, and Stopped if a tracker fails.
    """
    record = of_run(folder)
    lines = []
    for name in names:
        try:
            lines.append(f"{name}: {TRACKERS[name](record)}")
        except Exception as error:  # trackers raise many kinds
            raise Stopped(
                f"{name} failed ({typed_line(error)}); the run is finished: "
                f"python -m bench log {folder} --to {name} logs it again",
                code="tracker-failed",
            ) from error
    return lines
