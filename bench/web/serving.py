"""Run a web server on this machine: its socket, its address, and serving until it is stopped."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from bench.runtime.errors import UserError


def missing(error: ImportError, what: str, extra: str) -> UserError:
    """Return the error for a missing package. what: the feature that needs it; extra: the extra that has it."""
    return UserError(f"{what} needs {error.name}: pip install 'talking-head-bench[{extra}]'", code="missing-package")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there. Raises UserError, also if a port is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(256)
    except OSError as error:
        made.close()
        raise UserError(f"--host {host} --port {port}: {error.strerror or error}", code="bad-value") from None
    return made


def address(host: str, port: int) -> str:
    """Return the URL that a browser on this machine opens."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(listening: socket.socket) -> bool:
    """Return whether only this machine reaches it."""
    return ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def run(app: Any, listening: socket.socket) -> None:
    """Serve an application until the process is stopped."""
    import uvicorn

    # No access log: addresses may be secrets, and readers' addresses are private.
    settings = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
    uvicorn.Server(settings).run(sockets=[listening])
