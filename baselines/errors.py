"""Errors of models, in a file of their own: the command line imports them without torch."""

from protocols.errors import BenchError


class ModelError(BenchError):
    """A model cannot be loaded or used."""

    code = "bad-model"
