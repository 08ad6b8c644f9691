"""A web server on this machine with the good and bad habits of those that publish weights."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer(ThreadingHTTPServer):
    """Serves `files` (path to bytes).

    ranges: whether it knows Range and If-Range. tag: its ETag, or None for none. cut: close after so many bytes of an
    answer that promised more. code: answer this in place of a file. content_type, extra: of its headers.
    asked: headers of all requests so far.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.ranges, self.tag, self.cut, self.code = True, '"v1"', None, 200
        self.content_type = "application/octet-stream"
        self.extra: dict[str, str] = {}
        self.asked: list[dict[str, str]] = []

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        server = self.server
        server.asked.append(dict(self.headers))
        content = server.files.get(self.path.lstrip("/"))
        if server.code != 200 or content is None:
            self.send_error(server.code if server.code != 200 else 404)
            return
        start = int(self.headers.get("Range", "bytes=0-")[len("bytes=") : -1]) if server.ranges else 0
        if self.headers.get("If-Range") and self.headers["If-Range"] != server.tag:
            start = 0
        if start >= len(content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if server.tag:
            self.send_header("ETag", server.tag)
        for name, value in server.extra.items():
            self.send_header(name, value)
        self.send_header("Content-Type", server.content_type)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[start:][: server.cut])

    def do_HEAD(self) -> None:
        """As `do_GET`, without the content."""
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[FileServer]:
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
