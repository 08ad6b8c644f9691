"""`--executor ray`: send the batches of a run to Ray workers, one per device; this process collects the results."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import ray
import torch
from ray.exceptions import RayError, RayTaskError

from bench.run import manifest
from bench.run.engine import Model, Part, Place
from bench.run.ray_shards import DEPTH, LOST, cut
from bench.run.ray_worker import Answer, Facts, RayWorker
from bench.run.setup import RunSettings, Setup
from bench.runtime.errors import Stopped, UserError
from bench.runtime.signals import terminable
from protocols import interruption
from protocols.interruption import POLL
from protocols.pairs import Pair
from reports.schema.manifest import Executor, Placement, Prepared, Worker

LOCAL = "local"
LOSSES = 3  # lost workers after which a shard stops the run
PATIENCE = 60.0  # seconds without any worker before a notice


class Cluster:
    """The Ray cluster of the command line, or one started on this machine for the run.

    Raises UserError for a device that Ray does not assign, and for an address without a cluster.
    """

    def __init__(self, settings: RunSettings) -> None:
        if settings.device not in (None, "cpu", "cuda"):
            raise UserError(
                f"--device {settings.device}: with --executor ray give cpu or cuda; Ray assigns devices",
                code="bad-value",
            )
        self.settings = settings
        if settings.ray_address not in (None, LOCAL, "auto"):
            _reach(settings.ray_address)

    @property
    def settings_here(self) -> RunSettings:
        """Return settings for the CPU, since this process only describes the models and reads the pairs."""
        return replace(self.settings, device="cpu", workers=0)

    @contextmanager
    def begin(self, setup: Setup, plan: Prepared, notify: Callable[[str], None]) -> Iterator[Place]:
        """Start the workers; end them with the block, and Ray, too, if it was started here."""
        threads = torch.get_num_threads()
        try:
            self._connect(threads)
            device = self._device()
            needs = {"num_gpus": 1} if device.type == "cuda" else {"num_cpus": threads}
            count = self.settings.ray_workers or self._room(device, threads)
            settings = replace(self.settings, device=device.type)
            kind = ray.remote(RayWorker).options(max_restarts=-1, **needs)
            workers = [kind.remote(settings, Path.cwd(), threads) for _ in range(count)]
            facts = Executor(name="ray", version=ray.__version__)
            known = manifest.placement(setup.models, setup.measurer, device, setup.batch_size(device), facts)
            with terminable():  # again: with Ray's own handler the process aborts
                crew = Crew(workers, plan, notify)

                def placement() -> Placement:
                    return known.but(executor=facts.but(workers=tuple(crew.places)))

                yield Place(crew, placement)
        finally:
            ray.shutdown()  # ends this run's workers wherever they are

    def _connect(self, threads: int) -> None:
        address = self.settings.ray_address or LOCAL
        options: dict[str, Any] = {}
        if address == LOCAL:
            cores = max(os.cpu_count() or 1, (self.settings.ray_workers or 1) * threads)
            options = {"num_cpus": cores, "include_dashboard": False}
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            hint = "" if address == LOCAL else "; a cluster with a token wants RAY_AUTH_MODE=token"
            raise UserError(f"--ray-address {address}: {_why(error)}{hint}", code="no-cluster") from None

    def _device(self) -> torch.device:
        gpus = ray.cluster_resources().get("GPU", 0)
        if self.settings.device == "cuda" and not gpus:
            raise UserError("--device cuda: the Ray cluster has no GPU", code="no-such-device")
        return torch.device("cuda" if gpus and self.settings.device != "cpu" else "cpu")

    def _room(self, device: torch.device, threads: int) -> int:
        resources = ray.cluster_resources()
        return max(1, int(resources["GPU"] if device.type == "cuda" else resources.get("CPU", 0) // threads))


class _Task(NamedTuple):
    """A request to a worker, by its number: a shard of a model's pairs or, without one, whether it has started."""

    worker: int
    shard: int | None = None


class Crew:
    """Ray workers and their tasks.

    Ray restarts a lost worker; its shards go to the others at once. A shard counts once, when its answer arrives, so
    none is lost and none counts twice.

    places: host of each worker, None until it reports.
    """

    def __init__(self, workers: Sequence[Any], plan: Prepared, notify: Callable[[str], None]) -> None:
        self.places: list[Worker | None] = [None] * len(workers)
        self._workers, self._plan, self._notify = workers, plan, notify
        self._ready: list[int] = []
        self._patient_until = time.monotonic() + PATIENCE
        self._waited = False  # the notice that no worker has started was given
        self._failed = Counter[int]()
        self._tasks: dict[Any, _Task] = {}  # by the reference to the answer
        for worker in range(len(workers)):
            self._await(worker)

    def __call__(self, model: Model, batches: Sequence[Sequence[Pair]]) -> Iterator[Part]:
        """Yield the batches in the order in which they finish.

        Raises what the model raises, UserError for a worker that would compute something else than this run, and
        Stopped if a shard loses several workers or no worker is left.
        """
        shards = [[batches[k] for k in shard] for shard in cut(len(batches), len(self._workers))]
        waiting, losses, left = deque(range(len(shards))), Counter[int](), len(shards)
        while left:
            while waiting and (worker := self._free(waiting[0], losses)) is not None:
                shard = waiting.popleft()
                self._tasks[self._workers[worker].work.remote(model.label, shards[shard])] = _Task(worker, shard)
            interruption.check()
            done, _ = ray.wait(list(self._tasks), timeout=POLL)
            if not done and not self._ready and not self._waited and time.monotonic() > self._patient_until:
                self._waited = True
                self._notify("Ray has not started a worker yet (`ray status` shows free resources); waiting")
            for reference in done:
                task = self._tasks.pop(reference)
                try:
                    answer: Answer | Facts | None = _get(reference)
                except RayError as error:
                    self._lost(task, _why(error))
                    if task.shard is not None:
                        waiting.appendleft(task.shard)
                        losses[task.shard] += 1
                        if losses[task.shard] == LOSSES:
                            pairs = f"{LOSSES} workers were lost with the pairs from {shards[task.shard][0][0].id} on"
                            raise Stopped(f"{model.label}: {pairs} ({_why(error)})", code="worker-failed") from None
                    continue
                if answer is None:
                    self._tasks[self._workers[task.worker].begin.remote()] = _Task(task.worker)
                    continue
                if isinstance(answer, Facts):
                    self._welcome(task.worker, answer)
                    continue
                for line in answer.notices:
                    self._notify(line)
                yield from answer.batches
                if answer.error:
                    raise answer.error
                left -= 1

    def _free(self, shard: int, losses: Counter[int]) -> int | None:
        """Return the ready worker with the fewest tasks, if it has room for the shard.

        A shard that lost its worker gets the next one alone, so that it is known to be the cause.
        """
        load = Counter[int]()
        for task in self._tasks.values():
            load[task.worker] += DEPTH if task.shard is not None and losses[task.shard] else 1
        least = min(self._ready, key=lambda worker: load[worker], default=None)
        room = DEPTH if losses[shard] else 1
        return None if least is None or load[least] + room > DEPTH else least

    def _await(self, worker: int) -> None:
        """Wait for a worker: the answer comes when Ray has started it (again), and then it begins."""
        self._tasks[self._workers[worker].alive.options(max_task_retries=-1).remote()] = _Task(worker)

    def _lost(self, task: _Task, why: str) -> None:
        if task.worker in self._ready:  # the first of its shards to fail
            self._ready.remove(task.worker)
            self._notify(f"{LOST} ({why})")
            self._await(task.worker)
        elif task.shard is None:
            self._failed[task.worker] += 1
            if self._failed[task.worker] < LOSSES:
                self._await(task.worker)
            elif self._ready or any(other.shard is None for other in self._tasks.values()):
                self._notify(f"a Ray worker cannot be started and is left out ({why})")
            else:
                raise Stopped(f"no Ray worker can be started ({why})", code="worker-failed")

    def _welcome(self, worker: int, facts: Facts) -> None:
        ours = manifest.essence(self._plan)
        for part, value in ours.items():
            if facts.essence.get(part) != value:
                raise UserError(
                    f"the Ray worker on {facts.host} would compute something else: its {part} are not this machine's; "
                    "weights, data and the installed version must be the same",
                    code="other-worker",
                )
        other = [name for name, version in self._plan.versions.items() if facts.versions.get(name) != version]
        if other:
            self._notify(f"the Ray worker on {facts.host} has other versions of {', '.join(other)}: numbers may differ")
        self.places[worker] = Worker(host=facts.host, gpu=facts.gpu)
        self._ready.append(worker)


def _get(reference: Any) -> Any:
    """Return a worker's answer. Raises what it raised, without Ray's traceback."""
    try:
        return ray.get(reference)
    except RayTaskError as error:
        cause = error.cause
        raise (
            cause
            if isinstance(cause, Exception)
            else Stopped(f"a Ray worker failed: {_why(error)}", code="worker-failed")
        ) from None


def _reach(address: str) -> None:
    """Raise UserError if nothing listens at the address; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if "/" in host or not port.isdecimal():  # ray://... is for clients outside the cluster
        raise UserError(f"--ray-address {address}: give auto or HOST:PORT", code="bad-value")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OverflowError as error:
        raise UserError(f"--ray-address {address}: {error}", code="no-cluster") from None
    except OSError as error:
        raise UserError(
            f"--ray-address {address}: no cluster there ({error.strerror or error})", code="no-cluster"
        ) from None


def _why(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
