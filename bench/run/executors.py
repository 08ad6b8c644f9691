"""Choose where a run's models run: in this process, or on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from bench.run import manifest
from bench.run.engine import Place
from bench.run.setup import RunSettings, Setup
from bench.runtime.errors import UserError
from reports.schema.manifest import Executor as ExecutorEntry
from reports.schema.manifest import Prepared


class Executor(Protocol):
    """Evaluates the batches of a run; only the started process writes the run's folder.

    settings_here: the settings that this process prepares.
    """

    @property
    def settings_here(self) -> RunSettings: ...

    def begin(self, setup: Setup, plan: Prepared, notify: Callable[[str], None]) -> AbstractContextManager[Place]:
        """Yield an evaluator of batches, until the block ends. notify: receives notices."""


@dataclass(frozen=True)
class Local:
    """Run everything in this process, except detectors if worker processes are requested."""

    settings_here: RunSettings

    @contextmanager
    def begin(self, setup: Setup, plan: Prepared, notify: Callable[[str], None]) -> Iterator[Place]:
        pool = setup.measurer.choice.pool
        facts = ExecutorEntry(name="local", detector_workers=pool.count if pool else 0)
        size = setup.batch_size(setup.device)
        placement = manifest.placement(setup.models, setup.measurer, setup.device, size, facts)
        yield Place(setup.evaluator(notify), lambda: placement)


def choose(settings: RunSettings) -> Executor:
    """Return the executor of ``--executor``. Raises UserError if it cannot be used or other options conflict."""
    if settings.executor == "local":
        if settings.ray_address is not None or settings.ray_workers is not None:
            raise UserError("--ray-address and --ray-workers belong to --executor ray", code="unused-option")
        return Local(settings)
    if settings.executor == "ray":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray sends usage statistics otherwise
        os.environ.setdefault("RAY_worker_niceness", "0")  # of a Ray that the run starts: not slower than without
        try:
            import ray.exceptions  # noqa: F401  (`ray` alone may be any folder of that name)
        except ImportError:
            raise UserError(
                "--executor ray needs Ray: pip install 'talking-head-bench[ray]'", code="missing-package"
            ) from None
        from bench.run.ray_cluster import Cluster

        return Cluster(settings)
    raise UserError(f"--executor {settings.executor}: choose one of local, ray", code="unknown-choice")
