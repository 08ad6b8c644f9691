"""Pages that uvicorn serves over HTTP, in a thread of this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from bench.study import server


@contextmanager
def live(folder: Path) -> Iterator[str]:
    """Serve the folder of a study; yields the address."""
    made = server.app(folder)
    try:
        with serving(made) as address:
            yield address
    finally:
        made.state.service.store.close()


@contextmanager
def serving(made: Any) -> Iterator[str]:
    """Serve an application; yields the address."""
    listening = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(made, log_level="warning", access_log=False, lifespan="off"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(10)
