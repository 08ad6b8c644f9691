"""Errors whose message is one line for the user; the command line prints it and exits with 2, or 1 for `Stopped`."""


class UserError(Exception):
    """A mistake of the user's: wrong name, missing file, unusable folder."""


class Stopped(Exception):
    """Work that cannot go on through no fault of the command's: a lost device, no memory, a folder that is gone.

    What was finished is kept; the same command goes on from there.
    """
