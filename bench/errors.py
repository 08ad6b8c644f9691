"""Errors whose message is one line for the user; the command line prints it and exits with 2."""


class UserError(Exception):
    """A mistake of the user's: wrong name, missing file, unusable folder."""
