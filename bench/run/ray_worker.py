"""A Ray worker: its own setup, and the batches that it receives."""

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
    """What a worker reports: its host, and everything that decides its numbers."""

    host: str
    gpu: str | None
    essence: dict[str, JsonValue]
    versions: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """The finished batches, notices, and the error that stopped the worker, if any."""

    batches: list[Part]
    notices: list[str]
    error: Exception | None


class RayWorker:
    """A worker on one device. The constructor loads nothing, so that errors come from `begin`, which can be repeated.

    settings: of the run. folder: where the run was started, for relative paths.
    threads: of torch, equal on all workers, since sums differ in the last bits with the number of threads.
    """

    def __init__(self, settings: RunSettings, folder: Path, threads: int) -> None:
        self._settings, self._folder, self._threads = settings, folder, threads
        self._stack = ExitStack()
        self._notices: list[str] = []
        self._models: dict[str, Model] = {}
        self._begun: tuple[Facts, Work] | None = None

    def alive(self) -> None:
        """Return once Ray has started this worker."""

    def begin(self) -> Facts:
        """Load models, detectors and pairs. Raises what `bench.run.setup.prepare` raises."""
        return self._begin()[0]

    def _begin(self) -> tuple[Facts, Work]:
        if self._begun is None:
            torch.set_num_threads(self._threads)
            reuse_freed_memory()
            with suppress(OSError):  # a missing path is reported later
                os.chdir(self._folder)
            settings = self._settings
            if CACHE_VARIABLE in os.environ:  # this machine's own
                settings = replace(settings, config=replace(settings.config, cache=cache_folder()))
            setup = self._stack.enter_context(prepare(settings))
            self._models = {model.label: model for model in setup.models}
            work = setup.evaluator(self._notices.append)
            plan = setup.plan()
            gpu = torch.cuda.get_device_name() if setup.device.type == "cuda" else None
            self._begun = Facts(socket.gethostname(), gpu, manifest.essence(plan), plan.versions), work
        return self._begun

    def work(self, label: str, batches: Sequence[Sequence[Pair]]) -> Answer:
        """Run a model, by its label, on batches of pairs, and measure its frames."""
        _, work = self._begin()
        done: list[Part] = []
        error = None
        try:
            done.extend(work(self._models[label], batches))
        except Exception as raised:  # returned with the batches finished before
            error = portable(raised)
        release_freed_memory()
        notices, self._notices[:] = list(self._notices), []
        return Answer(done, notices, error)
