"""The base of all errors whose message is for the user, and the errors of this package."""

from __future__ import annotations


class BenchError(Exception):
    """An error whose message is one line for the user; the command line prints it without a traceback.

    code: the kind of mistake as kebab-case words, for programs and tests; `docs/errors.md` lists them all.
    """

    code = "user-error"

    def __init__(self, message: str, *, code: str | None = None):
        super().__init__(message)
        if code:
            self.code = code


class DataError(BenchError):
    """Data that is missing, broken or of another kind than expected."""

    code = "bad-data"


class MissingFile(DataError):
    """A file that does not exist, or in a folder that does not exist."""

    code = "missing-file"


class PluginError(DataError):
    """An unusable plug-in: broken, or with a name that is taken. The message names its package."""

    code = "broken-plugin"


def first_line(error: BaseException) -> str:
    """Return an error's message up to its first line break; its type's name if it has no message."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def typed_line(error: BaseException) -> str:
    """Return the type of an error in foreign code, and its message up to the first line break."""
    return f"{type(error).__name__}: {error}".splitlines()[0].removesuffix(": ")


def unreadable(file: object, error: Exception) -> DataError:
    """Return the error for a file that cannot be read, in one line, with the system's message if there is one."""
    return DataError(
        f"{file}: cannot be read ({getattr(error, 'strerror', None) or first_line(error)})", code="unreadable-file"
    )
