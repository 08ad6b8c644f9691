"""The variants of MemFace in its tables, by name: differences from `memface`, and the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from protocols.protocol import MotionMode

MOTION_MODES: tuple[MotionMode, ...] = ("absolute",)


@dataclass(frozen=True)
class Variant:
    """Differences of a variant.

    a2e: fields of `audio_to_expression.A2EConfig`. render: settings of the renderer. forget: set the implicit memory to
    noise after training. other_memory: use the explicit memory of another person. source: table of the paper.
    """

    source: str
    a2e: Mapping[str, Any] = field(default_factory=dict)
    render: Mapping[str, Any] = field(default_factory=dict)
    forget: bool = False
    other_memory: bool = False

    @property
    def summary(self) -> str:
        """Return one line for lists."""
        return f"MemFace (Tang et al., arXiv:2212.05005, 2022), {self.source}"


VARIANTS: dict[str, Variant] = {
    "memface": Variant("Tables 1 to 7"),
    "memface-no-implicit": Variant("Table 3, w/o mem.", {"memory": "none"}),
    "memface-explicit-a2e": Variant("Table 3, w/ expl. mem.", {"memory": "explicit"}),
    "memface-m500": Variant("Table 5a", {"slots": 500}),
    "memface-m1500": Variant("Table 5a", {"slots": 1500}),
    "memface-m2000": Variant("Table 5a", {"slots": 2000}),
    "memface-d32": Variant("Table 7", {"dim": 32}),
    "memface-d96": Variant("Table 7", {"dim": 96}),
    "memface-d128": Variant("Table 7", {"dim": 128}),
    "memface-no-explicit": Variant("Table 4, w/o mem.", render={"memory": "none"}),
    "memface-implicit-render": Variant("Table 4, w/ impl. mem.", render={"memory": "implicit"}),
    "memface-n100": Variant("Table 5b", render={"slots": 100}),
    "memface-n200": Variant("Table 5b", render={"slots": 200}),
    "memface-n500": Variant("Table 5b", render={"slots": 500}),
    "memface-other-memory": Variant("Supplement C.3, Fig. 10", other_memory=True),
    "memface-noise-memory": Variant("Supplement C.3, Fig. 9", forget=True),
}
