"""What browsers may load for the viewer's pages."""

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
    """Return the policy of reports and comparisons: of scripts, those that this program writes into them alone.

    A report is a file that anybody may have written; other scripts in it are not run.
    """
    folder = Path(reports.__file__).parent / "templates"
    digests = (hashlib.sha256(page.draw(file.name).encode()).digest() for file in sorted(folder.glob("*.js")))
    known = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    sources = {"style_src": "'unsafe-inline'", "img_src": "'self' data:", "media_src": "'self' data:"}
    return policy(script_src=known or "'none'", **sources, form_action="'none'") + FRAMES
