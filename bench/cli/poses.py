"""`python -m bench poses`: compute head poses of training frames, for face-vid2vid's head pose loss."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import terminal


def poses(
    out: Annotated[
        Path, typer.Option(help="Table to write, .parquet or .csv, with columns clip, frame, yaw, pitch, roll.")
    ],
    data: Annotated[str, typer.Option(help="Folder of clips, as for `train`, or `sample`.")] = "sample",
) -> None:
    """Compute head poses of training frames in degrees with the embedded detector, for `train --poses`."""
    from bench.training.poses import write

    write(data, out, terminal())
