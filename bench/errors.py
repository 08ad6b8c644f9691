"""Errors whose message is one line for the user; the command line prints it and exits with 2, or 1 for `Stopped`."""


class UserError(Exception):
    """A mistake of the user's: wrong name, missing file, unusable folder."""


class Stopped(Exception):
    """Work that cannot go on through no fault of the command's: a lost device, no memory, a folder that is gone.

    What was finished is kept; the same command goes on from there.
    """


def one_line(text: str) -> str:
    """A message as one line that a terminal prints and does not obey: names of files may hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
