"""What every answer of the server tells the browser: take nothing from elsewhere, tell nobody, keep nothing secret."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)
FRAMES = "; frame-ancestors 'none'"  # means nothing in a page's own text
_FIXED = {
    "content-security-policy": POLICY + FRAMES,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # the address is the secret
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Headers:
    """Adds them. Videos may be kept by the rater's own browser, all else by nobody."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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
                headers["cache-control"] = "private, max-age=3600" if kept else "no-store"
            await send(message)

        await self._app(scope, receive, sending)
