"""Studies with people as judges: made from runs, served to raters, collected, scored."""

from bench.study.folder import load

__all__ = ["load"]
