"""Motion modes. Alone in a file, so that a network's card is read without importing torch."""

from __future__ import annotations

from typing import Literal

# Driving keypoints as they are; moved from the source's as they moved since an anchor frame, and that scaled by the
# ratio of the two faces' sizes; with the shape that a network of its own draws from the source.
MotionMode = Literal["absolute", "relative", "relative-adapt", "avd"]
