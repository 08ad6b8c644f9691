"""Expect an error for the user by its code and by the values that matter, not by its sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from protocols.errors import BenchError


class Ended(tuple[int, str]):
    """Exit code and output of a command. error: the code of the error for the user that ended it, or None."""

    error: str | None = None


@contextmanager
def refused(kind: type[BenchError], code: str, *values: object) -> Iterator[pytest.ExceptionInfo[BenchError]]:
    """The block must raise an error of this kind and code; `values`, such as a file's name, stand in its message."""
    with pytest.raises(kind) as caught:
        yield caught
    told = str(caught.value)
    assert caught.value.code == code, f"{caught.value.code}: {told}"
    assert all(str(value) in told for value in values), told
