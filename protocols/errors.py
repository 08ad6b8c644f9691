"""The errors of this package."""

from __future__ import annotations


class DataError(Exception):
    """Data that is missing, broken or not what it should be; the message is one line for the user."""


class Gone(DataError):
    """A file that is not there, or whose folder is not."""


class PluginError(DataError):
    """A plug-in that cannot be used: broken, or under a name that is taken. The message names its package."""
