"""Errors of a device: out of memory, where smaller batches help, and failures of the device."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch

from bench.runtime.errors import Stopped, out_of_memory
from protocols.errors import first_line

if TYPE_CHECKING:
    from typing import Self


class Divisible(Protocol):
    """A sequence whose slices have the same type."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Self: ...


Entries = TypeVar("Entries", bound=Divisible)
Result = TypeVar("Result")

_BROKEN = ("CUDA error", "device-side assert", "cudaError", "CUDNN_STATUS_EXECUTION_FAILED")


def device_broken(error: BaseException) -> bool:
    """Return whether the device is unusable for this process: every later call on it fails."""
    if out_of_memory(error):
        return False
    accelerator = getattr(torch, "AcceleratorError", None)  # torch 2.8 and later
    if accelerator is not None and isinstance(error, accelerator):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _BROKEN)


def is_of_device(error: BaseException) -> bool:
    """Return whether an error was caused by the device and not by the pair."""
    return out_of_memory(error) or device_broken(error)


class OomBackoff:
    """Process entries in portions that fit into memory: on out of memory, halve this and all later portions.

    label: name for the messages, such as a model's. notify: receives a line for each new size. size: of the first
    portions, or None for all entries; a smaller portion may be filled up to it. unit: name of an entry.
    """

    def __init__(self, label: str, notify: Callable[[str], None], size: int | None = None, unit: str = "pair") -> None:
        self.label, self.notify, self.size, self.unit = label, notify, size, unit

    def __call__(self, entries: Entries, work: Callable[[Entries], Result]) -> Iterator[Result]:
        """Yield the results of `work` on consecutive portions of `entries`.

        Raises Stopped if not even one entry fits into memory, or the device failed.
        """
        start = 0
        while start < len(entries):
            portion = entries[start : start + (self.size or len(entries))]
            try:
                result = work(portion)
            except Exception as error:
                if device_broken(error):
                    raise Stopped(
                        f"{self.label}: the device failed ({first_line(error)})", code="device-failed"
                    ) from None
                if not out_of_memory(error):
                    raise
                tried = self.size or len(portion)
                if tried == 1:
                    raise Stopped(
                        f"{self.label}: out of memory with a single {self.unit} ({first_line(error)})",
                        code="out-of-memory",
                    ) from None
                self.size = tried // 2
                many = f"{tried} {self.unit}s at once"
                self.notify(f"{self.label}: out of memory with {many}; continues with {self.size}")
            else:
                yield result
                start += len(portion)
                continue
            _release()  # the error is deleted here; its traceback kept the tensors in memory


def _release() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
