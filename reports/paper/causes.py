"""Why a printed and a measured number are not compared: a code for programs, and words for readers."""

from __future__ import annotations

from dataclasses import dataclass

from reports.paper.printed import BLOCKING

TEXTS = {
    "sample-data": "sample data",
    "sample-weights": "sample weights",
    "untrained-weights": "untrained weights",
    "other-weights": "weights that are not the published ones",
    "motion-mode": "motion mode {}, not {}",
    "protocol-version": "version {} of the protocol, now {}",
    "fewer-pairs": "fewer pairs: {} of {}",
    "other-pairs": "another pair list: {}",
    "own-pairs": "another pair list: {} (none is published)",
    "own-clips": "another clip list: {} (none is published)",
    "not-printed": "not printed",
    "not-measured": "not measured",
    "not-counted": "not counted",
    "not-rated": "not rated",
    "unfilled": "{}",
    "no-definition": "no metric of this program computes the printed column",
    "other-detectors": "other detectors: {}, printed {}",
    "other-definition": "other definition: {}, printed {}",
    "unknown-definition": "not known which of {} is printed",
    "other-raters": "other raters and clips than the paper's",
    **BLOCKING,
}
_WEIGHTS = ("sample-weights", "untrained-weights", "other-weights")


@dataclass(frozen=True)
class Cause:
    """A reason. code: a key of `TEXTS`; values: what its text names, in order."""

    code: str
    values: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return the reason in words."""
        return TEXTS[self.code].format(*self.values)

    @property
    def of_weights(self) -> bool:
        """Return whether the model did not run with the published weights."""
        return self.code in _WEIGHTS


def cause(code: str, *values: object) -> Cause:
    """Return a reason with its values as text."""
    return Cause(code, tuple(map(str, values)))
