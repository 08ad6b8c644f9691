"""A run of networks, made once for all tests of figures, which leave it as it is."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def run(tmp_path_factory, sample_set) -> Path:
    """`support.small_run` on the sample set."""
    from support import small_run

    return small_run.make(tmp_path_factory.mktemp("figures"))
