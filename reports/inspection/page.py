"""A page with pictures of what networks computed."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from protocols.names import safe_name
from reports.inspection import memories
from reports.inspection.figures import Inspection, figures
from reports.inspection.memories import MemoriesSeen

CAPTIONS = {
    "motion": "Keypoints in both frames; the flow, where color is the direction that a pixel's content moves in and "
    "full color a movement of 15 % of the side; the source moved by the flow alone; which motion has the largest "
    "share where (black: the background's); the occlusion maps, black where the network does not trust the source.",
    "scale": "The driving frame, the same rectified to the source's scale, what it was before it was squeezed (where "
    "it was), the source, and the result.",
    "stitching": "The keypoints that the driving face asks for, and those that the network got after stitching moved "
    "them so that the shoulders stay in place; the source's own beside them.",
    "directions": "The source moved along one direction of the dictionary at a time, by 3 back and forth from its own "
    "pose, as the released manipulation script does.",
    "references": "Source and driving frame without any motion: the pose that magnitudes count from. The paper finds "
    "it to be one pose for all, which a trained network shows.",
    "memory": "Channels of the meta memory, those that vary most first, each stretched to its own range.",
    "conditioned": "The same channels of the memory after it was conditioned on this source, level by level.",
    "read": "Who asks and what is read: the spots in the result; for each level and spot how much it reads of each "
    "cell of the memory (each stretched to its own range); how much the memory changed the feature.",
}


def write(inspections: Sequence[Inspection | MemoriesSeen], out: Path, notes: Sequence[str] = ()) -> Path:
    """PNG pictures ``<model>[_<pair>]_<what>.png`` and ``inspect.html`` with all of them; returns the page's path.

    notes: lines to be said above the pictures.
    """
    out.mkdir(parents=True, exist_ok=True)
    parts = [f"<p><strong>{escape(note)}</strong></p>" for note in notes]
    for inspection in inspections:
        title = escape(f"{inspection.model}, pair {inspection.pair}" if inspection.pair else inspection.model)
        parts.append(f"<h2>{title}</h2><p>motion mode {escape(inspection.mode)}</p>")
        stem = safe_name("_".join(filter(None, (inspection.model, inspection.pair))))
        for name, figure in _figures(inspection).items():
            file = out / f"{stem}_{name}.png"
            FigureCanvasAgg(figure)
            figure.savefig(file, dpi=100, metadata={"Software": None})
            content = base64.b64encode(file.read_bytes()).decode("ascii")
            caption = escape((CAPTIONS | memories.CAPTIONS)[name])
            parts.append(
                f'<figure><img src="data:image/png;base64,{content}" alt="{name}">'
                f"<figcaption>{caption}</figcaption></figure>"
            )
    page = out / "inspect.html"
    page.write_text(_PAGE.replace("BODY", "\n".join(parts)), encoding="utf-8")
    return page


def _figures(inspection: Inspection | MemoriesSeen) -> dict[str, Figure]:
    return memories.figures(inspection) if isinstance(inspection, MemoriesSeen) else figures(inspection)


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What the networks see</title>
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
figure { margin: 1rem 0 2rem; }
img { max-width: 100%; background: #fff; }
figcaption { font-size: .87rem; max-width: 60rem; }
</style>
</head>
<body>
<h1>What the networks see</h1>
BODY
</body>
</html>
"""
