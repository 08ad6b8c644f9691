"""Fixtures that several areas share."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest
from hypothesis import HealthCheck, settings

from baselines import samples as samples_folder
from bench.runtime.allocator import release_freed_memory
from protocols import sample_set as samples
from protocols import sound_set

# A shell that starts the tests in the background has Ctrl-C ignored, and what tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast an example is says how busy the machine is, not whether the program is right.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    """Where CI is set there is time for the slow tests too, unless other marks were asked for."""
    if os.environ.get("CI") and config.option.markexpr == "not slow":
        config.option.markexpr = ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test first: at the end it would run for minutes beside an idle worker."""
    items.sort(key=lambda item: item.get_closest_marker("longest") is None)


@pytest.fixture(scope="module", autouse=True)
def memory_given_back() -> Iterator[None]:
    """Full-size networks of one file must not lie about while the next one runs: that was 5 GB a process."""
    yield
    gc.collect()
    release_freed_memory()


@pytest.fixture(scope="session", autouse=True)
def no_samples_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Sample checkpoints that somebody has built here are no part of any test."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(samples_folder.VARIABLE, str(tmp_path_factory.mktemp("samples") / "none"))
        yield


@pytest.fixture(scope="session")
def cache() -> Path:
    """The cache folder that the program itself would use, so that the sample set is built once a machine."""
    return Path(os.environ.get("TALKING_HEAD_BENCH_CACHE") or platformdirs.user_cache_dir("talking-head-bench"))


@pytest.fixture(scope="session")
def sample_set(cache: Path) -> Path:
    """The folder of the built sample set."""
    return samples.ensure(cache, progress=False)


@pytest.fixture(scope="session")
def sound_set_folder(cache: Path) -> Path:
    """The folder of the built sound set."""
    return sound_set.ensure(cache, progress=False)


@pytest.fixture(scope="session")
def gray_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of whole clips of ten frames (`support.gray_clips`), which tests read and leave as it is."""
    from support import gray_clips

    root = tmp_path_factory.mktemp("gray")
    gray_clips.folders(root, 10)
    return gray_clips.score(root)
