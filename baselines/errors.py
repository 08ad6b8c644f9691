"""Errors of models. Alone in a file, so that the command line knows them without importing torch."""


class ModelError(Exception):
    """A model cannot be loaded or asked; the message is one line for its user."""
