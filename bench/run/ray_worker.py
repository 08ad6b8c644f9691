"""What runs in a Ray worker: a whole setup of its own, and the batches that it is given."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from pydantic import JsonValue

from bench.detectors.worker import portable
from bench.run import manifest
from bench.run.engine import Model, Part, Work
from bench.run.setup import RunSettings, prepare
from bench.runtime.allocator import release_freed_memory, reuse_freed_memory
from bench.runtime.config import CACHE_VARIABLE, cache_folder
from protocols.pairs import Pair


@dataclass(frozen=True)
class Facts:
    """What a worker says of itself: where it is, and what would decide its numbers there."""

    host: str
    gpu: str | None
    essence: dict[str, JsonValue]
    versions: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """The batches that were finished, what is to be said of them, and what kept the worker from the rest."""

    batches: list[Part]
    said: list[str]
    error: Exception | None


class RayWorker:
    """One device's worker. Making it loads nothing, so that errors come from `begin`, which may be asked again.

    settings: of the run. folder: where the run was started, which relative paths are relative to.
    threads: of torch, the same everywhere, since sums over other numbers of threads differ in their last bits.
    """

    def __init__(self, settings: RunSettings, folder: Path, threads: int) -> None:
        self._settings, self._folder, self._threads = settings, folder, threads
        self._stack = ExitStack()
        self._said: list[str] = []
        self._models: dict[str, Model] = {}
        self._begun: tuple[Facts, Work] | None = None

    def alive(self) -> None:
        """Answered once Ray has started this worker, wherever that may be."""

    def begin(self) -> Facts:
        """Load models and detectors, find the pairs. Raises what `bench.run.setup.prepare` raises."""
        return self._begin()[0]

    def _begin(self) -> tuple[Facts, Work]:
        if self._begun is None:
            torch.set_num_threads(self._threads)
            reuse_freed_memory()
            with suppress(OSError):  # a path that is missing here says so itself
                os.chdir(self._folder)
            settings = self._settings
            if CACHE_VARIABLE in os.environ:  # this machine's own
                settings = replace(settings, config=replace(settings.config, cache=cache_folder()))
            setup = self._stack.enter_context(prepare(settings))
            self._models = {model.label: model for model in setup.models}
            work = setup.evaluator(self._said.append)
            plan = setup.plan()
            gpu = torch.cuda.get_device_name() if setup.device.type == "cuda" else None
            self._begun = Facts(socket.gethostname(), gpu, manifest.essence(plan), plan.versions), work
        return self._begun

    def work(self, label: str, batches: Sequence[Sequence[Pair]]) -> Answer:
        """Ask a model, by its label, for batches of pairs, and measure what it gives."""
        _, work = self._begin()
        done: list[Part] = []
        error = None
        try:
            done.extend(work(self._models[label], batches))
        except Exception as raised:  # what was finished before goes with it
            error = portable(raised)
        release_freed_memory()
        said, self._said[:] = list(self._said), []
        return Answer(done, said, error)
