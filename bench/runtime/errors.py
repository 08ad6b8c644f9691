"""Errors whose message is one line for the user; the command line prints it and exits with 2, or 1 for `Stopped`."""

import errno
import re

from protocols.errors import BenchError

# Torch says so in plain RuntimeErrors, oneDNN and NNPACK of what they could not make for themselves, Python of threads,
# the loader of libraries that find no room.
_NO_MEMORY = re.compile(
    "out of memory|can.t allocate memory|cannot allocate memory|not enough memory|insufficient memory"
    "|_STATUS_ALLOC_FAILED|bad_alloc|can.t start new thread|could not (create|execute) a primitive$|failed to map"
    "|^NNPACK .* failed$",
    re.IGNORECASE,
)


class UserError(BenchError):
    """A mistake of the user's: wrong name, missing file, unusable folder."""


class Stopped(BenchError):
    """Work that cannot go on through no fault of the command's: a lost device, no memory, a folder that is gone."""

    code = "stopped"


# What a machine, its disks and its network may do to any program, whatever the program does right.
_OF_MACHINE = "ENOSPC EDQUOT EROFS EIO EMFILE ENFILE EAGAIN EBUSY ENOMEM ENODEV ENXIO ESTALE ENOLCK EPIPE ENOTCONN"
_OF_NETWORK = "ETIMEDOUT ECONNRESET ECONNABORTED ECONNREFUSED EHOSTUNREACH ENETUNREACH"
_OF_FILE = "ENOENT ENOTDIR EACCES EPERM"  # the machine's doing where a file is named
_OF_NAME = "ENAMETOOLONG EINVAL EISDIR EFBIG ELOOP"


def of_machine(error: OSError) -> bool:
    """Whether it is the state of the machine; else, and where it is not `of_name`, it is a bug of this program."""
    machine = [*_OF_MACHINE.split(), *_OF_NETWORK.split(), *(_OF_FILE.split() if error.filename is not None else ())]
    return errno.errorcode.get(error.errno or 0) in machine


def of_name(error: OSError) -> bool:
    """Whether the file that it names can never be used so, in whatever state the machine is."""
    return error.filename is not None and errno.errorcode.get(error.errno or 0) in _OF_NAME.split()


def one_line(text: str) -> str:
    """A message as one line that a terminal prints and does not obey: names of files may hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def out_of_memory(error: BaseException) -> bool:
    """Whether it would have gone through with more memory, and so, perhaps, with a smaller batch."""
    if isinstance(error, MemoryError):
        return True
    foreign = isinstance(error, (RuntimeError, ImportError)) or type(error).__module__ == "cv2"
    return foreign and _NO_MEMORY.search(str(error)) is not None
