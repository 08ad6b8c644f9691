"""HTTP headers of every response: load nothing from other hosts, send no referrer, limit caching."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FRAMES = "; frame-ancestors 'none'"  # means nothing in a page's own text
_FIXED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # the address may be a secret
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


def policy(**sources: str) -> str:
    """Return a content security policy: nothing but these sources, ``script_src="'self'"``."""
    allowed = {"default_src": "'none'", **sources, "base_uri": "'none'"}
    return "; ".join(f"{name.replace('_', '-')} {source}" for name, source in allowed.items())


class Headers:
    """Add the headers. Only the reader's own browser may cache videos, and nothing may cache the rest.

    policy: the content security policy of responses without their own.
    """

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._policy = policy + FRAMES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        kept = "/media/" in scope["path"]

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _FIXED.items():
                    headers[name] = value
                headers.setdefault("content-security-policy", self._policy)
                headers["cache-control"] = "private, max-age=3600" if kept else "no-store"
            await send(message)

        await self._app(scope, receive, sending)
