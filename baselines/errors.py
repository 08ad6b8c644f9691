"""Errors of models. Alone in a file, so that the command line knows them without importing torch."""

from protocols.errors import BenchError


class ModelError(BenchError):
    """A model cannot be loaded or used."""

    code = "bad-model"
