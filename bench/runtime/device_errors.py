"""What a device may do to a run: run out of memory, which smaller batches mend, or break, which nothing does."""

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
    """Entries whose slice is of the same type."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Self: ...


Entries = TypeVar("Entries", bound=Divisible)
Result = TypeVar("Result")

_BROKEN = ("CUDA error", "device-side assert", "cudaError", "CUDNN_STATUS_EXECUTION_FAILED")


def device_broken(error: BaseException) -> bool:
    """Whether the device can do nothing more for this process: an error on it fails everything that follows."""
    if out_of_memory(error):
        return False
    accelerator = getattr(torch, "AcceleratorError", None)  # torch 2.8 and later
    if accelerator is not None and isinstance(error, accelerator):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _BROKEN)


def is_of_device(error: BaseException) -> bool:
    """Whether an error is the device's and says nothing of the pair."""
    return out_of_memory(error) or device_broken(error)


class OomBackoff:
    """Work in portions that fit into memory: a portion that does not is halved, and so are all that follow.

    label: whose work it is, for the messages. notify: receives a line once for each new size. size: of the first
    portions, or None for all entries; a smaller portion may be filled up to it. unit: what an entry is.
    """

    def __init__(self, label: str, notify: Callable[[str], None], size: int | None = None, unit: str = "pair") -> None:
        self.label, self.notify, self.size, self.unit = label, notify, size, unit

    def __call__(self, entries: Entries, work: Callable[[Entries], Result]) -> Iterator[Result]:
        """The results of `work` on consecutive portions of `entries`; of all at once while memory suffices.

        Raises Stopped where not even one entry goes through, or the device is broken.
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
            _release()  # here the error, whose traceback held the tensors, is gone


def _release() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
