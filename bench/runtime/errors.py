"""Errors with a one-line message for the user; the command line exits with 2, or 1 for `Stopped`."""

import errno
import re

from protocols.errors import BenchError

# Messages of torch (plain RuntimeErrors), oneDNN and NNPACK (for their own objects), Python (for threads) and the
# loader of shared libraries.
_NO_MEMORY = re.compile(
    "out of memory|can.t allocate memory|cannot allocate memory|not enough memory|insufficient memory"
    "|_STATUS_ALLOC_FAILED|bad_alloc|can.t start new thread|could not (create|execute) a primitive$|failed to map"
    "|^NNPACK .* failed$",
    re.IGNORECASE,
)


class UserError(BenchError):
    """A mistake by the user: a wrong name, a missing file, an unusable folder."""


class Stopped(BenchError):
    """Work stopped by the machine: a failed device, no memory, a deleted folder."""

    code = "stopped"


# Errors caused by the machine, its disks or its network, not by the program.
_OF_MACHINE = "ENOSPC EDQUOT EROFS EIO EMFILE ENFILE EAGAIN EBUSY ENOMEM ENODEV ENXIO ESTALE ENOLCK EPIPE ENOTCONN"
_OF_NETWORK = "ETIMEDOUT ECONNRESET ECONNABORTED ECONNREFUSED EHOSTUNREACH ENETUNREACH"
_OF_FILE = "ENOENT ENOTDIR EACCES EPERM"  # caused by the machine if the error names a file
_OF_NAME = "ENAMETOOLONG EINVAL EISDIR EFBIG ELOOP"


def of_machine(error: OSError) -> bool:
    """Return whether the machine caused the error; if neither this nor `of_name`, it is a bug in this program."""
    machine = [*_OF_MACHINE.split(), *_OF_NETWORK.split(), *(_OF_FILE.split() if error.filename is not None else ())]
    return errno.errorcode.get(error.errno or 0) in machine


def of_name(error: OSError) -> bool:
    """Return whether the error's file name can never be used, on any machine."""
    return error.filename is not None and errno.errorcode.get(error.errno or 0) in _OF_NAME.split()


def one_line(text: str) -> str:
    """Return a message as one line without control characters, since file names may contain them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def out_of_memory(error: BaseException) -> bool:
    """Return whether the error is out of memory, so that a smaller batch may help."""
    if isinstance(error, MemoryError):
        return True
    foreign = isinstance(error, (RuntimeError, ImportError)) or type(error).__module__ == "cv2"
    return foreign and _NO_MEMORY.search(str(error)) is not None
