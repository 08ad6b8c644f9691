"""The files of a run that its viewer serves; no others are served."""

from __future__ import annotations

import re
import stat
from pathlib import Path

REPORT, INSPECTION = "report.html", "inspect/inspect.html"
KINDS = {".mp4": "video/mp4", ".png": "image/png", ".html": "text/html; charset=utf-8"}
_PLAIN = r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*"  # as `safe_name` writes names
_OPEN = re.compile(
    rf"report\.html|report-single-file\.html|media/{_PLAIN}\.mp4|inspect/inspect\.html|inspect/{_PLAIN}\.png"
)


def kept(folder: Path, name: str) -> Path | None:
    """Return the path of a run's file; None for anything but a report, video or picture of the run.

    folder: of the run, without links. A link that points outside the folder is not a file of the run.
    """
    if not _OPEN.fullmatch(name):
        return None
    try:
        file = (folder / name).resolve(strict=True)
        regular = stat.S_ISREG(file.stat().st_mode)
    except (OSError, ValueError, RuntimeError):
        return None
    return file if regular and file.is_relative_to(folder) else None
