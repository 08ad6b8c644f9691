"""This repository's own gate: its networks on the sample set are still what the reference file says; and it bites."""

from __future__ import annotations

import pytest
from drift_faults import FAULTS, REFERENCE, caught, line, sample_run

from bench import check_output
from bench.check import check
from bench.drift_reference import Record, read_run

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def cache_of_the_sample_set(monkeypatch, cache, sample_set):
    monkeypatch.setenv("TALKING_HEAD_BENCH_CACHE", str(cache))


def test_the_sample_protocol_has_not_drifted(tmp_path):
    result = check(Record.read(REFERENCE), read_run(sample_run(tmp_path)), "exact")
    assert not result.failures, "\n".join(check_output.lines(result))
    assert {row.verdict for row in result.rows} == {"same"}
    assert len(result.rows) == 55


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_caught(fault, tmp_path):
    exact, statistical = caught(fault, tmp_path)
    print(line(fault, (exact, statistical)))
    assert exact.failures, "\n".join(check_output.lines(exact))
