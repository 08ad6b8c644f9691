"""Content security policies of the viewer's pages."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

import reports
from bench.web.headers import FRAMES, policy
from reports.run import page

OWN = policy(style_src="'self'", img_src="data:", media_src="'self'", form_action="'self'")  # no script at all


@cache
def of_reports() -> str:
    """Return the policy of reports and comparisons: only scripts that this program writes into them.

    Anybody may have written a report file; other scripts in it do not run.
    """
    folder = Path(reports.__file__).parent / "templates"
    digests = (hashlib.sha256(page.draw(file.name).encode()).digest() for file in sorted(folder.glob("*.js")))
    known = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    sources = {"style_src": "'unsafe-inline'", "img_src": "'self' data:", "media_src": "'self' data:"}
    return policy(script_src=known or "'none'", **sources, form_action="'none'") + FRAMES
